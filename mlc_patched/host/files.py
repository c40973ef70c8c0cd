"""Files named on the command line, opened with the rights of the user who named them.

Under sudo the program is root, and a path given by the user, or a link on it, could lead to any
file of the host. So files that the user may not open are not opened.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator

from ..errors import MlcError, NotFoundError, UsageError, shown
from .account import Account

LARGEST_TEXT = 1024**2
"""Bytes of the largest file that is read into memory, such as a Dockerfile."""


@contextlib.contextmanager
def rights_of(account: Account) -> Iterator[None]:
    """Access files with the user's rights while root runs a command for them.

    Nothing changes if the process is not root, or if the account is root itself.
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


@contextlib.contextmanager
def held_socket(path: str, account: Account) -> Iterator[str]:
    """Open a Unix socket with the user's rights, and provide a path by which root reaches this very
    socket until the end, whatever the user puts in its place.

    Raises OSError if it is not a socket to which the user may connect.
    """
    with rights_of(account):
        file = os.open(path, os.O_PATH | os.O_CLOEXEC)
    held = f"/proc/{os.getpid()}/fd/{file}"
    try:
        if not stat.S_ISSOCK(os.fstat(file).st_mode):
            raise OSError(errno.ENOTSOCK, "it is not a socket")
        with rights_of(account):
            if not os.access(held, os.W_OK, effective_ids=True):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        yield held
    finally:
        os.close(file)


def is_root_for(account: Account) -> bool:
    """Whether the process is root but runs for another user, as under sudo."""
    return os.geteuid() == 0 and account.file_ids[0] != 0


def check_file_name(name: str) -> str:
    """Return a file name that the user gave, or raise UsageError if no file can have it."""
    try:
        is_possible = bool(name) and b"\0" not in os.fsencode(name)
    except UnicodeEncodeError:
        is_possible = False
    if not is_possible:
        raise UsageError(f"{shown(name)} is not the name of a file.")
    return name


def read_text(path: str, what: str, account: Account | None, *, largest: int = LARGEST_TEXT) -> str:
    """Return the content of a UTF-8 text file, with its line breaks as they are; see `read_bytes`.

    Raises MlcError also if it is not UTF-8 text.
    """
    try:
        return read_bytes(path, what, account, largest=largest).decode("utf-8")
    except UnicodeDecodeError as error:
        raise MlcError(f"The {what} {path} is not valid UTF-8 text: {error}") from error


def read_bytes(path: str, what: str, account: Account | None, *, largest: int) -> bytes:
    """Return the content of a file.

    Pipes can be read, too, as the shell passes one for `<(command)`. A pipe without a writer counts
    as empty, so that reading it does not block. The rights are the account's, or those of the
    process. `what` names the file in messages, and `largest` is in bytes.

    Raises UsageError if the name is not valid, NotFoundError, and MlcError if it cannot be read or
    is too large.
    """
    check_file_name(path)
    try:
        with rights_of(account) if account is not None else contextlib.nullcontext():
            file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(file, "rb") as stream:
            os.set_blocking(file, True)
            found = os.fstat(file)
            is_file = stat.S_ISREG(found.st_mode)
            # Python would allocate as much as is asked for.
            is_small = is_file and 0 < found.st_size <= largest
            content = stream.read((found.st_size if is_small else largest) + 1)
    except FileNotFoundError as error:
        raise NotFoundError(f"There is no {what} {path}.") from error
    except OSError as error:
        raise MlcError(f"The {what} {path} cannot be read: {error.strerror}") from error
    if len(content) > largest:
        raise MlcError(
            f"The {what} {path} is larger than {largest >> 20} MiB, so it is not a valid {what}."
        )
    if not content and not is_file:
        raise MlcError(f"The {what} {path} is not a file, and reading it returned nothing.")
    return content
