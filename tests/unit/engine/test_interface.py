"""When two images are the same."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlc_patched.engine.interface import Image

IMAGE = Image("sha256:1", ("a:1",), {"k": "v"}, 5, "2026", ("A=1",), layers=("l1", "l2"))


def test_a_copy_in_another_image_store_is_the_same_image() -> None:
    other = replace(IMAGE, id="sha256:2", references=("b:1",), size=9, digests=("a@sha256:3",))
    assert IMAGE.is_copy_of(other)
    assert other.is_copy_of(IMAGE)


@pytest.mark.parametrize(
    "change", [{"layers": ("l1",)}, {"labels": {}}, {"environment": ()}, {"created": "2027"}]
)
def test_an_image_that_differs_in_anything_else_is_no_copy(change: dict[str, object]) -> None:
    assert not IMAGE.is_copy_of(replace(IMAGE, id="sha256:2", **change))


def test_of_images_from_lists_only_the_id_counts() -> None:
    listed = replace(IMAGE, layers=())
    assert listed.is_copy_of(replace(IMAGE, references=()))
    assert not listed.is_copy_of(replace(listed, id="sha256:2"))
