"""Files and directories in a user's home."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlc_patched.host.account import Account
from mlc_patched.host.home import directory, open_file


@pytest.fixture
def account(tmp_path: Path) -> Account:
    return Account("alice", os.getuid(), os.getgid(), str(tmp_path))


@pytest.mark.promise("homes")
@pytest.mark.parametrize("umask", [0, 0o077, 0o777])
def test_modes_do_not_depend_on_the_umask(account: Account, tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with directory(account, "a", "b", mode=0o750) as parent:
            os.close(open_file(parent, "f", os.O_WRONLY, 0o640))
    finally:
        os.umask(before)
    assert (tmp_path / "a/b").stat().st_mode & 0o777 == 0o750
    assert (tmp_path / "a/b/f").stat().st_mode & 0o777 == 0o640


@pytest.mark.skipif(os.getuid() != 0, reason="only root can work for others")
@pytest.mark.promise("homes")
def test_a_umask_that_forbids_everything_does_not_shut_a_user_out(open_place: Path) -> None:
    """Root may open such a directory, its owner may not."""
    os.chown(open_place, 65534, 65534)
    user, before = Account("nobody", 65534, 65534, str(open_place)), os.umask(0o777)
    os.seteuid(user.uid)
    try:
        with directory(user, "a", "b") as parent:
            os.close(open_file(parent, "f", os.O_WRONLY))
    finally:
        os.seteuid(0)
        os.umask(before)
    assert (open_place / "a").stat().st_mode & 0o777 == 0o700
    assert (open_place / "a/b/f").stat().st_mode & 0o777 == 0o600


@pytest.mark.promise("homes")
def test_links_are_not_followed(account: Account, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "link").symlink_to(outside)
    with pytest.raises(OSError), directory(account, "link", "x"):
        pass
    with directory(account, "a") as parent:
        (tmp_path / "a" / "f").symlink_to(outside / "f")
        for flags in (os.O_WRONLY, os.O_WRONLY | os.O_TRUNC, os.O_WRONLY | os.O_EXCL):
            with pytest.raises(OSError):
                open_file(parent, "f", flags)
    assert list(outside.iterdir()) == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root can work for others")
def test_root_works_in_a_home_with_its_users_rights(open_place: Path) -> None:
    os.chown(open_place, 54321, 54322)
    user = Account("alice", 54321, 54322, str(open_place))
    with directory(user, "a", "b") as parent:
        assert (os.geteuid(), os.getegid()) == (54321, 54322)
        os.close(open_file(parent, "f", os.O_WRONLY))
    assert (os.geteuid(), os.getegid()) == (0, os.getgid())
    for path in ("a", "a/b", "a/b/f"):
        status = (open_place / path).stat()
        assert (status.st_uid, status.st_gid) == (54321, 54322)
    os.chown(open_place, 0, 0)
    with pytest.raises(PermissionError), directory(user, "c"):
        pass
