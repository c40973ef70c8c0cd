"""The log file of an unexpected error, to be attached to a bug report."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import traceback
from datetime import datetime, timezone
from pathlib import Path

from ..context import Context
from ..host.files import rights_of
from ..urls import without_logins
from .parser import VERSION_TEXT

KEPT = 10
"""How many log files are kept."""
_SECRET_ARGUMENTS = ("build_arg", "command", "ds01_label", "execute_command")
"""Arguments that hold what a user passes on, passwords and tokens included."""
_NOT_SHOWN = "(not shown)"
_TOO_SHORT = 3
"""Characters of a text that is not worth hiding, and whose removal would garble the log."""


def write(
    error: Exception, program: str, arguments: argparse.Namespace, context: Context | None
) -> str | None:
    """Write a log file in ~/.cache/mlc, or below XDG_CACHE_HOME, and return its path.

    Under sudo it is written with the user's rights, as XDG_CACHE_HOME may lead anywhere. A log
    that cannot be written must not hide the error, so this never fails: it returns None.
    """
    try:
        context = context or Context()
        account = context.account
        cache = Path(context.environ.get("XDG_CACHE_HOME", ""))
        if not cache.is_absolute():  # such a value is to be ignored (XDG Base Directories)
            cache = Path(account.home, ".cache")
        name = f"mlc-{datetime.now(timezone.utc):%Y%m%dT%H%M%S.%fZ}-{os.getpid()}.log"
        with rights_of(account):
            folder = cache / "mlc"
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            with os.fdopen(os.open(folder / name, flags, 0o600), "wb") as file:
                file.write(text(error, program, arguments, context).encode("utf-8", "replace"))
            for old in sorted(folder.glob("mlc-*.log"))[:-KEPT]:
                old.unlink()
        return str(folder / name)
    except Exception:  # noqa: BLE001 - see above
        return None


def text(error: Exception, program: str, arguments: argparse.Namespace, context: Context) -> str:
    """Return what goes into the log, without secrets."""
    given = vars(arguments).copy()
    secrets: list[str] = []
    for name in _SECRET_ARGUMENTS:
        if value := given.get(name):
            secrets += [value] if isinstance(value, str) else value
            given[name] = _NOT_SHOWN
    secrets += [word.partition("=")[2] for each in secrets for word in each.split()]
    written = "\n".join(
        (
            VERSION_TEXT,
            f"Python {platform.python_version()} ({sys.executable})",
            f"System: {platform.platform()}, {_distribution()}",
            f"Engine: {context.__dict__.get('engine', 'not connected')}",
            f"Command: {program}",
            *(f"  {name}: {value!r}" for name, value in sorted(given.items())),
            "",
            *traceback.format_exception(error),
        )
    )
    for secret in secrets:
        if len(secret) > _TOO_SHORT:
            written = written.replace(secret, _NOT_SHOWN)
    return without_logins(written, f"{_NOT_SHOWN}@")


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return "distribution unknown"
