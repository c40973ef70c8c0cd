"""A project's files: written atomically, and never through a link."""

from __future__ import annotations

import errno
import json
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mlc_patched.errors import MlcError
from mlc_patched.host.account import Account
from mlc_patched.images.project.files import ProjectFiles, dated_suffix, projects_with_files
from mlc_patched.maintenance.leftover_files import left_files
from mlc_patched.names.projects import Project


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def files(home: Path) -> ProjectFiles:
    return ProjectFiles(Account("a", os.getuid(), os.getgid(), str(home)), Project(1, "demo"))


def test_a_dockerfile_is_written_and_read(files: ProjectFiles, home: Path) -> None:
    assert files.read_dockerfile() is None
    assert not (home / "dockerfiles").exists()
    assert files.write_dockerfile("FROM x\r\n") == str(home / "dockerfiles/demo.Dockerfile")
    assert files.read_dockerfile() == "FROM x\r\n"
    files.write_dockerfile("\ufeffFROM x\r\n")
    assert files.read_dockerfile() == "FROM x\r\n"
    assert [each.name for each in (home / "dockerfiles").iterdir()] == ["demo.Dockerfile"]


def test_metadata_is_private_and_versioned(files: ProjectFiles, home: Path) -> None:
    before = os.umask(0)
    try:
        files.write_metadata({"project": "demo"})
    finally:
        os.umask(before)
    file = home / ".ds01-config/images/demo.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text()) == {"version": 1, "project": "demo"}
    assert files.read_metadata()["project"] == "demo"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"version": 99}', "\ud800", "null"])
def test_broken_metadata_is_empty(files: ProjectFiles, home: Path, content: str) -> None:
    files.write_metadata({})
    file = home / ".ds01-config/images/demo.json"
    file.write_bytes(content.encode("utf-8", "surrogatepass"))
    assert files.read_metadata() == {}


@pytest.mark.parametrize("parts", [("dockerfiles",), (".ds01-config", "images")])
def test_no_link_is_followed(files: ProjectFiles, home: Path, parts: tuple[str, ...]) -> None:
    elsewhere = home / "elsewhere"
    elsewhere.mkdir()
    (home.joinpath(*parts[:-1])).mkdir(exist_ok=True)
    home.joinpath(*parts).symlink_to(elsewhere)
    write = files.write_metadata if len(parts) == 2 else files.write_dockerfile
    with pytest.raises(MlcError, match="not a link"):
        write({} if len(parts) == 2 else "x")
    assert list(elsewhere.iterdir()) == []


def test_a_link_in_the_place_of_a_file_is_replaced_not_followed(
    files: ProjectFiles, home: Path
) -> None:
    target = home / "target"
    target.write_text("mine")
    files.write_dockerfile("FROM x\n")
    (home / "dockerfiles/demo.Dockerfile").unlink()
    (home / "dockerfiles/demo.Dockerfile").symlink_to(target)
    with pytest.raises(MlcError, match="not a link"):
        files.read_dockerfile()
    files.write_dockerfile("FROM y\n")
    assert target.read_text() == "mine"
    assert files.read_dockerfile() == "FROM y\n"


