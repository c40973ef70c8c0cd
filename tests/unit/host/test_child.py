"""Data that a child process writes with a user's own IDs."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from mlc_patched.errors import MlcError
from mlc_patched.host.account import Account
from mlc_patched.host.child import written_by

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can work for others")
USER = Account("nobody", 65534, 65534, "/nonexistent")


def all_of(file: int) -> bytes:
    said = b""
    while chunk := os.read(file, 65536):
        said += chunk
    return said


def test_the_child_has_the_user_s_ids_for_good() -> None:
    def ids() -> Iterator[bytes]:
        yield repr((os.getresuid(), os.getresgid(), os.getgroups())).encode()

    with written_by(USER, "it", ids) as stream:
        assert all_of(stream.file) == repr(((65534,) * 3, (65534,) * 3, [65534])).encode()
        stream.check()
    assert os.getresuid() == (0, 0, 0)


def test_data_that_is_not_complete_ends_as_no_archive_does() -> None:
    def failing() -> Iterator[bytes]:
        yield b"begun"
        raise MlcError("It broke.", "Mend it.")

    with written_by(USER, "it", failing) as stream:
        assert all_of(stream.file) == b"begun" + b"\xff" * 512
        with pytest.raises(MlcError, match=r"It broke\. Mend it\."):
            stream.check()


def test_a_file_of_root_cannot_be_read(tmp_path) -> None:
    (tmp_path / "key").write_text("of root")
    (tmp_path / "key").chmod(0o600)
    with written_by(USER, "The key", lambda: [(tmp_path / "key").read_bytes()]) as stream:
        assert b"of root" not in all_of(stream.file)
        with pytest.raises(MlcError, match="The key cannot be read: Permission denied"):
            stream.check()


def test_a_reader_that_needs_no_more_is_no_failure() -> None:
    with written_by(USER, "it", lambda: iter(lambda: b"x" * 65536, b"")) as stream:
        assert os.read(stream.file, 10) == b"x" * 10
        stream.check()


def test_a_killed_child_is_a_failure_and_none_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    children, fork = [], os.fork

    def noted() -> int:
        children.append(fork())
        return children[-1]

    monkeypatch.setattr(os, "fork", noted)

    def killed() -> Iterator[bytes]:
        os.kill(os.getpid(), 9)
        yield b""

    with written_by(USER, "it", killed) as stream:
        assert all_of(stream.file) == b""
        with pytest.raises(MlcError, match="killed"):
            stream.check()
    (child,) = children
    with pytest.raises(ChildProcessError):
        os.waitpid(child, os.WNOHANG)
