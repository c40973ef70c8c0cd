"""Ordinary users of this host, created for the tests, and what they run."""

from __future__ import annotations

import fcntl
import grp
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pexpect

from mlc_patched.context import Context
from mlc_patched.host.account import Account
from support import worker
from support.worker import ROOT

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
HOME_PREFIX = "mlc-test-home-"
AS_ON_NFS = ("setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner,-chown")
"""Runs a program as root without rights to other users' files, as on NFS with root_squash."""
COMMENT = "mlc-test run of process "
"""Begins the comment (GECOS) of a test account; the number of the process follows."""


@dataclass(frozen=True)
class User:
    """A user, with the program's tree and the environment its commands get."""

    login: str
    uid: int
    gid: int
    home: Path
    tree: Path
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def workspace(self) -> Path:
        """The user's default workspace."""
        return self.home / "workspace"

    def tag(self, name: str) -> str:
        """Return the name in Docker of the user's container."""
        return f"{name}._.{self.uid}"

    def argv(self, command: Sequence[str | Path], **environ: str) -> list[str]:
        """Return the command line that runs a command as the user, in a clean environment."""
        variables = {
            "HOME": str(self.home),
            "PATH": SYSTEM_PATH,
            "LANG": "C.UTF-8",
            "USER": self.login,
            "TERM": "xterm",
            **self.environ,
            **environ,
        }
        return [
            "setpriv",
            f"--reuid={self.uid}",
            f"--regid={self.gid}",
            "--init-groups",
            "env",
            "-i",
            *(f"{name}={value}" for name, value in variables.items()),
            *map(str, command),
        ]

    def run(
        self,
        *command: str | Path,
        stdin: str | None = None,
        cwd: str | Path = "/",
        timeout: float = 120,
        **environ: str,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command without a terminal, and wait for its end."""
        return subprocess.run(
            self.argv(command, **environ),
            input=stdin if stdin is not None else "",
            capture_output=True,
            text=True,
            errors="surrogateescape",
            cwd=cwd,
            timeout=timeout,
            start_new_session=True,
            check=False,
        )

    def sudo(
        self, *command: str | Path, cwd: str | Path = "/", timeout: float = 120, **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as root with the environment that `sudo` leaves, without a terminal."""
        caller = {
            "SUDO_UID": str(self.uid),
            "SUDO_GID": str(self.gid),
            "SUDO_USER": self.login,
            "HOME": "/root",
            "USER": "root",
        }
        root = User("root", 0, 0, Path("/root"), self.tree, self.environ)
        return root.run(*command, cwd=cwd, timeout=timeout, **{**caller, **environ})

    def start(self, *command: str | Path, **environ: str) -> subprocess.Popen[str]:
        """Start a command without a terminal, and do not wait for it."""
        return subprocess.Popen(
            self.argv(command, **environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd="/",
            start_new_session=True,
        )

    def mlc(self, *arguments: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
        """Run `bin/mlc` without a terminal, and wait for its end."""
        return self.run(self.tree / "bin" / "mlc", *arguments, **options)

    def spawn(self, *command: str | Path, timeout: float = 30, **environ: str) -> pexpect.spawn:
        """Start a command on a new terminal."""
        first, *rest = self.argv(command, **environ)
        return pexpect.spawn(first, rest, encoding="utf-8", timeout=timeout, cwd="/")

    def have_workspace(self) -> None:
        """Make the default workspace a directory again, whatever a failed test has left there."""
        if not self.workspace.is_dir():
            self.workspace.unlink(missing_ok=True)
            self.file("workspace/")

    def file(self, path: str, content: str = "") -> Path:
        """Create a file, or with a trailing slash a directory, in the home, owned by the user."""
        target = self.home / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.endswith("/"):
            target.mkdir(exist_ok=True)
        else:
            target.write_text(content)
        while target != self.home:
            os.chown(target, self.uid, self.gid)
            target = target.parent
        return self.home / path


@contextmanager
def new_user(
    login: str, uid: int, gid: int, tree: Path, environ: Mapping[str, str]
) -> Iterator[User]:
    """Create a user in group docker, and remove the user with its files at the end.

    Where this host has the login or one of the IDs already, the next free one is taken. IDs are
    counted from the given one plus ten times the worker's number, so that a worker's next run has
    the same ones and `sweep` finds what a killed run left. Accounts of killed runs are removed
    first.
    """
    parent = Path(tempfile.mkdtemp(prefix=HOME_PREFIX, dir="/var/tmp"))
    parent.chmod(0o755)
    group = ""
    try:
        with accounts_locked():
            remove_leftover_accounts()
            login = free_login(login)
            uid, gid = free_uid(uid + 10 * worker.NUMBER), free_gid(gid + 10 * worker.NUMBER)
            group, home = f"mlc-test-{gid}", parent / login
            _call("groupadd", "-g", str(gid), group)
            _call(
                *("useradd", "--badname", "--no-log-init", "-m", "-d", str(home)),
                *("-c", f"{COMMENT}{os.getpid()}"),
                *("-u", str(uid), "-g", str(gid), "-G", "docker", "-s", "/bin/bash", login),
            )
        home.chmod(0o750)
        user = User(login, uid, gid, home, tree, environ)
        user.file("workspace/")
        yield user
    finally:
        with accounts_locked():
            if group:
                _remove_account(login, group)
        shutil.rmtree(parent, ignore_errors=True)


def free_uid(wanted: int) -> int:
    """Return the wanted UID, or the next that no account of this host has."""
    return next(uid for uid in itertools.count(wanted) if not _is_found(pwd.getpwuid, uid))


def free_gid(wanted: int) -> int:
    """Return the wanted GID, or the next that no group has, and no group named after it either."""
    return next(
        gid
        for gid in itertools.count(wanted)
        if not _is_found(grp.getgrgid, gid) and not _is_found(grp.getgrnam, f"mlc-test-{gid}")
    )


def free_login(wanted: str) -> str:
    """Return the wanted login, or one with a number before the `@` that no account has."""
    name, at, domain = wanted.partition("@")
    numbers = itertools.chain([""], itertools.count(1))
    logins = (f"{name}{number}{at}{domain}" for number in numbers)
    return next(login for login in logins if not _is_found(pwd.getpwnam, login))


def _is_found(look_up: Callable[[Any], object], key: int | str) -> bool:
    # Not by getpwall(): a directory service often does not list its accounts.
    try:
        look_up(key)
    except KeyError:
        return False
    return True


def remove_leftover_accounts() -> None:
    """Remove the accounts of test runs that were killed; the lock must be held."""
    for entry in pwd.getpwall():
        process = entry.pw_gecos.removeprefix(COMMENT)
        if process.isdigit() and process != entry.pw_gecos and not Path("/proc", process).exists():
            _remove_account(entry.pw_name, f"mlc-test-{entry.pw_gid}")
            if (parent := Path(entry.pw_dir).parent).name.startswith(HOME_PREFIX):
                shutil.rmtree(parent, ignore_errors=True)


@contextmanager
def readable_tree() -> Iterator[Path]:
    """Yield a tree of the program that every user can read: this one, or a copy."""
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    readable = subprocess.run(
        [*nobody, str(ROOT / "bin/mlc"), "--version"], capture_output=True, check=False
    )
    if readable.returncode == 0:
        yield ROOT
        return
    parent = Path(tempfile.mkdtemp(prefix="mlc-test-tree-", dir="/var/tmp"))
    try:
        parent.chmod(0o755)
        for part in ("bin", "lib", "mlc_patched", ".venv"):
            shutil.copytree(ROOT / part, parent / part, symlinks=True)
        subprocess.run(["chmod", "-R", "a+rX", str(parent)], check=True)
        yield parent
    finally:
        shutil.rmtree(parent, ignore_errors=True)


@contextmanager
def accounts_locked() -> Iterator[None]:
    """Lock the host's accounts: useradd fails while another one runs."""
    with Path("/run/lock/mlc-test-accounts").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _remove_account(login: str, group: str) -> None:
    for argv in (["userdel", "-f", login], ["groupdel", group]):
        subprocess.run(argv, capture_output=True, check=False)


def _call(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{argv}: {done.stderr}"


def context_of(user: User) -> Context:
    """Return a user's context in this process."""
    environ: Mapping[str, str] = {"PATH": os.environ["PATH"], **user.environ}
    made = Context(environ=environ)
    made.__dict__["account"] = Account(user.login, user.uid, user.gid, str(user.home))
    return made
