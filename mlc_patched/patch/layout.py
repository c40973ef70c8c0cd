"""Where AIME's checkout and our patch keep their files. Kept small: every command imports it."""

from __future__ import annotations

from pathlib import Path

FILE_NAME = "ml_images.repo"
"""The catalog's file name in a checkout."""
AIME_DIRECTORY = Path("/opt/aime-ml-containers")
"""Where AIME's installation instructions put the checkout."""
STORE = ".mlc-patched"
"""Directory in the checkout that holds everything the patch adds."""
MARKER = "active"
"""File in the store. While it exists, the commands run mlc-patched; it holds a Python's path."""
PROGRAM = "mlc.py"
"""Link in the store to our program."""
ORIGINAL = "original"
"""Link in the store to the directory with the originals in force."""


def checkout_of(program: Path | None) -> Path | None:
    """Return the patched checkout that a program was called through, links not resolved, or
    None."""
    if program is None or program.parent.name != STORE:
        return None
    return program.parent.parent


def is_first_version(program: Path | None) -> bool:
    """Whether a program was called through a patched checkout of AIME's first version."""
    checkout = checkout_of(program)
    return checkout is not None and not (checkout / "mlc.py").exists()
