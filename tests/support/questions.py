"""The questions of a command, answered in this process."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import TypeVar

import pytest

_Result = TypeVar("_Result")


def have_answers(patch: pytest.MonkeyPatch, *lines: str) -> io.StringIO:
    """Have the next questions answered with these lines; returns standard input."""
    text = io.StringIO("".join(f"{line}\n" for line in lines))
    patch.setattr(sys, "stdin", text)
    return text


class Questions:
    """Answers questions, and keeps what was `shown` until the last one was answered."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        """Replace this process's standard input and output, as fixtures of a test do."""
        self._patch, self._capsys = monkeypatch, capsys
        self.shown = ""

    def answer(self, ask: Callable[[], _Result], *lines: str) -> _Result:
        """Run what asks, with these lines as its answers; an answer nobody asks for is a failure.

        Returns what it returns; what it raises leaves `shown` complete.
        """
        text = have_answers(self._patch, *lines)
        try:
            result = ask()
        finally:
            self.shown = "".join(self._capsys.readouterr())
        assert text.read() == "", "an answer nobody asked for"
        return result
