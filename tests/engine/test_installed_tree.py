"""The installed tree, by bats: `make install` into a DESTDIR, then tests/bats as the LDAP user."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.skips import is_refused, skipped_by_bats
from support.users import ROOT, User
from username_utils import sanitize_username_for_container

pytestmark = pytest.mark.real_engine

FILES = sorted((ROOT / "tests" / "bats").glob("*.bats"))
AWKWARD = "mlc d'est dir"


@pytest.fixture(scope="session")
def destdir(engine: object) -> Iterator[Path]:
    """The program installed below a directory whose path holds a blank and a quote."""
    parent = Path(tempfile.mkdtemp(prefix="mlc-test-install-", dir="/var/tmp"))
    try:
        parent.chmod(0o755)
        destdir = parent / AWKWARD
        done = subprocess.run(
            ["make", "-s", "install", f"DESTDIR={destdir}"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        destdir.chmod(0o755)
        yield destdir
    finally:
        shutil.rmtree(parent, ignore_errors=True)


@pytest.fixture(scope="session")
def sudoer(ldap_account: User) -> Iterator[User]:
    """The LDAP user, allowed to use sudo."""
    rule = Path(f"/etc/sudoers.d/mlc-test-{ldap_account.uid}")
    rule.write_text(f"#{ldap_account.uid} ALL=(ALL:ALL) NOPASSWD: ALL\n")
    rule.chmod(0o440)
    try:
        subprocess.run(["visudo", "-cq", "-f", str(rule)], check=True)
        yield ldap_account
    finally:
        rule.unlink()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_bats(file: Path, destdir: Path, sudoer: User) -> None:
    if shutil.which("bats") is None:
        pytest.fail("bats is missing: tools/apt-install.sh bats")
    done = subprocess.run(
        ["bats", "--formatter", "tap", "--timing", "--print-output-on-failure", str(file)],
        env={
            **os.environ,
            **sudoer.environ,
            "MLC_ROOT": str(destdir),
            "MLC_LOGIN": sudoer.login,
            "MLC_ACCOUNT": sanitize_username_for_container(sudoer.login),
            "MLC_UID": str(sudoer.uid),
            "MLC_GID": str(sudoer.gid),
            "MLC_HOME": str(sudoer.home),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    print(done.stdout)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    for title, reason in skipped_by_bats(done.stdout).items():
        assert not is_refused(f"tests/bats/{file.name}::{title}", reason), (title, reason)
