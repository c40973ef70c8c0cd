"""Locks per user and container, held by the kernel: they end with the process that holds them.

All of a user's locks are byte ranges of one file in the user's home, so nothing accumulates, and
no other user can take a lock or block it. If the home is not writable there are no locks; the
engine still uses each name only once.

The holder of a lock also removes what a killed holder before it left (temporary.py). So a home on
NFS must not be mounted with `nolock` or `local_lock`: each host would then have its own locks in
it, which cannot be detected.

Only what all users share, the GPUs, has a lock of the host's.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import struct
import time
from collections.abc import Iterator

from ..report import Reporter
from .account import Account
from .home import CONFIGURATION, private_file

FILE = "locks"
HOST_LOCK = "/run/lock"
"""A directory of every host, whose lock nobody else takes (File Hierarchy Standard)."""
HOST_LOCK_SECONDS = 30.0
_RANDOM_BYTES = 16
_FLOCK = struct.Struct("hhqqi")
"""struct flock: type, whence, start, length, and a process ID, which stays 0 (fcntl(2))."""


@contextlib.contextmanager
def exclusive(
    account: Account, tag: str, report: Reporter, *, waits: bool = True
) -> Iterator[bytes]:
    """Hold a user's lock on a container exclusively; wait, and report it, while it is held.

    Without `waits`, go on without a lock that is held. Yields bytes that are unique to this file of
    locks, so that names derived from them and from the lock do not collide with those of another
    home; empty if the lock is not held.
    """
    with _file(account) as file:
        held = None if file is None else _locked(file, tag, fcntl.F_WRLCK)
        if file is not None and held is False and waits:
            report.step(f"Waiting for another command of yours on {tag}")
            held = _locked(file, tag, fcntl.F_WRLCK, wait=True)
        yield _identity(file) if file is not None and held else b""


def account_lock(base_id: str) -> str:
    """Return the name of the lock for building a user's account into a base."""
    return f"account {base_id}"


class SharedLock:
    """A lock that several processes can hold at once, such as one for each open shell."""

    def __init__(self, file: int | None, tag: str) -> None:
        """Take the lock; `file` is None if there is no file of locks."""
        self._file, self._tag = file, tag
        if file is not None:
            _locked(file, tag, fcntl.F_RDLCK, wait=True)

    def alone(self) -> bool:
        """Try to hold the lock exclusively; return whether no other process holds it."""
        if self._file is None:
            return True
        return _locked(self._file, self._tag, fcntl.F_WRLCK) is not False


@contextlib.contextmanager
def shared(account: Account, tag: str) -> Iterator[SharedLock]:
    """Share a user's lock on a container; wait while a process holds it exclusively."""
    with _file(account) as file:
        yield SharedLock(file, f"shell {tag}")


def _file(account: Account) -> contextlib.AbstractContextManager[int | None]:
    """Open the file of the user's locks; None if another user could hold a lock on it."""
    return private_file(account, CONFIGURATION, FILE, os.O_RDWR)


def _identity(file: int) -> bytes:
    """Return bytes that identify this file of locks, written to it on first use.

    Users from other hosts and homes may share the engine.
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
        # The inode number distinguishes a copy of the home.
        return found + os.fstat(file).st_ino.to_bytes(8, "big")
    except OSError:
        return b""  # such as a full disk: continue without locks


def _locked(file: int, tag: str, kind: int, *, wait: bool = False) -> bool | None:
    """Take a lock; False if another process holds it, None on a file system without locks.

    The lock belongs to the open file, not to the process (fcntl(2), "Open file description
    locks"): threads exclude each other, and closing one file keeps the locks of another.
    """
    start = int.from_bytes(hashlib.sha256(tag.encode(errors="surrogateescape")).digest()[:7], "big")
    command = fcntl.F_OFD_SETLKW if wait else fcntl.F_OFD_SETLK
    try:
        fcntl.fcntl(file, command, _FLOCK.pack(kind, os.SEEK_SET, start, 1, 0))
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return None  # such as NFS without its lock daemon
    return True


@contextlib.contextmanager
def of_the_host(report: Reporter, purpose: str) -> Iterator[None]:
    """Hold the one lock that all users of this host share, while `purpose` is done.

    It is flock(2) on a directory, so no file is made that somebody else could own. Any user can
    hold it; so that nobody can block others, it is waited for only for HOST_LOCK_SECONDS.
    """
    try:
        file = os.open(HOST_LOCK, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        file = os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        end, has_warned = time.monotonic() + HOST_LOCK_SECONDS, False
        while not _flocked(file):
            if time.monotonic() > end:
                report.warn(f"Another command {purpose} does not end; going on without its lock.")
                break
            if not has_warned:
                report.step(f"Waiting for another command {purpose}")
                has_warned = True
            time.sleep(0.05)
        yield
    finally:
        os.close(file)


def _flocked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without locks: as in `exclusive`
    return True
