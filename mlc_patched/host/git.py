"""Run git, for update-sys, mlc-patch and doctor.

A repository's configuration names programs. So root runs git as itself only where the repository is
root's alone; and no git runs hooks, or, unless it is to fetch, talks to a remote.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from ..errors import MlcError
from .owner import account_for, as_account, environment_of

_NO_PROGRAMS = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=")
_NO_REMOTE = ("-c", "protocol.allow=never")
_REMOTES = "file:git:http:https:ssh"


def git(
    directory: Path,
    *arguments: str,
    environ: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    fetches: bool = False,
) -> str:
    """Run git in a directory and return its output without the final line break.

    `environ` are additional environment variables; standard input is empty by default. Without
    `fetches`, git talks to no remote. Raises MlcError, with git's error output, if it is missing or
    failed.
    """
    account = account_for(*_deciding(directory))
    options = [*_NO_PROGRAMS, *(() if fetches else _NO_REMOTE), "-C", str(directory)]
    try:
        done = subprocess.run(
            ["git", *options, *arguments],  # noqa: S607 - git is found on PATH
            check=True,
            capture_output=True,
            input=stdin if stdin is not None else b"",
            env={
                **environment_of(account, os.environ),
                **_variables(fetches=fetches, is_root=account is None and os.geteuid() == 0),
                **(environ or {}),
            },
            **as_account(account),
        )
    except FileNotFoundError:
        raise MlcError("git is not installed.", "Install it with: apt-get install git") from None
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip() or f"exit status {error.returncode}"
        raise MlcError(f"git {arguments[0]} failed in {directory}: {said}") from error
    return str(done.stdout.decode(errors="surrogateescape").rstrip("\n"))


def _variables(*, fetches: bool, is_root: bool) -> dict[str, str]:
    """Return variables for git.

    GIT_ALLOW_PROTOCOL counts more than any configuration. Root's git takes only a repository of
    root's for its own: by SUDO_UID, or by the safe.directory of a configuration, it would take the
    user's, too.
    """
    found = {"GIT_TERMINAL_PROMPT": "0"}  # a password prompt would be invisible to the user
    if not fetches:
        found |= {"GIT_ALLOW_PROTOCOL": "none", "GIT_NO_LAZY_FETCH": "1"}
    if os.geteuid() != 0:
        return found
    if fetches:
        found["GIT_ALLOW_PROTOCOL"] = _REMOTES
    else:
        found["GIT_CONFIG_NOSYSTEM"] = "1"
        if is_root:
            found["GIT_CONFIG_GLOBAL"] = os.devnull
    return {**found, "SUDO_UID": "", "SUDO_GID": ""}


def _deciding(directory: Path) -> tuple[Path, ...]:
    """Return what decides about the programs that git runs in a directory."""
    for place in (directory, *directory.absolute().parents):
        if os.path.lexists(place / ".git"):
            return place, place / ".git", place / ".git/config"
    return (directory,)
