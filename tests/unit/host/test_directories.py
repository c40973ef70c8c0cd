"""Directories that a user names while root works for them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlc_patched.host.account import Account
from mlc_patched.host.directories import is_mounted, opened, resolved

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can work for others")
USER = Account("nobody", 65534, 65534, "/nonexistent")


@pytest.fixture
def home(open_place: Path) -> Path:
    """A directory of the user's."""
    os.chown(open_place, USER.uid, USER.gid)
    return open_place


def test_a_directory_stays_the_opened_one_whatever_becomes_of_its_name(
    home: Path, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("of root")
    (home / "mine").mkdir()
    (home / "mine/file").touch()
    with opened(str(home / "mine"), USER) as place:
        (home / "mine").rename(home / "moved")
        (home / "mine").symlink_to(tmp_path)
        assert [each.name for each in Path(place).iterdir()] == ["file"]


def test_links_are_resolved_with_the_user_s_rights_and_refused_as_the_last_name(
    home: Path, tmp_path: Path
) -> None:
    (home / "real/sub").mkdir(parents=True)
    (home / "link").symlink_to(home / "real")
    (home / "root").symlink_to(tmp_path)
    tmp_path.chmod(0o700)
    (tmp_path / "sub").mkdir()
    assert resolved(str(home / "link/sub"), USER) == str(home / "real/sub")
    assert resolved("/", USER) == "/"
    for path in ("link", "link/", "root", "root/sub", "gone", "real/../link"):
        with pytest.raises(OSError, match=r"link|denied|No such"):
            resolved(f"{home}/{path}", USER)
    # What the process has opened as root is not the user's.
    held = os.open(tmp_path / "sub", os.O_RDONLY)
    try:
        for path in (f"/proc/self/fd/{held}", f"/proc/self/fd/{held}/."):
            with pytest.raises(OSError, match=r"link|denied"):
                resolved(path, USER)
    finally:
        os.close(held)


def test_without_sudo_a_path_is_used_as_it_is(home: Path) -> None:
    with opened(f"{home}/../x", Account("root", 0, 0, "/root")) as place:
        assert place == f"{home}/../x"


def test_what_a_process_has_at_a_path_is_known_by_device_and_inode(open_place: Path) -> None:
    def identity(path: str | Path) -> tuple[int, int]:
        status = Path(path).stat()
        return status.st_dev, status.st_ino

    assert is_mounted(os.getpid(), "/var", identity("/var"))
    assert not is_mounted(os.getpid(), "/var", identity(open_place))
    assert is_mounted(2**22 + 1, "/var", identity(open_place)), "a process that has ended"
