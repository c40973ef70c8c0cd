"""Run a program without input and capture its output."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping

from ..lean import TYPE_CHECKING
from .owner import as_account, environment_of

if TYPE_CHECKING:
    from .account import Account


def output_of(
    argv: list[str],
    *,
    seconds: float,
    environ: Mapping[str, str] | None = None,
    account: Account | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program, as the account if given, and return what it printed.

    A program that cannot be started, or takes longer than `seconds`, has the exit status 127 and
    the reason as its standard error.
    """
    try:
        return subprocess.run(
            argv,
            env=environment_of(account, os.environ if environ is None else environ),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            stdin=subprocess.DEVNULL,
            check=False,
            **as_account(account),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(argv, 127, "", str(error))
