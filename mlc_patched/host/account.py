"""The user who runs a command, and the account they get inside their containers."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Mapping

from username_utils import sanitize_username_for_container

from ..errors import MlcError, NotAllowedError, UsageError, shown
from ..lean import dataclass, replace

AS_VARIABLE = "MLC_AS"
"""The user's UID:GID on remote engines, unless --as is given."""
HIGHEST_ID = 2**32 - 2
"""Largest UID or GID of Linux; 2**32 - 1 means "no change" to chown(2)."""


@dataclass(frozen=True)
class Account:
    """A user of the host.

    `login` is the name in the host's user database, `uid` and `gid` own the user's files, `home` is
    the absolute path of the home directory on the host. `ids_here` are the IDs on this host if
    --as gave others for the engine's host.
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
        """Whether this is root, whose account is in every image."""
        return self.uid == 0

    @property
    def container_name(self) -> str:
        """The account's name inside a container (docs/contracts.md, "Accounts").

        Raises MlcError if the login name cannot be turned into one.
        """
        if self.is_root:
            return "root"
        try:
            return sanitize_username_for_container(self.login)
        except ValueError as error:
            raise MlcError(
                f"The login name {shown(self.login)} cannot be turned into an account name: {error}"
            ) from None


def caller(
    environ: Mapping[str, str] | None = None,
    *,
    uid: int | None = None,
    gid: int | None = None,
    user_database: Callable[[int], pwd.struct_passwd] = pwd.getpwuid,
) -> Account:
    """Return the real user: under sudo, the user who called it (docs/contracts.md).

    Environment, real UID and GID are those of the process by default; `user_database` raises
    KeyError for an unknown UID. Raises MlcError if SUDO_UID or SUDO_GID is not an ID.
    """
    environ = os.environ if environ is None else environ
    uid = os.getuid() if uid is None else uid
    gid = os.getgid() if gid is None else gid
    by_sudo = uid == 0 and bool(environ.get("SUDO_UID"))
    if by_sudo:
        uid = _id_from(environ, "SUDO_UID")
        gid = _id_from(environ, "SUDO_GID")
    try:
        entry = user_database(uid)
    except KeyError:
        # LDAP may be down, or the UID exists only in a container: continue with what is known.
        home = environ.get("HOME", "/")
        if by_sudo and not _belongs_to(home, uid):
            home = "/nonexistent"  # root's, or any other that sudo kept
        return Account(login=str(uid), uid=uid, gid=gid, home=home)
    return Account(login=entry.pw_name, uid=uid, gid=gid, home=entry.pw_dir)


def account_of(uid: int) -> Account:
    """Return the account with a UID, also if the host's user database has none."""
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return Account(str(uid), uid, uid, "/nonexistent")
    return Account(entry.pw_name, uid, entry.pw_gid, entry.pw_dir)


def known_elsewhere(
    account: Account,
    said: str,
    *,
    is_local: bool,
    is_login_of_root: bool,
    user_database: Callable[[int], pwd.struct_passwd] = pwd.getpwuid,
) -> Account:
    """Return the account with the IDs (`UID:GID`) that --as gives for the engine's host.

    On the engine of this host, another UID means another user, which only root may choose:
    NotAllowedError. Raises UsageError if it is not a pair of IDs, or it is root.
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
    if not is_login_of_root:
        raise NotAllowedError(
            f"On this host you are {account.uid}:{account.gid}, and {said} is another user. "
            "--as is for remote engines, where your IDs may be different."
        )
    try:
        entry = user_database(uid)
    except KeyError:
        raise UsageError(
            f"There is no user with UID {uid} on this host.",
            "For the containers and images of a user who left, run: "
            f"setpriv --reuid={uid} --regid={gid} --groups=docker mlc …",
        ) from None
    return Account(entry.pw_name, uid, gid, entry.pw_dir)


def read_id(text: str) -> int | None:
    """Return a UID or GID that is written in digits, or None for any other text."""
    # The length first: Python refuses to read a number of some thousand digits.
    is_number = text.isascii() and text.isdigit() and len(text) <= 10
    return int(text) if is_number and int(text) <= HIGHEST_ID else None


def refuse_root(account: Account, what: str = "containers") -> None:
    """Raise MlcError for root, who cannot own images and containers (docs/contracts.md,
    "Accounts"); `what` names those of the command."""
    if account.is_root:
        raise MlcError(
            f"You are root, but {what} belong to users.",
            "Run this as that user: sudo -u USER …, or with sudo from that user's own account.",
        )


def _belongs_to(path: str, uid: int) -> bool:
    try:
        return os.lstat(path).st_uid == uid
    except OSError:
        return False


def _id_from(environ: Mapping[str, str], variable: str) -> int:
    value = environ.get(variable, "")
    if (number := read_id(value)) is None:
        raise MlcError(f"The environment variable {variable} is {shown(value)}, not an ID.")
    return number
