"""What an image shares with others, by Podman's list of images."""

from __future__ import annotations

from mlc_patched.engine.podman_images import ImageInTree, image_in_tree, without_steps


def test_the_steps_below_an_image_are_its_own() -> None:
    images = {
        "base": ImageInTree("", 100, True),
        "one": ImageInTree("base", 110, False),
        "two": ImageInTree("one", 120, False),
        "latest": ImageInTree("two", 121, True),
        "other": ImageInTree("one", 150, True),
    }
    said = {"base": 100, "one": 110, "two": 120, "latest": 120, "other": 110}
    assert without_steps(images, said) == {"base": 100, "latest": 110, "other": 110}


def test_where_no_image_is_known_below_the_number_of_podman_counts() -> None:
    images = {
        "step": ImageInTree("", 100, False),
        "built": ImageInTree("step", 130, True),
        "pulled": ImageInTree("", 90, True),
    }
    said = {"step": 60, "built": 90, "pulled": 60}
    assert without_steps(images, said) == {"built": 60, "pulled": 60}


def test_a_nameless_image_that_nothing_is_built_on_is_no_step() -> None:
    assert without_steps({"left": ImageInTree("", 5, False)}, {}) == {"left": 0}


def test_ids_have_their_algorithm() -> None:
    entry = {"ParentId": "abc", "Size": 1, "RepoTags": None}
    assert image_in_tree(entry) == ImageInTree("sha256:abc", 1, False)
    assert image_in_tree({**entry, "ParentId": ""}).parent == ""
