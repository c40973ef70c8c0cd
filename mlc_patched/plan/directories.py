"""The directories of the host that are mounted in a container: workspace, data, models."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path
from shlex import quote

from ..errors import MlcError, NotAllowedError, NotFoundError, UsageError, shown
from ..host.account import Account
from ..host.directories import is_roots_alone, resolved
from ..host.files import is_root_for, rights_of
from ..host.home import directory
from ..host.sudo import only_root_changes
from ..lean import dataclass
from ..settings.model import Settings

DEFAULT_WORKSPACE = "~/workspace"
X11_SOCKETS = "/tmp/.X11-unix"  # noqa: S108 - the X server's own place


@dataclass(frozen=True)
class Directories:
    """Absolute paths on the host; None if a directory was not given."""

    workspace: str
    data: str | None = None
    models: str | None = None


def resolve(
    workspace: str | None,
    data: str | None,
    models: str | None,
    account: Account,
    *,
    make: bool = True,
    is_local: bool = True,
) -> Directories:
    """Make the paths absolute, with `~` as the account's home, and check that they exist.

    The default workspace, `~/workspace`, is created if it is missing, unless `make` is false; any
    other directory must exist. While root works for the user, links are resolved with the user's
    rights, and the last part must not be one. With `is_local` false the paths are on another host:
    nothing is checked or created, and the home is assumed to have the same path there.

    Raises UsageError for an invalid path, NotFoundError for a missing directory, with the command
    that creates it, and MlcError if it is not a directory or cannot be accessed.
    """
    default = expand(DEFAULT_WORKSPACE, account)
    workspace = default if workspace is None else workspace

    is_default = is_local and bool(workspace) and expand(workspace, account) == default
    if is_default and make:
        make_in_home(account, Path(default).name)
    if not (is_default and not make):  # if nothing is created, the default one may be missing
        workspace = check("workspace", workspace, account, is_local=is_local)
    return Directories(
        expand(workspace, account),
        None if data is None else check("data", data, account, is_local=is_local),
        None if models is None else check("models", models, account, is_local=is_local),
    )


def check(what: str, path: str, account: Account, *, is_local: bool = True) -> str:
    """Return the absolute path of a directory that exists; errors and `is_local` as for
    `resolve`."""
    if not path or "\0" in path or "\n" in path:
        raise UsageError(f"The {what} directory {shown(path)} is not a path.")
    try:
        path.encode()
    except UnicodeEncodeError:
        # The engine would read a different path, and create that on the host.
        raise UsageError(
            f"The {what} directory {shown(path)} is not UTF-8, which Docker requires. "
            "Rename it, or name a link to it."
        ) from None
    if is_local and is_root_for(account):
        return _resolved(what, expand(path, account), account)
    if is_local:
        _check_here(what, expand(path, account))
    elif not path.startswith("/") and path != "~" and not path.startswith("~/"):
        raise UsageError(
            f"The {what} directory {path!r} is relative, but the engine runs on another host.",
            "Give an absolute path on that host.",
        )
    return expand(path, account)


def expand(path: str, account: Account) -> str:
    """Return an absolute path; `~` is the account's home, regardless of who runs the program."""
    if path == "~" or path.startswith("~/"):
        path = account.home + path[1:]
    try:
        # Links are kept: the label shows the path the user knows, and Docker follows links.
        return os.path.abspath(path)  # noqa: PTH100
    except FileNotFoundError:
        raise NotFoundError(
            f"{path} cannot be found: the current directory was deleted.",
            "Give an absolute path, or change the directory: cd",
        ) from None


def check_mount(path: str, account: Account, settings: Settings) -> tuple[int, int] | None:
    """Check, before root has the engine mount a directory for the user, that it is still theirs.

    Returns its device and inode, or None if only root can change the path. Raises MlcError if it
    has become a link to what the user may not read, or to what the settings do not let them mount.
    """
    if path == X11_SOCKETS:
        if not is_roots_alone(path):
            raise MlcError(f"{path} does not belong to root, so it is not mounted under sudo.")
        return None
    if only_root_changes(path, account):  # such as what the administrator's tools mount
        return None
    with rights_of(account):
        _check_here("mounted", path)
        may_read = os.access(path, os.R_OK | os.X_OK, effective_ids=True)
        status = os.stat(path)  # noqa: PTH116
    if not may_read:
        raise MlcError(f"The mounted directory {path}: {os.strerror(errno.EACCES)}")
    if not settings.privileged and _resolved("mounted", path, account) != path:
        raise MlcError(f"The mounted directory {path} has become a link.")
    check_owner("mounted", path, account, settings)
    return status.st_dev, status.st_ino


def check_owner(what: str, path: str, account: Account, settings: Settings) -> None:
    """Refuse a directory that the user may not mount while root works for them.

    The user is root inside, and reaches everything below a mounted directory. That matters only if
    containers are not privileged, as root in those is root on the host.
    """
    if settings.privileged:
        return
    shared = any(path == each or path.startswith(f"{each}/") for each in settings.directories)
    try:
        is_own = os.lstat(path).st_uid == account.file_ids[0]
    except FileNotFoundError:
        return  # the default workspace, before a dry run
    if not (shared or is_own):
        raise NotAllowedError(
            f"The {what} directory {path} does not belong to you, and under sudo only your own and "
            "those in the setting container.directories are mounted.",
            "Ask your administrator.",
        )


def x11_sockets(account: Account, *, make: bool) -> bool:
    """Whether to mount the directory of X11 sockets.

    Anybody may create it if it is missing, so under sudo it must be root's, who creates it.
    """
    if not is_root_for(account):
        return True
    if make:
        with contextlib.suppress(OSError):
            os.mkdir(X11_SOCKETS)  # noqa: PTH102
            os.chmod(X11_SOCKETS, 0o1777)  # noqa: PTH101, S103 - as systemd makes it
    return is_roots_alone(X11_SOCKETS)


def make_in_home(account: Account, name: str) -> None:
    """Create a directory in the account's home, owned by the account, if it is missing.

    Raises MlcError if the home directory is missing or not writable.
    """
    # Where root may not look into homes, as on NFS, this is no exception.
    if os.path.isdir(f"{account.home}/{name}"):  # noqa: PTH112
        return
    try:
        with directory(account, name, mode=0o755):
            pass
    except OSError as error:
        raise MlcError(
            f"{account.home}/{name} cannot be created: {error.strerror}.",
            "Choose another workspace with -w DIR.",
        ) from error


def _resolved(what: str, absolute: str, account: Account) -> str:
    """Return a directory's path without links, if the user may read it."""
    with rights_of(account):
        _check_here(what, absolute)
    try:
        return resolved(absolute, account)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise MlcError(f"The {what} directory {absolute}: {error.strerror}") from error
        raise MlcError(
            f"The {what} directory {absolute} is a link, which is not mounted under sudo.",
            "Name the directory that it leads to.",
        ) from None


def _check_here(what: str, absolute: str) -> None:
    try:
        mode = Path(absolute).stat().st_mode
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            raise MlcError(f"The {what} directory {absolute}: {error.strerror}") from error
        if Path(absolute).is_symlink():
            raise NotFoundError(f"The {what} directory {absolute} is a broken link.") from None
        raise NotFoundError(
            f"The {what} directory {absolute} does not exist.",
            f"Create it with: mkdir -p {quote(absolute)}",
        ) from None
    if not stat.S_ISDIR(mode):
        raise MlcError(f"The {what} directory {absolute} is not a directory.")
