"""As whom root runs what belongs to others: as them, never as root."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from ..lean import TYPE_CHECKING
from .account import Account, account_of, caller
from .files import rights_of
from .sudo import is_for_another

if TYPE_CHECKING:
    from typing import Any


def account_for(*places: Path) -> Account | None:
    """Return the account to run programs as that these files decide about.

    None means the process's own: it is not root, or all of them are root's alone. Under sudo it is
    the caller, else the owner.
    """
    if os.geteuid() != 0:
        return None
    asking = caller() if is_for_another(os.environ) else None
    for place in places:
        try:
            status = place.lstat()
        except OSError:
            continue
        is_roots = status.st_uid == 0 and not stat.S_ISLNK(status.st_mode)
        if not is_roots or (asking is not None and _may_write(place, asking)):
            return asking or (account_of(status.st_uid) if status.st_uid else None)
    return None


def as_account(account: Account | None) -> dict[str, Any]:
    """Return the arguments of subprocess.run by which a program runs as the account."""
    if account is None:
        return {}
    uid, gid = account.file_ids
    return {
        "user": uid,
        "group": gid,
        "extra_groups": os.getgrouplist(account.login, gid),
    }


def environment_of(account: Account | None, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for a program that runs as the account."""
    if account is None:
        return dict(environ)
    own = {"HOME": account.home, "USER": account.login, "LOGNAME": account.login}
    return {**environ, **own}


def _may_write(place: Path, account: Account) -> bool:
    with rights_of(account):
        return os.access(place, os.W_OK, effective_ids=True)
