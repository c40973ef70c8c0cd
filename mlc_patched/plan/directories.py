"""The directories of the host that are mounted in a container: workspace, data, models."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from ..errors import MlcError, NotFoundError, UsageError, shown
from ..host.account import Account
from ..host.home import directory

DEFAULT_WORKSPACE = "~/workspace"


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
    other directory must exist. With `is_local` false the paths are on another host: nothing is
    checked or created, and the home is assumed to have the same path there.

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
    # Links are kept: the label shows the path the user knows, and Docker follows links.
    return os.path.abspath(path)  # noqa: PTH100


def make_in_home(account: Account, name: str) -> None:
    """Create a directory in the account's home, owned by the account, if it is missing.

    Raises MlcError if the home directory is missing or not writable.
    """
    if Path(account.home, name).is_dir():
        return
    try:
        with directory(account, name, mode=0o755):
            pass
    except OSError as error:
        raise MlcError(
            f"{account.home}/{name} cannot be created: {error.strerror}.",
            "Choose another workspace with -w DIR.",
        ) from error


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
