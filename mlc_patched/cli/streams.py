"""The standard streams of a program whose caller closed them, or whose reader or disk fails."""

from __future__ import annotations

import os
import sys

from .output import ConsoleReporter

TYPE_CHECKING = False  # typing itself takes 4 ms to import, a fifth of `mlc -h`
if TYPE_CHECKING:
    from typing import TextIO

_NAMES = ("stdin", "stdout", "stderr")


def open_closed() -> None:
    """Open /dev/null in place of standard streams that are closed, as git does.

    Otherwise what is opened next, such as the engine's socket, would become standard output.
    """
    while (file := os.open(os.devnull, os.O_RDWR)) < len(_NAMES):
        os.set_inheritable(file, True)
    os.close(file)
    for number, name in enumerate(_NAMES):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8"))


def flush(status: int) -> int:
    """Flush both output streams, and return the exit code: 1 if standard output failed."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError as error:
            if stream is sys.stdout:
                status = write_failed(error, ConsoleReporter())
            else:
                _discard(stream)
    return status


def write_failed(error: OSError, report: ConsoleReporter) -> int:
    """Say why standard output could not be written, unless its reader is gone.

    Returns the exit code.
    """
    _discard(sys.stdout)
    if not isinstance(error, BrokenPipeError):
        report.error(f"Standard output cannot be written: {error.strerror}.")
    return 1


def _discard(stream: TextIO) -> None:
    """Discard what a stream that cannot be written still has: Python would complain at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)
