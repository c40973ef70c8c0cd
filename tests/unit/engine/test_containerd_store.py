"""Which images of the classic builder's steps go with the last image that is built on them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mlc_patched.engine.containerd_store import remove_unused_steps, step_below
from mlc_patched.engine.http import Answer
from mlc_patched.errors import ConflictError, ImageNotFoundError


class Store:
    """Images as the engine lists them: each with its parent and its names."""

    def __init__(self, *images: tuple[str, str, list[str]], used: str = "") -> None:
        self.images = {
            image: {"Id": image, "ParentId": parent, "RepoTags": names, "RepoDigests": []}
            for image, parent, names in images
        }
        self.used = used

    def ask(self, method: str, path: str, query: Any = None, **_: object) -> Answer:
        name = path.removeprefix("/images/").removesuffix("/json")
        if method == "DELETE":
            assert query == {"noprune": "1"}, "the engine would not look for other children"
            if name == self.used:
                raise ConflictError("in use")
            del self.images[name]
            return Answer(200, {}, b"[]")
        if path == "/images/json":
            return Answer(200, {}, json.dumps(list(self.images.values())).encode())
        if name not in self.images:
            raise ImageNotFoundError(name)
        return Answer(200, {}, json.dumps({"Parent": self.images[name]["ParentId"]}).encode())


@pytest.mark.parametrize(
    ("images", "used", "left"),
    [
        # base <- one <- two, and an image that was built on two is gone.
        ([("base", "", ["b:1"]), ("one", "base", []), ("two", "one", [])], "", ["base"]),
        (
            [("base", "", ["b:1"]), ("one", "base", ["mine:1"]), ("two", "one", [])],
            "",
            ["base", "one"],
        ),
        ([("one", "", []), ("two", "one", []), ("other", "one", ["o:1"])], "", ["one", "other"]),
        ([("one", "", []), ("two", "one", []), ("other", "two", [])], "", ["one", "two", "other"]),
        ([("one", "", []), ("two", "one", [])], "two", ["one", "two"]),
        ([("one", "", []), ("two", "one", [])], "one", ["one"]),
        ([("two", "", ["t:1"])], "", ["two"]),
        ([], "", []),
    ],
)
def test_steps_go_up_to_one_that_something_needs(
    images: list[tuple[str, str, list[str]]], used: str, left: list[str]
) -> None:
    store = Store(*images, used=used)
    remove_unused_steps("two", store.ask)
    assert list(store.images) == left


def test_an_image_that_only_a_digest_names_stays() -> None:
    store = Store(("two", "", []))
    store.images["two"]["RepoDigests"] = ["hub/two@sha256:1"]
    remove_unused_steps("two", store.ask)
    assert list(store.images) == ["two"]


def test_the_step_below_an_image_is_its_parent() -> None:
    store = Store(("one", "", []), ("two", "one", []))
    assert step_below("two", store.ask) == "one"
    assert step_below("one", store.ask) == ""
    assert step_below("none", store.ask) == ""
