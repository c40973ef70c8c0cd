"""Locks per user and container, kept by the kernel: they end with the process that holds them.

All of a user's locks are byte ranges of one file in the user's own home, so nothing
accumulates, and another user can neither take a lock nor keep it from being taken. Where
the home cannot be written to there is no lock: the engine still makes each name only once.

The holder of a lock also removes what a killed holder before it left (temporary.py). So a home on
NFS must not be mounted with `nolock` or `local_lock`: each host would then have its own locks in
it, which cannot be detected.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import stat
import struct
from collections.abc import Iterator

from ..report import Reporter
from .account import Account
from .home import CONFIGURATION, directory, open_file

FILE = "locks"
_RANDOM_BYTES = 16
_FLOCK = struct.Struct("hhqqi")
"""struct flock: type, whence, start, length, and a process, which is none here (fcntl(2))."""


@contextlib.contextmanager
def exclusive(
    account: Account, tag: str, report: Reporter, *, waits: bool = True
) -> Iterator[bytes]:
    """Hold a user's lock on a container alone; wait, and say so, while another has it.

    Args:
        account: whose container it is.
        tag: the container's name in Docker.
        report: hears that there is something to wait for.
        waits: whether to wait; else it goes on without the lock.

    Yields:
        Bytes that no other file of locks has, so that what is named by them and by the lock is
        of no other home's; empty where the lock is not held.
    """
    with _file(account) as file:
        held = None if file is None else _locked(file, tag, fcntl.F_WRLCK)
        if file is not None and held is False and waits:
            report.step(f"Waiting for another command of yours on {tag}")
            held = _locked(file, tag, fcntl.F_WRLCK, wait=True)
        yield _identity(file) if file is not None and held else b""


def account_lock(base_id: str) -> str:
    """Return the name of the lock on building a user's account into a base."""
    return f"account {base_id}"


class SharedLock:
    """A lock that several processes hold at once, such as one for each open shell."""

    def __init__(self, file: int | None, tag: str) -> None:
        """Take the lock; `file` is None where there is none to lock."""
        self._file, self._tag = file, tag
        if file is not None:
            _locked(file, tag, fcntl.F_RDLCK, wait=True)

    def alone(self) -> bool:
        """Try to hold the lock alone; True if no other process holds it."""
        if self._file is None:
            return True
        return _locked(self._file, self._tag, fcntl.F_WRLCK) is not False


@contextlib.contextmanager
def shared(account: Account, tag: str) -> Iterator[SharedLock]:
    """Hold a user's lock on a container together with others; wait while one has it alone.

    Args:
        account: whose container it is.
        tag: the container's name in Docker.
    """
    with _file(account) as file:
        yield SharedLock(file, f"shell {tag}")


@contextlib.contextmanager
def _file(account: Account) -> Iterator[int | None]:
    try:
        with directory(account, CONFIGURATION) as parent:
            file = open_file(account, parent, FILE, os.O_RDWR)
    except OSError:
        yield None
        return
    try:
        yield file if _is_private(file, account) else None
    finally:
        os.close(file)


def _is_private(file: int, account: Account) -> bool:
    """Whether no other user can have opened the file, and so hold a lock on it: a home that
    everybody may write to could have anything in its place."""
    status = os.fstat(file)
    is_own = stat.S_ISREG(status.st_mode) and status.st_uid == account.file_ids[0]
    return is_own and status.st_nlink == 1 and not status.st_mode & 0o077


def _identity(file: int) -> bytes:
    """Return what tells this file of locks from every other, made when it is first asked for.

    The engine that the locks are about may be another host's, and another home's, too.
    """
    try:
        if len(found := os.pread(file, _RANDOM_BYTES, 0)) < _RANDOM_BYTES:
            _locked(file, "identity", fcntl.F_WRLCK, wait=True)
            try:
                if len(found := os.pread(file, _RANDOM_BYTES, 0)) < _RANDOM_BYTES:
                    os.pwrite(file, os.urandom(_RANDOM_BYTES), 0)
                    found = os.pread(file, _RANDOM_BYTES, 0)
            finally:
                _locked(file, "identity", fcntl.F_UNLCK)
        # A copy of the home has another number, and so are the two told apart.
        return found + os.fstat(file).st_ino.to_bytes(8, "big")
    except OSError:
        return b""  # a full disk: as if there were no locks


def _locked(file: int, tag: str, kind: int, *, wait: bool = False) -> bool | None:
    """Take a lock; False if somebody else has it, None on a file system without locks.

    It is the open file's, not the process's (fcntl(2), "Open file description locks"): threads
    exclude each other, and closing one file leaves the locks of another.
    """
    start = int.from_bytes(hashlib.sha256(tag.encode()).digest()[:7], "big")
    command = fcntl.F_OFD_SETLKW if wait else fcntl.F_OFD_SETLK
    try:
        fcntl.fcntl(file, command, _FLOCK.pack(kind, os.SEEK_SET, start, 1, 0))
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return None  # such as NFS without its lock daemon
    return True
