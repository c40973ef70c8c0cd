"""update-sys: after showing the new commits, it updates the checkout that the program runs from."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.users import ROOT, User

pytestmark = pytest.mark.real_engine

AUTHOR = ("-c", "user.name=Test", "-c", "user.email=test@example.org")


@pytest.fixture
def checkout(alice: User) -> Iterator[Path]:
    """A clone of this tree, two commits behind its remote; both belong to alice."""
    parent = Path(tempfile.mkdtemp(prefix="mlc-test-git-", dir="/var/tmp"))
    shutil.chown(parent, alice.uid, alice.gid)
    upstream, clone = parent / "upstream", parent / "clone"
    for part in ("bin", "lib", "mlc_patched"):
        skipped = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / part, upstream / part, symlinks=True, ignore=skipped)
    for path in (upstream, *upstream.rglob("*")):
        shutil.chown(path, alice.uid, alice.gid)
    git(alice, upstream, "init", "-q", "-b", "main")
    git(alice, upstream, "add", ".")
    commit(alice, upstream, "Before")
    git(alice, parent, "clone", "-q", str(upstream), str(clone))
    commit(alice, upstream, "Fix the first thing")
    commit(alice, upstream, "Fix the second thing")
    yield clone
    shutil.rmtree(parent)


def git(user: User, directory: Path, *arguments: str) -> str:
    done = user.run("git", "-C", str(directory), *AUTHOR, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def commit(user: User, directory: Path, subject: str) -> None:
    git(user, directory, "commit", "-q", "--allow-empty", "-m", subject)


def subject(user: User, clone: Path) -> str:
    return git(user, clone, "log", "-1", "--format=%s")


def test_it_updates_when_forced(alice: User, checkout: Path) -> None:
    done = alice.run(checkout / "bin/mlc", "update-sys", "-f")
    assert done.returncode == 0, done.stderr
    shown = [line.split(None, 1)[-1] for line in done.stdout.splitlines()]
    assert shown[1:3] == ["Fix the second thing", "Fix the first thing"]
    assert subject(alice, checkout) == "Fix the second thing"
    again = alice.run(checkout / "bin/mlc-update-sys", "-f")
    assert (again.returncode, again.stdout) == (0, f"{checkout} is up to date.\n")


@pytest.mark.parametrize(("answer", "taken"), [("y", True), ("", True), ("n", False)])
def test_it_shows_the_changes_and_asks(
    alice: User, checkout: Path, answer: str, taken: bool
) -> None:
    child = alice.spawn(checkout / "bin/mlc", "update-sys")
    child.expect("Fix the second thing.*Fix the first thing.*Update now.*: ")
    child.sendline(answer)
    child.expect("2 new commits" if taken else "Nothing was done")
    child.wait()
    assert child.exitstatus == (0 if taken else 1)
    assert subject(alice, checkout) == ("Fix the second thing" if taken else "Before")


@pytest.fixture
def administrator(alice: User) -> Iterator[User]:
    """alice, who may use sudo with her password, which is "secret"."""
    rule = Path(f"/etc/sudoers.d/mlc-test-{alice.uid}")
    rule.write_text(f"{alice.login} ALL=(ALL) ALL\nDefaults:{alice.login} timestamp_timeout=0\n")
    rule.chmod(0o440)
    subprocess.run(["chpasswd"], input=f"{alice.login}:secret\n", text=True, check=True)
    yield alice
    rule.unlink()
    subprocess.run(["passwd", "--lock", "--quiet", alice.login], check=True)


def test_an_administrator_gives_sudo_the_password_for_root_s_checkout(
    administrator: User, checkout: Path
) -> None:
    subprocess.run(["chown", "-R", "root:root", str(checkout.parent)], check=True)
    checkout.parent.chmod(0o755)
    child = administrator.spawn(checkout / "bin/mlc", "update-sys")
    child.expect("belongs to root.*password")
    child.sendline("secret")
    child.expect("Fix the second thing.*Fix the first thing.*Update now.*: ")
    child.sendline("")
    child.expect("2 new commits")
    child.wait()
    assert child.exitstatus == 0
    assert (checkout / ".git/refs/heads/main").stat().st_uid == 0
    shown = administrator.run("git", "-c", "safe.directory=*", "-C", str(checkout), "log", "-1")
    assert "Fix the second thing" in shown.stdout, shown.stderr


def test_without_a_terminal_it_needs_an_answer_or_force(alice: User, checkout: Path) -> None:
    done = alice.run(checkout / "bin/mlc", "update-sys")
    assert done.returncode == 2
    assert "pass -f to confirm" in done.stderr.splitlines()[-1]
    assert subject(alice, checkout) == "Before"
    done = alice.run(checkout / "bin/mlc", "update-sys", stdin="y\n")
    assert done.returncode == 0, done.stderr
    assert subject(alice, checkout) == "Fix the second thing"


def test_local_commits_are_not_lost(alice: User, checkout: Path) -> None:
    commit(alice, checkout, "A local commit")
    done = alice.run(checkout / "bin/mlc", "update-sys", "-f")
    assert done.returncode == 1
    assert "git merge failed" in done.stderr
    assert subject(alice, checkout) == "A local commit"


def test_a_missing_remote_is_a_failure(alice: User, checkout: Path) -> None:
    shutil.rmtree(checkout.parent / "upstream")
    done = alice.run(checkout / "bin/mlc", "update-sys", "-f")
    assert (done.returncode, done.stdout) == (1, "")
    assert "git fetch failed" in done.stderr


def test_a_directory_that_is_not_a_checkout_is_a_failure(alice: User, checkout: Path) -> None:
    shutil.rmtree(checkout / ".git")
    done = alice.run(checkout / "bin/mlc", "update-sys", "-f")
    assert (done.returncode, done.stdout) == (1, "")
    assert str(checkout) in done.stderr
