"""Words that a shell takes literally."""

from __future__ import annotations

import pytest

from mlc_patched.names.words import is_literal


@pytest.mark.parametrize(
    "text", ["Pytorch", "2.0.1-aime", "ds01-1001/x:latest", "a@sha256:0f", "1.0+cpu", "_x", "/x"]
)
def test_names_and_versions_are_literal(text: str) -> None:
    assert is_literal(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a b",
        "$(x)",
        "`x`",
        "a;b",
        "a\nb",
        "a\n",
        "~",
        "a*",
        "{a,b}",
        "a'",
        "-x",
        "é",
        "٣",
        "a\0",
    ],
)
def test_what_a_shell_or_a_program_would_interpret_is_not_literal(text: str) -> None:
    assert not is_literal(text)
