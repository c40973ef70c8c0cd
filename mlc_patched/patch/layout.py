"""Where a patched AIME checkout keeps what belongs to the patch; nothing here is slow to import."""

from __future__ import annotations

from pathlib import Path

STORE = ".mlc-patched"
"""Directory in the checkout for everything of the patch."""
MARKER = "active"
"""File of the store whose being there means: the commands are ours. It holds a Python's path."""
PROGRAM = "mlc.py"
"""Link of the store to our program."""
ORIGINAL = "original"
"""Link of the store to the directory that holds the originals in force."""


def checkout_of(program: Path | None) -> Path | None:
    """Return the patched checkout that a program was called through, or None.

    Args:
        program: path by which the program was called, links not resolved.
    """
    if program is None or program.parent.name != STORE:
        return None
    return program.parent.parent
