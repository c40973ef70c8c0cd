"""Appended steps are folded into one of each kind; no step moves over one that is not such."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlc_patched.images.dockerfile.append import append_packages
from mlc_patched.images.dockerfile.compact import appended_steps, compacted, foldable_steps
from mlc_patched.images.dockerfile.installs import APT, PIP, packages_in
from mlc_patched.images.dockerfile.package_steps import python_step
from mlc_patched.images.dockerfile.render import ImageRecipe, render
from mlc_patched.images.packages import pip_name

TEXT = render(ImageRecipe("demo", "debian:12", "custom", (), ("numpy",)))
DATE = "2026-11-26"


def appended(text: str, *packages: str) -> str:
    for package in packages:
        text = append_packages(text, pip=(package,), date=DATE)
    return text


def test_appended_steps_become_one_at_the_place_of_the_first() -> None:
    text = appended(TEXT, "b", "a<2", "c")
    assert len(appended_steps(text)) == 3
    assert compacted(text, DATE) == append_packages(TEXT, pip=("a<2", "b", "c"), date=DATE)
    assert compacted(appended(TEXT, "b"), DATE) == appended(TEXT, "b")


def kinds(text: str) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    return [(each.apt, each.pip) for each in appended_steps(text)]


def test_debian_s_packages_are_there_before_python_s_that_need_them() -> None:
    text = append_packages(appended(TEXT, "b"), apt=("gcc", "libpq-dev"), pip=("c",), date=DATE)
    found = compacted(append_packages(text, apt=("jq",), date=DATE), DATE)
    assert kinds(found) == [(("gcc", "jq", "libpq-dev"), ("b", "c"))]
    assert found.index("libpq-dev") < found.index(" b ")
    text = append_packages(append_packages(TEXT, apt=("fd",), date=DATE), apt=("jq",), date=DATE)
    assert kinds(compacted(appended(text, "b"), DATE)) == [(("fd", "jq"), ()), ((), ("b",))]


def test_the_step_of_uv_does_not_keep_debian_s_packages_apart() -> None:
    text = append_packages(
        render(ImageRecipe("demo", "debian:12", "custom")), apt=("fd",), date=DATE
    )
    text = append_packages(text, apt=("jq",), pip=("b",), date=DATE)
    assert "pip install --no-cache-dir uv==" in text
    assert kinds(compacted(appended(text, "c"), DATE)) == [(("fd", "jq"), ()), ((), ("b", "c"))]


BROUGHT = f"COPY demo.x /x\n{python_step(['-r /x'])}"
WHEEL = f"COPY demo.x-1.whl /x-1.whl\n{python_step(['/x-1.whl'])}"


@pytest.mark.parametrize("steps", [BROUGHT, WHEEL, "RUN make\n", "ENV PIP_INDEX_URL=x\n"])
def test_no_step_is_moved_over_one_that_is_not_such(steps: str) -> None:
    text = append_packages(appended(TEXT, "b"), apt=("jq",), date=DATE)
    text = append_packages(text, steps=steps, date=DATE)
    text = append_packages(text, apt=("fd",), pip=("attrs==24.2.0",), date=DATE)
    assert (compacted(text, DATE), foldable_steps(text)) == (text, 0)
    text = appended(text, "a")
    assert foldable_steps(text) == 2
    folded = compacted(text, DATE)
    assert kinds(folded) == [
        *(((), ("b",)), (("jq",), ())),
        *((("fd",), ()), ((), ("a", "attrs==24.2.0"))),
    ]
    assert folded[: folded.index("fd")] == text[: text.index("fd")]
    assert foldable_steps(folded) == 0


def test_a_step_that_was_edited_by_hand_stays() -> None:
    text = appended(TEXT, "a", "b", "c").replace("        b\n", "        b # why\n")
    assert len(appended_steps(text)) == 2
    assert "        b # why\n" in compacted(text, DATE)


HAND = st.sampled_from(["# mine\n", "RUN make\n\n", "ENV A=1\n\n", "# Added on my own\nRUN x\n\n"])
PACKAGE = st.sampled_from(["a", "b>1", "c[x]", "numpy"])


@given(st.lists(st.one_of(HAND, PACKAGE, PACKAGE.map(str.upper)), max_size=8))
def test_no_edit_by_hand_is_lost_and_no_package(pieces: list[str]) -> None:
    text, hand = TEXT, []
    for piece in pieces:
        if piece.endswith("\n"):
            text = text.replace("# Your account", f"{piece}# Your account")
            hand.append(piece)
        elif piece.isupper():
            text = append_packages(text, apt=(pip_name(piece),), date=DATE)
        else:
            text = append_packages(text, pip=(piece,), date=DATE)
    for break_ in ("\n", "\r\n"):
        given_text = text.replace("\n", break_)
        found = compacted(given_text, DATE)
        assert {*packages_in(found, PIP)} == {*packages_in(given_text, PIP)}
        assert {*packages_in(found, APT)} == {*packages_in(given_text, APT)}
        rest = iter(found.splitlines())
        assert all(line in rest for piece in hand for line in piece.splitlines() if line)
        assert between(found) == between(given_text)
        assert foldable_steps(found) == 0


def between(text: str) -> list[set[str]]:
    """Return the packages before, between and after the steps that are not appended ones."""
    parts = re.split(
        r"^(?:RUN (?:make|x)|ENV A=1)\r?$", text.partition("# Your account")[0], flags=re.M
    )
    first, *others = parts
    return [
        {*packages_in(first, PIP), *packages_in(first, APT)},
        *(
            {*packages_in(f"FROM x\n{each}", PIP), *packages_in(f"FROM x\n{each}", APT)}
            for each in others
        ),
    ]
