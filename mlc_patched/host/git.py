"""Run git, for update-sys and mlc-patch."""

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
    """Run git in a directory and return its output without the final line break.

    `environ` are additional environment variables; standard input is empty by default. Raises
    MlcError, with git's error output, if it is missing or failed.
    """
    try:
        done = subprocess.run(
            ["git", "-C", str(directory), *arguments],  # noqa: S607 - git is found on PATH
            check=True,
            capture_output=True,
            input=stdin if stdin is not None else b"",
            # A password prompt would be invisible to the user.
            env={**os.environ, "GIT_TERMINAL_PROMPT": "0", **(environ or {})},
        )
    except FileNotFoundError:
        raise MlcError("git is not installed.", "Install it with: apt-get install git") from None
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip() or f"exit status {error.returncode}"
        raise MlcError(f"git {arguments[0]} failed in {directory}: {said}") from error
    return done.stdout.decode(errors="surrogateescape").rstrip("\n")
