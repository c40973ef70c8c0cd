"""Directories and files in a user's home, created without following links.

Under sudo, root works in a directory that its owner may change at any moment. So it does that with
the user's rights, every step is relative to the directory opened before, and no link is followed.
On NFS root has no other rights there.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator

from .account import Account
from .files import rights_of

CONFIGURATION = ".ds01-config"
"""Directory in the home for the files of DS01 (design document, "User Files")."""
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@contextlib.contextmanager
def directory(account: Account, *parts: str, mode: int = 0o700) -> Iterator[int]:
    """Open a directory below the account's home as a file descriptor, and access files with the
    account's rights until it is closed. Missing parts of the path are created, with this mode
    regardless of the umask.

    Raises OSError if a part cannot be created, or is a link or not a directory.
    """
    with rights_of(account):
        # The path of the home itself may contain links, which the administrator has set up.
        here = os.open(account.home, _DIRECTORY)
        try:
            for part in parts:
                made = False
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, mode, dir_fd=here)
                    made = True
                try:
                    below = os.open(part, _DIRECTORY | os.O_NOFOLLOW, dir_fd=here)
                except PermissionError:
                    if not made:
                        raise
                    _open_up(here, part, mode)
                    below = os.open(part, _DIRECTORY | os.O_NOFOLLOW, dir_fd=here)
                os.close(here)
                here = below
                if made:
                    os.fchmod(here, mode)
            yield here
        finally:
            os.close(here)


def open_file(parent: int, name: str, flags: int, mode: int = 0o600) -> int:
    """Open a file in an opened directory, never through a link.

    A new file has this mode regardless of the umask. Raises OSError if it cannot be opened.
    """
    flags |= os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        file = os.open(name, flags | os.O_CREAT | os.O_EXCL, mode, dir_fd=parent)
    except FileExistsError:
        if flags & os.O_EXCL:
            raise
        # O_NONBLOCK: opening a FIFO must not block.
        return os.open(name, flags | os.O_NONBLOCK, dir_fd=parent)
    os.fchmod(file, mode)
    return file


@contextlib.contextmanager
def private_file(account: Account, parent: str, name: str, flags: int) -> Iterator[int | None]:
    """Open a file in a directory of the home, and make both if they are missing.

    None if that is not possible, or if another user can have opened the file or put it there, as
    in a home that is writable for everybody.
    """
    try:
        with directory(account, parent) as opened:
            file = open_file(opened, name, flags)
    except OSError:
        yield None
        return
    try:
        status = os.fstat(file)
        is_own = stat.S_ISREG(status.st_mode) and status.st_uid == account.file_ids[0]
        is_private = is_own and status.st_nlink == 1 and not status.st_mode & 0o077
        yield file if is_private else None
    finally:
        os.close(file)


def _open_up(parent: int, name: str, mode: int) -> None:
    """Set the mode of a new directory that, with a umask such as 777, its owner cannot open."""
    place = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        os.chmod(f"/proc/self/fd/{place}", mode)  # noqa: PTH101 - the opened one, not its name
    finally:
        os.close(place)
