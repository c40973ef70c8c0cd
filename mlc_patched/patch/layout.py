"""Where AIME's checkout and our patch keep their files. Kept small: every command imports it."""

from __future__ import annotations

import os

from ..lean import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME = "ml_images.repo"
"""The catalog's file name in a checkout."""
AIME_DIRECTORY = "/opt/aime-ml-containers"
"""Where AIME's installation instructions put the checkout."""
STORE = ".mlc-patched"
"""Directory in the checkout that holds everything the patch adds."""
MARKER = "active"
"""File in the store. While it exists, the commands run mlc-patched; it holds a Python's path."""
PROGRAM = "mlc.py"
"""Link in the store to our program."""
ORIGINAL = "original"
"""Link in the store to the directory with the originals in force."""


def checkout_of(program: str | None) -> Path | None:
    """Return the patched checkout that a program was called through, links not resolved, or
    None."""
    store = os.path.dirname(program or "")  # noqa: PTH120 - pathlib takes 3 ms
    if os.path.basename(store) != STORE:  # noqa: PTH119
        return None
    from pathlib import Path

    return Path(store).parent


def is_first_version(program: str | None) -> bool:
    """Whether a program was called through a patched checkout of AIME's first version."""
    checkout = checkout_of(program)
    return checkout is not None and not (checkout / "mlc.py").exists()
