"""The users of the benchmark: ids without an account, as if LDAP were down."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mlc_patched.host.account import Account

ROOT = Path(__file__).resolve().parents[2]
PYTHON = str(ROOT / ".venv/bin/python")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Person:
    """A user: UID and GID are the same number, and the home has a workspace."""

    uid: int
    home: Path
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def login(self) -> str:
        """The user's name for mlc: that of the account with this UID, or the number."""
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return str(self.uid)

    @property
    def account(self) -> Account:
        """The user as an Account of mlc."""
        return Account(self.login, self.uid, self.uid, str(self.home))

    def run(
        self, *argv: str | Path, address: str = "", statuses: tuple[int, ...] = (0,), **more: str
    ) -> str:
        """Run a command as the user, without a terminal, and return its output.

        Args:
            address: DOCKER_HOST, if not the machine's own engine.
            statuses: exit statuses that are not a failure.
            more: further environment variables.

        Raises:
            RuntimeError: the command failed.
        """
        environ = {"HOME": str(self.home), "PATH": _PATH, "LANG": "C.UTF-8", **self.environ, **more}
        if address:
            environ["DOCKER_HOST"] = address
        done = subprocess.run(
            [str(part) for part in argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environ,
            cwd="/",
            user=self.uid,
            group=self.uid,
            extra_groups=[grp.getgrnam("docker").gr_gid],
            check=False,
        )
        text = done.stdout.decode(errors="replace")
        if done.returncode not in statuses:
            raise RuntimeError(f"{argv} as {self.uid}: exit status {done.returncode}\n{text}")
        return text

    def mlc(self, *argv: str, **options: object) -> str:
        """Run `mlc` as the user."""
        return self.run(ROOT / "bin/mlc", *argv, **options)  # type: ignore[arg-type]


@contextmanager
def people(*uids: int) -> Iterator[list[Person]]:
    """Provide users with homes during the block; the homes are removed afterwards."""
    parent = Path(tempfile.mkdtemp(prefix="mlc-bench-homes-", dir="/var/tmp"))
    parent.chmod(0o711)
    settings = parent / "build.ini"
    settings.write_text("[images]\nlegacy_flow = build\n")
    settings.chmod(0o644)
    made = []
    try:
        for uid in uids:
            home = parent / str(uid)
            (home / "workspace").mkdir(parents=True)
            for path in (home, home / "workspace"):
                os.chown(path, uid, uid)
            made.append(Person(uid, home))
        yield made
    finally:
        shutil.rmtree(parent)


def settings_for_builds(person: Person) -> str:
    """Return the path of a settings file with `legacy_flow = build`."""
    return str(person.home.parent / "build.ini")
