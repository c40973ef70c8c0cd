"""Directories named by users, reached with the user's rights while root works for them.

A user may exchange a directory for a link at any moment. So its path is resolved with the user's
rights, and then opened name by name without following links.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator

from .account import Account
from .files import is_root_for, rights_of

_STEP = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextlib.contextmanager
def opened(path: str, account: Account) -> Iterator[str]:
    """Open a directory, and yield a path that means the opened one, whatever becomes of its name.

    If root does not work for another user, the path itself is yielded. Raises OSError if the user
    may not read it, or it is a link.
    """
    if not is_root_for(account):
        yield path
        return
    with rights_of(account):
        directory = _open(path, os.O_RDONLY)
    try:
        yield f"/proc/self/fd/{directory}"
    finally:
        os.close(directory)


def resolved(path: str, account: Account) -> str:
    """Return the path of a directory without links in it, resolved with the user's rights.

    Raises OSError if the user may not read it, or it is a link.
    """
    with rights_of(account):
        directory = _open(path, os.O_RDONLY)
        try:
            return os.readlink(f"/proc/self/fd/{directory}")  # noqa: PTH115 - as above
        finally:
            os.close(directory)


def is_mounted(process: int, target: str, identity: tuple[int, int]) -> bool:
    """Whether a process of a container has this directory (device and inode) at its path `target`,
    directly below its root; also if it has ended."""
    try:
        status = os.lstat(f"/proc/{process}/root{target}")
    except OSError:
        return True
    return (status.st_dev, status.st_ino) == identity


def is_roots_alone(path: str) -> bool:
    """Whether a directory exists that root made, so that it is no link of somebody else's."""
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == 0


def _open(path: str, access: int) -> int:
    absolute = os.path.abspath(path)  # noqa: PTH100 - without following links
    if os.path.islink(absolute):  # noqa: PTH114
        raise OSError(errno.ELOOP, "it is a link", path)
    here = os.open("/", os.O_PATH | _STEP)
    for name in [each for each in os.path.realpath(absolute).split("/") if each] or ["."]:
        try:
            below = os.open(name, os.O_PATH | _STEP, dir_fd=here)
        finally:
            os.close(here)
        here = below
    try:
        return os.open(".", access | _STEP, dir_fd=here)
    finally:
        os.close(here)
