"""The disk space that removing images frees."""

from __future__ import annotations

import pytest

from mlc_patched.engine.interface import Image
from mlc_patched.engine.observations import Layer
from mlc_patched.maintenance import disk_usage


def stored(name: str, *layers: tuple[str, int]) -> disk_usage.Stored:
    image = Image(name, layers=tuple(layer for layer, _ in layers))
    return disk_usage.stored(image, [Layer("RUN", size) for _, size in reversed(layers)])


BASE, A, B = ("base", 100), ("a", 10), ("b", 5)
IMAGES = {
    "base": stored("base", BASE),
    "one": stored("one", BASE, A),
    "two": stored("two", BASE, A, B),
    "other": stored("other", ("else", 1000), A),
}


@pytest.mark.parametrize(
    ("going", "bytes_freed"),
    [
        ([], 0),
        (["one"], 0),  # all of it is in `two`, too
        (["two"], 5),
        (["one", "two"], 15),  # not 5 and 0, and not 110 and 115
        (["base", "one", "two"], 115),
        (["other"], 1010),  # the same layer on another one is stored again
        (["two", "two"], 5),
        (["gone"], 0),
    ],
)
def test_only_layers_that_nothing_else_uses_are_freed(going: list[str], bytes_freed: int) -> None:
    assert disk_usage.freed(going, IMAGES) == bytes_freed


def test_steps_without_a_layer_differ_from_steps_with_an_empty_one() -> None:
    image = Image("i", layers=("l1", "l2", "l3"))
    newest_first = [
        Layer("/bin/sh -c #(nop)  CMD [bash]", 0),
        Layer("RUN make", 7),
        Layer("LABEL a=b", 0),
        Layer("RUN true", 0),
        Layer("/bin/sh -c #(nop) ADD file in /", 50),
    ]
    assert [size for _, size in disk_usage.stored(image, newest_first)] == [50, 0, 7]
