"""git, as update-sys and mlc-patch ask it: one function, and its failure in words."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from ..errors import MlcError


def git(
    directory: Path,
    *arguments: str,
    environ: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
) -> str:
    """Run git in a directory and return what it printed, without the last line end.

    Args:
        directory: where.
        arguments: git's own.
        environ: variables to set besides the process's own.
        stdin: what it is given to read; nothing if not given.

    Raises:
        MlcError: git is missing or failed; the message has git's own words.
    """
    try:
        done = subprocess.run(
            ["git", "-C", str(directory), *arguments],  # noqa: S607 - git is found on PATH
            check=True,
            capture_output=True,
            input=stdin if stdin is not None else b"",
            # A question about a password would be asked where nobody sees it.
            env={**os.environ, "GIT_TERMINAL_PROMPT": "0", **(environ or {})},
        )
    except FileNotFoundError:
        raise MlcError("git is not installed.", "Install it with: apt-get install git") from None
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip() or f"exit status {error.returncode}"
        raise MlcError(f"git {arguments[0]} failed in {directory}: {said}") from error
    return done.stdout.decode(errors="surrogateescape").rstrip("\n")