def test_it_is_checked_before_a_build_whether_files_can_be_written(
    files: ProjectFiles, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.check_writable("FROM x")
    assert list((home / "dockerfiles").iterdir()) == []
    for number, hint in ((errno.EROFS, "mounted read-only"), (errno.ENOSPC, "")):

        def fail(*arguments: object, number: int = number) -> int:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr("mlc_patched.images.project.files.open_file", fail)
        with pytest.raises(MlcError, match=f"cannot be used: {os.strerror(number)}") as failed:
            files.check_writable("FROM x")
        assert hint in failed.value.hint
        assert "not a link" not in str(failed.value)
    gone = ProjectFiles(Account("a", os.getuid(), os.getgid(), f"{home}/gone"), Project(1, "demo"))
    with pytest.raises(MlcError, match="Your home does not exist"):
        gone.check_writable("FROM x")


def test_backups_are_numbered_and_never_replace_one(files: ProjectFiles, home: Path) -> None:
    assert files.back_up_dockerfile() is None
    for number in (1, 2, 3):
        files.write_dockerfile(f"FROM {number}\n")
        assert files.back_up_dockerfile() == str(home / f"dockerfiles/demo.Dockerfile.{number}")
    assert (home / "dockerfiles/demo.Dockerfile.1").read_text() == "FROM 1\n"
    assert files.read_dockerfile() == "FROM 3\n"
    moved = files.back_up_dockerfile(dated_suffix(0), move=True)
    assert moved == str(home / "dockerfiles/demo.Dockerfile.retired-1970-01-01T000000Z")
    assert files.read_dockerfile() is None


@pytest.mark.parametrize("reason", [errno.EPERM, errno.EOPNOTSUPP])
def test_backups_need_no_hard_links(
    files: ProjectFiles, home: Path, monkeypatch: pytest.MonkeyPatch, reason: int
) -> None:
    """As for another user's file, which root has put there, or on a file system without them."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(reason, os.strerror(reason))

    monkeypatch.setattr(os, "link", refuse)
    for number in (1, 2):
        files.write_dockerfile(f"FROM {number}\n")
        assert files.back_up_dockerfile() == str(home / f"dockerfiles/demo.Dockerfile.{number}")
    assert (home / "dockerfiles/demo.Dockerfile.1").read_text() == "FROM 1\n"
    assert files.back_up_dockerfile("retired", move=True)
    assert files.read_dockerfile() is None
    assert (home / "dockerfiles/demo.Dockerfile.retired").read_text() == "FROM 2\n"
    assert len(list((home / "dockerfiles").iterdir())) == 3


def test_projects_are_found_by_their_dockerfiles(files: ProjectFiles, home: Path) -> None:
    account = Account("a", os.getuid(), os.getgid(), str(home))
    assert projects_with_files(account) == set()
    files.write_dockerfile("x")
    files.write_dockerfile("x", ".previous")
    (home / "dockerfiles/.Dockerfile").write_text("x")
    assert projects_with_files(account) == {"demo"}


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_not_a_file_is_named(
    files: ProjectFiles, home: Path, make: Callable[[Path], None]
) -> None:
    (home / "dockerfiles").mkdir()
    make(home / "dockerfiles/demo.Dockerfile")
    with pytest.raises(MlcError, match=r"demo\.Dockerfile is not a file; replace or remove it"):
        files.read_dockerfile()


def test_a_dockerfile_that_is_not_text_is_reported(files: ProjectFiles, home: Path) -> None:
    files.write_dockerfile("x")
    (home / "dockerfiles/demo.Dockerfile").write_bytes(b"\xff\xfe")
    with pytest.raises(MlcError, match="not text"):
        files.read_dockerfile()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can work for others")
def test_root_reads_for_the_user_only_what_the_user_may_read(open_place: Path) -> None:
    """A hard link to a file of root's is no link to see; and a directory may be a link."""
    user = Account("nobody", 65534, 65534, str(open_place / "home"))
    secret = open_place / "secret"
    secret.mkdir()
    (secret / "demo.Dockerfile").write_text("of root")
    (secret / "demo.Dockerfile").chmod(0o600)
    (open_place / "home/dockerfiles").mkdir(parents=True)
    (open_place / "home/dockerfiles/demo.Dockerfile").hardlink_to(secret / "demo.Dockerfile")
    with pytest.raises(MlcError, match="cannot be read: Permission denied"):
        ProjectFiles(user, Project(1, "demo")).read_dockerfile()
    secret.chmod(0o700)
    (open_place / "home/dockerfiles").rename(open_place / "moved")
    (open_place / "home/dockerfiles").symlink_to(secret)
    assert projects_with_files(user) == set()


def test_a_copy_that_is_set_aside_is_no_leftover_while_the_command_runs(
    files: ProjectFiles, home: Path
) -> None:
    assert files.set_copy_aside("demo.uv.lock") is None
    files.write_copy("demo.uv.lock", b"former")
    copy = home / "dockerfiles/demo.uv.lock"
    os.utime(copy, (0, 0))
    account = Account("a", os.getuid(), os.getgid(), str(home))
    aside = files.set_copy_aside("demo.uv.lock")
    assert aside is not None
    assert not copy.exists()
    environ = {"TMPDIR": str(home)}
    assert left_files(account, environ, time.time() - 60) == []
    assert len(left_files(account, environ, time.time() + 60)) == 1
    files.write_copy("demo.uv.lock", b"newer")
    for _ in range(2):  # if the answer was lost
        files.put_copy_back(aside, "demo.uv.lock")
        assert copy.read_bytes() == b"former"
