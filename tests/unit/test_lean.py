"""These dataclasses behave as the standard ones, as far as this program and its users use them."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlc_patched import lean as own

SOURCE = """
@dataclass(frozen=True)
class Point:
    x: int
    y: int = 2
    marks: dict[str, int] = field(default_factory=dict, compare=False)
    names: tuple[str, ...] = field(default_factory=tuple)

    @property
    def area(self) -> int:
        return self.x * self.y


@dataclass(frozen=True)
class Named(Point):
    name: str = "a"


@dataclass
class Open:
    x: int
"""


def made_by(module: Any) -> dict[str, Any]:
    """Return the classes, made by the decorator of a module."""
    names = {name: getattr(module, name) for name in ("dataclass", "field")}
    space: dict[str, Any] = {"__name__": __name__, **names}
    exec(f"from __future__ import annotations\n{SOURCE}", space)
    return space


OWN, STANDARD = made_by(own), made_by(dataclasses)
Point = OWN["Point"]
BOTH = pytest.mark.parametrize("made", [OWN, STANDARD], ids=["own", "standard"])


@BOTH
def test_defaults_are_made_for_each_object(made: dict[str, Any]) -> None:
    one, other = made["Point"](1), made["Point"](1)
    assert (one.x, one.y, one.marks, one.names, one.area) == (1, 2, {}, (), 2)
    assert one.marks is not other.marks
    assert repr(one) == "Point(x=1, y=2, marks={}, names=())"
    assert list(vars(made["Point"](names=("b",), x=3))) == ["x", "y", "marks", "names"]


@BOTH
def test_a_class_inherits_fields(made: dict[str, Any]) -> None:
    named = made["Named"](1, 5, name="b")
    assert (named.x, named.y, named.name, named.area) == (1, 5, "b", 5)
    assert named != made["Point"](1, 5)


@BOTH
def test_equal_are_objects_of_one_class_with_equal_fields(made: dict[str, Any]) -> None:
    each = made["Point"]
    assert each(1, marks={"a": 1}) == each(1, marks={})
    assert hash(each(1, marks={"a": 1})) == hash(each(1))
    assert each(1) != each(2)
    assert each(1) != 1
    assert made["Open"](1) == made["Open"](1)
    with pytest.raises(TypeError):
        hash(made["Open"](1))


@BOTH
@pytest.mark.parametrize(
    "call", [{}, {"x": 1, "z": 2}, {"y": 2}], ids=["nothing", "unknown", "without x"]
)
def test_wrong_arguments_are_refused(made: dict[str, Any], call: dict[str, int]) -> None:
    with pytest.raises(TypeError):
        made["Point"](**call)


@BOTH
def test_too_many_values_and_one_that_is_given_twice_are_refused(made: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        made["Open"](1, 2)
    with pytest.raises(TypeError):
        made["Open"](1, x=2)


@BOTH
def test_only_one_that_is_not_frozen_can_be_changed(made: dict[str, Any]) -> None:
    found, frozen = made["Open"](1), made["Point"](1)
    found.x = 2
    assert found.x == 2
    for change in (lambda: setattr(frozen, "x", 2), lambda: delattr(frozen, "x")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            change()
    assert frozen.x == 1


@BOTH
def test_fields_match_by_position(made: dict[str, Any]) -> None:
    assert made["Named"].__match_args__ == ("x", "y", "marks", "names", "name")
    open_ = made["Open"]
    match open_(3):
        case open_(x):
            assert x == 3


@pytest.mark.parametrize(
    ("made", "replace"),
    [(OWN, own.replace), (OWN, dataclasses.replace), (STANDARD, dataclasses.replace)],
    ids=["own", "standard function", "standard"],
)
def test_replace_keeps_what_it_does_not_change(
    made: dict[str, Any], replace: Callable[..., Any]
) -> None:
    changed = replace(made["Named"](1, name="b"), y=7)
    assert changed == made["Named"](1, 7, name="b")


@BOTH
def test_the_standard_functions_know_the_fields(made: dict[str, Any]) -> None:
    named = made["Named"](1, marks={"a": 2})
    assert dataclasses.is_dataclass(named)
    assert [each.name for each in dataclasses.fields(named)] == [
        *("x", "y", "marks", "names", "name")
    ]
    assert dataclasses.asdict(named)["marks"] == {"a": 2}


def test_objects_can_be_copied_and_pickled() -> None:
    point = Point(1, names=("a",))
    assert copy.deepcopy(point) == point
    assert pickle.loads(pickle.dumps(point)) == point


def test_no_module_takes_the_standard_decorator() -> None:
    """`replace` of lean.py knows only the classes of its own."""
    places = sorted(Path(own.__file__).parent.rglob("*.py"))
    taken = re.compile(r"^ *from dataclasses import .*\b(dataclass|field|replace)\b", re.M)
    assert [each.name for each in places if taken.search(each.read_text())] == ["lean.py"]
