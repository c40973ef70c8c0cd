"""git as root runs it, in repositories whose configuration names programs."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from mlc_patched.errors import MlcError
from mlc_patched.host.git import git

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can work for others")
USER = 65534


class Trapped:
    """A repository of the user's that runs a program wherever git lets it."""

    def __init__(self, place: Path) -> None:
        self.path = place / "repository"
        self.mark = place / "mark"
        self.program = place / "program"
        self.program.write_text(f'#!/bin/sh\necho "$(id -u) $0 $*" >>{self.mark}\nexit 1\n')
        self.program.chmod(0o755)
        self.path.mkdir()
        self.git("init", "-q", "-b", "main")
        (self.path / "mlc.py").write_text("version = '2.2.0'\n")
        (self.path / ".gitattributes").write_text("* filter=evil\n")
        self.git("add", ".")
        self.git("-c", "user.name=x", "-c", "user.email=x@y", "commit", "-qm", "x")
        tree = self.git("rev-parse", "HEAD^{tree}")
        (self.path / ".git/objects" / tree[:2] / tree[2:]).unlink()
        for name in ("post-checkout", "reference-transaction", "post-index-change"):
            shutil.copy(self.program, self.path / ".git/hooks" / name)
        for key, value in {
            "core.repositoryFormatVersion": "1",
            "extensions.partialClone": "origin",
            "remote.origin.promisor": "true",
            "remote.origin.url": f"ext::{self.program} ext",
            "remote.origin.fetch": "+refs/heads/*:refs/remotes/origin/*",
            "branch.main.remote": "origin",
            "branch.main.merge": "refs/heads/main",
            "protocol.ext.allow": "always",
            "core.fsmonitor": str(self.program),
            "core.sshCommand": str(self.program),
            "core.pager": str(self.program),
            "filter.evil.clean": f"{self.program} filter",
            "filter.evil.smudge": f"{self.program} filter",
        }.items():
            self.git("config", key, value)
        for each in (place, *place.rglob("*")):
            os.chown(each, USER, USER)

    def git(self, *arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(self.path), *arguments], check=True, capture_output=True, text=True
        ).stdout.strip()

    def ran(self) -> list[tuple[str, str]]:
        """Return who ran the program, by UID, and its last word each time."""
        if not self.mark.exists():
            return []
        lines = [line.split() for line in self.mark.read_text().splitlines()]
        return [(line[0], line[-1]) for line in lines]


@pytest.fixture
def trapped(open_place: Path) -> Trapped:
    return Trapped(open_place)


@pytest.fixture(params=["sudo", "sudo of another", "login"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """How root comes to run git; root's own configuration trusts every repository."""
    uid = {"sudo": str(USER), "sudo of another": "65533", "login": ""}[request.param]
    monkeypatch.setenv("SUDO_UID", uid)
    monkeypatch.setenv("SUDO_GID", uid)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".gitconfig").write_text("[safe]\n\tdirectory = *\n")
    return str(request.param)


READING = (
    ("ls-tree", "-z", "HEAD"),
    ("status", "--porcelain"),
    ("log", "-p", "-1"),
    ("rev-parse", "--show-toplevel"),
    ("checkout-index", "--force", "--all"),
    ("read-tree", "HEAD"),
)


def test_nothing_of_a_user_s_repository_runs_as_root(trapped: Trapped, way: str) -> None:
    for arguments in READING:
        with contextlib.suppress(MlcError):
            git(trapped.path, *arguments)
    # A filter is a part of reading files; but no remote is asked, and no hook runs.
    assert set(trapped.ran()) <= {(str(USER), "filter")}
    with pytest.raises(MlcError):
        git(trapped.path, "fetch", "--quiet", fetches=True)
    assert set(trapped.ran()) <= {(str(USER), "filter")}
    trapped.git("config", "remote.origin.url", "ssh://host.invalid/x")
    with pytest.raises(MlcError):
        git(trapped.path, "fetch", "--quiet", fetches=True)
    who = {uid for uid, _ in trapped.ran()}
    assert who == (set() if way == "sudo of another" else {str(USER)})


def test_root_s_repository_is_root_s_own_while_nobody_else_can_change_it(
    open_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"SUDO_UID": str(USER), "SUDO_GID": str(USER)}.items():
        monkeypatch.setenv(name, value)
    repository = open_place / "of-root"
    repository.mkdir(0o755)
    subprocess.run(["git", "-C", str(repository), "init", "-q"], check=True)
    mark = open_place / "mark"
    git(repository, "-c", f"alias.x=!id -u >{mark}", "x")
    assert mark.read_text() == "0\n"
    mark.unlink()
    (repository / ".git/config").chmod(0o666)
    with pytest.raises(MlcError):
        git(repository, "-c", f"alias.x=!id -u >{mark}", "x")
    assert not mark.exists()


def test_without_git_its_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MlcError) as caught:
        git(tmp_path, "status")
    assert caught.value.message == "git is not installed."
    assert "apt-get install git" in caught.value.hint


def test_who_is_not_root_uses_their_own_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here git runs as root all the same, which shows the variables."""
    monkeypatch.setattr(os, "geteuid", lambda: 1001)
    monkeypatch.setenv("SUDO_UID", "1001")
    found = git(tmp_path, "-c", "alias.x=!env", "x").splitlines()
    assert "GIT_ALLOW_PROTOCOL=none" in found
    assert "GIT_TERMINAL_PROMPT=0" in found
    assert "SUDO_UID=1001" in found
    assert not {"GIT_CONFIG_NOSYSTEM=1", f"GIT_CONFIG_GLOBAL={os.devnull}"} & set(found)
