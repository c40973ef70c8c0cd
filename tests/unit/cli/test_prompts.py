"""Questions on the terminal."""

from __future__ import annotations

import io
import sys

import pytest

from mlc_patched.cli import prompts
from mlc_patched.errors import MlcError, UsageError


def answer(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in lines)))


def test_a_question_is_asked_until_its_answer_is_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, "", "maybe", "YES", "n")
    assert prompts.ask_yes_no("Sure?", False) is False
    assert prompts.ask_yes_no("Sure?", False) is True
    assert prompts.ask_yes_no("Sure?", True) is False
    answer(monkeypatch, "0", "4", "x", "2", "", "b")
    assert prompts.ask_choice("Which?", ["a", "b", "c"]) == 1
    assert prompts.ask_choice("Which?", ["a", "b"], default=0) == 0
    assert prompts.ask_choice("Which?", ["a", "b"]) == 1

    def check(text: str) -> None:
        if text == "bad":
            raise UsageError("not that")

    answer(monkeypatch, "", "bad", "good", "")
    assert prompts.ask_text("Name", check=check) == "good"
    assert prompts.ask_text("Name", "default") == "default"


def test_an_input_that_ends_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch)
    with pytest.raises(MlcError, match="input ended"):
        prompts.ask_yes_no("Sure?", True)
