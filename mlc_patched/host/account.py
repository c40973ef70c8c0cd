"""Whose containers these are: the real user who calls, and the account they get inside."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from username_utils import sanitize_username_for_container

from ..errors import MlcError, NotAllowedError, UsageError, shown

AS_VARIABLE = "MLC_AS"
"""The user's UID:GID on engines elsewhere, where --as says none."""
HIGHEST_ID = 2**32 - 2
"""Largest UID or GID of Linux; 2**32 - 1 means "no change" to chown(2)."""


@dataclass(frozen=True)
class Account:
    """A user of the host.

    `login` is the name as the host's user database spells it, `uid` and `gid` are the
    numbers files are owned by, `home` is the absolute path of the home directory on the host.
    `ids_here` are the numbers on this host, where --as named others for the engine's.
    """

    login: str
    uid: int
    gid: int
    home: str
    ids_here: tuple[int, int] | None = None

    @property
    def file_ids(self) -> tuple[int, int]:
        """UID and GID of the user's files on this host."""
        return self.ids_here or (self.uid, self.gid)

    @property
    def is_root(self) -> bool:
        """Whether this is root itself, whose account every image has."""
        return self.uid == 0

    @property
    def container_name(self) -> str:
        """The account's name inside a container (docs/contracts.md, "Accounts").

        Raises:
            MlcError: nothing of the login name is usable as an account name.
        """
        if self.is_root:
            return "root"
        try:
            return sanitize_username_for_container(self.login)
        except ValueError as error:
            raise MlcError(
                f"The login name {shown(self.login)} gives no account name: {error}"
            ) from None


def caller(
    environ: Mapping[str, str] | None = None,
    *,
    uid: int | None = None,
    gid: int | None = None,
    user_database: Callable[[int], pwd.struct_passwd] = pwd.getpwuid,
) -> Account:
    """Return the real user: under sudo, the user who called it (docs/contracts.md).

    Args:
        environ: the environment; the process's own when not given.
        uid: real user id of the process; asked of the system when not given.
        gid: real group id of the process; asked of the system when not given.
        user_database: looks a UID up, raising KeyError for an unknown one.

    Raises:
        MlcError: SUDO_UID or SUDO_GID holds something other than an id.
    """
    environ = os.environ if environ is None else environ
    uid = os.getuid() if uid is None else uid
    gid = os.getgid() if gid is None else gid
    if uid == 0 and environ.get("SUDO_UID"):
        uid = _id_from(environ, "SUDO_UID")
        gid = _id_from(environ, "SUDO_GID")
    try:
        entry = user_database(uid)
    except KeyError:
        # LDAP may be down, or the UID exists only in a container: go on with what is certain.
        return Account(login=str(uid), uid=uid, gid=gid, home=environ.get("HOME", "/"))
    return Account(login=entry.pw_name, uid=uid, gid=gid, home=entry.pw_dir)


def known_elsewhere(
    account: Account,
    said: str,
    *,
    is_local: bool,
    is_process_root: bool,
    user_database: Callable[[int], pwd.struct_passwd] = pwd.getpwuid,
) -> Account:
    """Return the account with the ids that --as says it has on the engine's host.

    On this host's own engine, another UID is another user: only root may be one there.

    Args:
        account: the user who calls.
        said: `UID:GID`.
        is_local: whether the engine is this host's.
        is_process_root: whether the process is root's.
        user_database: looks a UID up, raising KeyError for an unknown one.

    Raises:
        UsageError: it is no pair of ids, or root's.
        NotAllowedError: the engine is this host's, and the caller is not root.
    """
    first, _, second = said.partition(":")
    uid, gid = read_id(first), read_id(second)
    if uid is None or gid is None:
        raise UsageError(
            f"{shown(said)} is not an account.", "Give UID:GID in numbers: --as 1001:1001"
        )
    if uid == 0:
        raise UsageError("Containers cannot belong to root.", "Give your own UID on that host.")
    if (uid, gid) == (account.uid, account.gid):
        return account
    if not is_local:
        return replace(account, uid=uid, gid=gid, ids_here=account.file_ids)
    if not is_process_root:
        raise NotAllowedError(
            f"On this host you are {account.uid}:{account.gid}, and {said} is somebody else. "
            "--as is for engines elsewhere, where your ids are others."
        )
    try:
        entry = user_database(uid)
    except KeyError:
        raise UsageError(f"There is no user with UID {uid} on this host.") from None
    return Account(entry.pw_name, uid, gid, entry.pw_dir)


def read_id(text: str) -> int | None:
    """Return a UID or GID that is written in digits, or None for any other text."""
    # The length first: Python refuses to read a number of some thousand digits.
    is_number = text.isascii() and text.isdigit() and len(text) <= 10
    return int(text) if is_number and int(text) <= HIGHEST_ID else None


def refuse_root(account: Account) -> None:
    """Refuse root itself, for whom no image is built (docs/contracts.md, "Accounts").

    Raises:
        MlcError: the caller is root, and no sudo tells for whom.
    """
    if account.is_root:
        raise MlcError(
            "You are root, and containers belong to users.",
            "Run it as the user it is for: sudo -u USER …, or by sudo from the user's own account.",
        )


def _id_from(environ: Mapping[str, str], variable: str) -> int:
    value = environ.get(variable, "")
    if (number := read_id(value)) is None:
        raise MlcError(f"The environment variable {variable} is {shown(value)}, not an ID.")
    return number
