"""A child process with a user's own IDs, which writes data for root's programs to read."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Callable, Iterable, Iterator

from ..errors import MlcError
from .account import Account

_DONE = b"done"
_NEVER_TAR = b"\xff" * 512
"""Ends incomplete data: readers of tar archives refuse it, but not an early end."""


class Stream:
    """Data written by a child; `file` is the end of a pipe to read it from."""

    def __init__(self, file: int, report: int) -> None:
        self.file = file
        self._report = report

    def close(self) -> None:
        """Close our end of the data, which ends the child unless another program reads on."""
        if self.file >= 0:
            os.close(self.file)
            self.file = -1

    def check(self) -> None:
        """Wait until the child has ended; raise MlcError if it could not write everything."""
        self.close()
        said = b""
        while chunk := os.read(self._report, 65536):
            said += chunk
        if said == _DONE:
            return
        message, hint = json.loads(said) if said else ("The process that read it was killed.", "")
        raise MlcError(message, hint)


@contextlib.contextmanager
def written_by(
    account: Account, what: str, chunks: Callable[[], Iterable[bytes]]
) -> Iterator[Stream]:
    """Call `chunks` in a child process with the user's IDs, which writes what it returns.

    `what` names the data in messages. The child is killed at the end.
    """
    file, out = os.pipe()
    report, said = os.pipe()
    uid, gid = account.file_ids
    groups = os.getgrouplist(account.login, gid)
    child = os.fork()
    if not child:
        _write(chunks, what, (uid, gid, groups), out, said, close=(file, report))
    os.close(out)
    os.close(said)
    stream = Stream(file, report)
    try:
        yield stream
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        stream.close()
        os.close(report)


def _write(
    chunks: Callable[[], Iterable[bytes]],
    what: str,
    ids: tuple[int, int, list[int]],
    out: int,
    said: int,
    close: tuple[int, int],
) -> None:
    """Write the data and exit; never returns."""
    try:
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
        for each in close:
            os.close(each)
        uid, gid, groups = ids
        os.setgroups(groups)
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
        outcome = _DONE
        try:
            for chunk in chunks():
                write_all(out, chunk)
        except BrokenPipeError:
            pass  # the reader needs no more
        except MlcError as error:
            outcome = json.dumps((error.message, error.hint)).encode()
        except OSError as error:
            outcome = json.dumps((f"{what} cannot be read: {error.strerror}.", "")).encode()
        os.write(said, outcome)
        if outcome != _DONE:
            write_all(out, _NEVER_TAR)
    finally:
        os._exit(0)


def write_all(file: int, chunk: bytes) -> None:
    """Write all of a chunk to a file descriptor."""
    while chunk:
        chunk = chunk[os.write(file, chunk) :]
