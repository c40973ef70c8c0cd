"""Somebody at a terminal."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable

import pytest

from mlc_patched.cli import prompts


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Callable[..., io.StringIO]:
    """Have the next questions answered with these lines, as on a terminal; returns what is left."""

    def give(*lines: str) -> io.StringIO:
        text = io.StringIO("".join(f"{line}\n" for line in lines))
        monkeypatch.setattr(sys, "stdin", text)
        monkeypatch.setattr(prompts, "on_terminal", lambda: True)
        return text

    return give
