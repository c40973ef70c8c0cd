"""What an image shares with others, by Podman's list of images."""

from __future__ import annotations

from mlc_patched.engine.podman_images import ListedImage, listed_image, without_steps


def test_the_steps_below_an_image_are_its_own() -> None:
    images = {
        "base": ListedImage("", 100, True),
        "one": ListedImage("base", 110, False),
        "two": ListedImage("one", 120, False),
        "latest": ListedImage("two", 121, True),
        "other": ListedImage("one", 150, True),
    }
    said = {"base": 100, "one": 110, "two": 120, "latest": 120, "other": 110}
    assert without_steps(images, said) == {"base": 100, "latest": 110, "other": 110}


def test_where_no_image_is_known_below_the_number_of_podman_counts() -> None:
    images = {
        "step": ListedImage("", 100, False),
        "built": ListedImage("step", 130, True),
        "pulled": ListedImage("", 90, True),
    }
    said = {"step": 60, "built": 90, "pulled": 60}
    assert without_steps(images, said) == {"built": 60, "pulled": 60}


def test_a_nameless_image_that_nothing_is_built_on_is_no_step() -> None:
    assert without_steps({"left": ListedImage("", 5, False)}, {}) == {"left": 0}


def test_ids_have_their_algorithm() -> None:
    entry = {"ParentId": "abc", "Size": 1, "RepoTags": None}
    assert listed_image(entry) == ListedImage("sha256:abc", 1, False)
    assert listed_image({**entry, "ParentId": ""}).parent == ""
