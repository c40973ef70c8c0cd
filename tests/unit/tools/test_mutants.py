"""Which changes tools/mutants.py counts, and what its page says."""

from __future__ import annotations

import pytest

from tools.mutants import Module, changed, is_message


def difference(before: str, after: str) -> str:
    return f"--- a.py\n+++ a.py\n@@ -1 +1 @@\n def f():\n-    {before}\n+    {after}"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('raise E("It is gone.", hint)', 'raise E("XXIt is gone.XX", hint)'),
        ('raise E(f"{name} is gone.")', "raise E(None)"),
        ('raise E("It is gone.", "Try again.")', 'raise E("It is gone.", )'),
        ('said = f"{name} is gone."', "said = None"),
    ],
)
def test_the_text_of_a_message_is_left_out(before: str, after: str) -> None:
    assert is_message(difference(before, after))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("if a < b:", "if a <= b:"),
        ('if kind == "gpu":', 'if kind == "XXgpuXX":'),
        ('raise E("It is gone.", hint)', 'raise E("It is gone.", None)'),
        ('return "a b" if x else y', 'return "a b" if x or True else y'),
    ],
)
def test_what_decides_counts(before: str, after: str) -> None:
    assert not is_message(difference(before, after))


def test_a_row_has_the_share_that_was_noticed() -> None:
    assert changed(difference("a = 1", "a = 2")) == (["a = 1"], ["a = 2"])
    assert Module("a.py", 9, ["x"]).row == "| a.py | 10 | 9 | 90 % |"
    assert Module("b.py").row == "| b.py | 0 | 0 | - |"
