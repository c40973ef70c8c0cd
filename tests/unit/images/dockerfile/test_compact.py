"""Appended steps are folded into one of each kind; what was edited by hand stays."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mlc_patched.images.dockerfile.append import append_packages
from mlc_patched.images.dockerfile.compact import appended_steps, compacted
from mlc_patched.images.dockerfile.installs import APT, PIP, packages_in
from mlc_patched.images.dockerfile.render import ImageRecipe, render

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


def test_debian_and_python_packages_stay_apart() -> None:
    text = append_packages(appended(TEXT, "b"), apt=("fd",), pip=("c",), date=DATE)
    found = compacted(append_packages(text, apt=("jq",), date=DATE), DATE)
    assert [(each.apt, each.pip) for each in appended_steps(found)] == [
        ((), ("b", "c")),
        (("fd", "jq"), ()),
    ]


def test_a_step_that_was_edited_by_hand_stays() -> None:
    text = appended(TEXT, "a", "b", "c").replace("        b\n", "        b # why\n")
    assert len(appended_steps(text)) == 2
    assert "        b # why\n" in compacted(text, DATE)


HAND = st.sampled_from(["# mine\n", "RUN make\n\n", "ENV A=1\n\n", "# Added on my own\nRUN x\n\n"])


@given(st.lists(st.one_of(HAND, st.sampled_from(["a", "b>1", "c[x]", "numpy"])), max_size=8))
def test_no_edit_by_hand_is_lost_and_no_package(pieces: list[str]) -> None:
    text, hand = TEXT, []
    for piece in pieces:
        if piece.endswith("\n"):
            text = text.replace("# Your account", f"{piece}# Your account")
            hand.append(piece)
        else:
            text = append_packages(text, pip=(piece,), date=DATE)
    for break_ in ("\n", "\r\n"):
        given_text = text.replace("\n", break_)
        found = compacted(given_text, DATE)
        assert {*packages_in(found, PIP)} == {*packages_in(given_text, PIP)}
        assert packages_in(found, APT) == packages_in(given_text, APT)
        rest = iter(found.splitlines())
        assert all(line in rest for piece in hand for line in piece.splitlines() if line)
