"""What root takes of the environment while it works for another user, as under sudo.

`sudo -E`, or a sudo that keeps HOME, hands the user's variables to root. Many lead a program or a
library to files, plugins or other programs, so root's programs get only those that are known.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping

from ..errors import MlcError
from .account import Account, caller
from .files import held_socket, rights_of

AGENT_VARIABLE = "SSH_AUTH_SOCK"
"""The socket of an ssh agent, which root's programs get only if the user may connect to it."""
SUDO_UID = "SUDO_UID"
_KEPT_PREFIXES = ("DS01_", "LC_", "MLC_", "SUDO_")
_KEPT = frozenset(
    (
        *("LOGNAME", "USER", "COLORTERM", "COLUMNS", "LANG", "LANGUAGE", "LINES", "NO_COLOR"),
        *("TERM", "TZ"),
        # What containers and builds get.
        *("DISPLAY", "NCCL_P2P_LEVEL", "SOURCE_DATE_EPOCH"),
        *("PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL", "PIP_TRUSTED_HOST"),
        *("BUILDKIT_PROGRESS", "DOCKER_API_VERSION", "DOCKER_BUILDKIT", "DOCKER_DEFAULT_PLATFORM"),
    )
)
_KEPT_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy")
"""Variables that may have capital letters, too."""
_USUAL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def is_for_another(environ: Mapping[str, str]) -> bool:
    """Whether the process is root and was started by another user, as under sudo."""
    return os.getuid() == 0 and environ.get(SUDO_UID) not in (None, "", "0")


def root_home() -> str:
    """Return root's home directory."""
    import pwd

    return pwd.getpwuid(0).pw_dir


def take_environment() -> dict[str, str]:
    """Return the process's environment, and keep only what root's programs may have of it."""
    given = dict(os.environ)
    if is_for_another(given):
        kept = for_programs(given)
        for name in given.keys() - kept.keys():
            del os.environ[name]
        os.environ.update(kept)
    return given


def for_programs(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for programs that the process starts, and for libraries in it."""
    if not is_for_another(environ):
        return dict(environ)
    kept = {
        name: value
        for name, value in environ.items()
        if name in _KEPT or name.startswith(_KEPT_PREFIXES) or name.lower() in _KEPT_PROXIES
    }
    kept |= {"HOME": root_home(), "PATH": _USUAL_PATH}
    try:
        account = caller(environ)
    except MlcError:  # reported when the account is needed
        return kept
    return {**kept, **_agent(environ, account), "PATH": _path(environ, account)}


def only_root_changes(path: str, account: Account) -> bool:
    """Whether a path, without links in it, leads to root's file or directory that the user cannot
    replace."""
    place = path
    while True:
        try:
            status = os.lstat(place)
        except OSError:
            return False
        with rights_of(account):
            may_write = os.access(place, os.W_OK, effective_ids=True)
        is_sticky = place != path and status.st_mode & stat.S_ISVTX
        if status.st_uid != 0 or stat.S_ISLNK(status.st_mode) or (may_write and not is_sticky):
            return False
        if place == "/":
            return True
        place = os.path.dirname(place)  # noqa: PTH120


def _agent(environ: Mapping[str, str], account: Account) -> dict[str, str]:
    """Return the variable of the user's ssh agent, with links resolved, if there is one."""
    if not (named := environ.get(AGENT_VARIABLE)):
        return {}
    try:
        with rights_of(account):
            path = os.path.realpath(named)
        with held_socket(path, account):
            return {AGENT_VARIABLE: path}
    except OSError:
        return {}


def _path(environ: Mapping[str, str], account: Account) -> str:
    """Return those directories of PATH that are root's."""
    named = [each for each in environ.get("PATH", "").split(os.pathsep) if each.startswith("/")]
    places = [os.path.realpath(each) for each in named]
    kept = [each for each in dict.fromkeys(places) if only_root_changes(each, account)]
    return os.pathsep.join(kept) or _USUAL_PATH
