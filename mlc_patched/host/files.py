"""Files that a user names on the command line: opened with that user's own rights.

Under sudo the program is root, and a name the user gave, or a link below it, could lead to any
file of the host. So what the user may not open is not opened for them.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator

from ..errors import MlcError, NotFoundError, UsageError, shown
from .account import Account

LARGEST_TEXT = 1024**2
"""Bytes of the largest file that is read as a whole, such as a Dockerfile."""


@contextlib.contextmanager
def rights_of(account: Account) -> Iterator[None]:
    """Use files as the user may, where root works for one; the engine is still root's to ask.

    Args:
        account: the user. Where that is root itself, or the process is not root, nothing changes.
    """
    if not is_root_for(account):
        yield
        return
    uid, gid = account.file_ids
    groups, group = os.getgroups(), os.getegid()
    os.setgroups(os.getgrouplist(account.login, gid))
    try:
        os.setegid(gid)
        os.seteuid(uid)
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


def is_root_for(account: Account) -> bool:
    """Whether root works for somebody else, as under sudo."""
    return os.geteuid() == 0 and account.file_ids[0] != 0


def check_file_name(name: str) -> str:
    """Return what a user named if it can be the name of a file.

    Raises:
        UsageError: it is empty, or the system knows no such names.
    """
    if not name or "\0" in name:
        raise UsageError(f"{shown(name)} is not the name of a file.")
    return name


def read_text(path: str, what: str, account: Account | None, *, largest: int = LARGEST_TEXT) -> str:
    """Return the whole of a text file in UTF-8, its line breaks as they are.

    Pipes are read, too: a shell gives one for `<(command)`. One that nobody writes to ends at
    once instead of being waited for.

    Args:
        path: the file.
        what: what to call it in a message, such as `Dockerfile`.
        account: whose rights count; None for those of the process.
        largest: how many bytes it may have.

    Raises:
        UsageError: the name cannot be one.
        NotFoundError: there is no such file.
        MlcError: it cannot be read, is no text, or is too large.
    """
    check_file_name(path)
    try:
        with rights_of(account) if account is not None else contextlib.nullcontext():
            file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(file, "rb") as stream:
            os.set_blocking(file, True)
            is_file = stat.S_ISREG(os.fstat(file).st_mode)
            content = stream.read(largest + 1)
    except FileNotFoundError as error:
        raise NotFoundError(f"There is no {what} {path}.") from error
    except OSError as error:
        raise MlcError(f"The {what} {path} cannot be read: {error.strerror}") from error
    if len(content) > largest:
        raise MlcError(f"The {what} {path} has more than {largest >> 20} MiB: it is none.")
    if not content and not is_file:
        raise MlcError(f"The {what} {path} is no file, and nothing comes out of it.")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MlcError(f"The {what} {path} is no text in UTF-8: {error}") from error
