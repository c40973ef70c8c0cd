"""Run a program without input and capture its output."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping


def output_of(
    argv: list[str], *, seconds: float, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program and return what it printed.

    A program that cannot be started, or takes longer than `seconds`, has the exit status 127 and
    the reason as its standard error.
    """
    try:
        return subprocess.run(
            argv,
            env=None if environ is None else dict(environ),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(argv, 127, "", str(error))
