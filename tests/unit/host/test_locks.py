"""Locks of containers and projects in a user's home."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support.recording_reporter import RecordingReporter

from mlc_patched.host import locks
from mlc_patched.host.account import Account
from mlc_patched.host.locks import FILE, exclusive, shared
from mlc_patched.report import SilentReporter


@pytest.fixture
def account(tmp_path: Path) -> Account:
    return Account("alice", os.getuid(), os.getgid(), str(tmp_path))


@pytest.mark.promise("locks")
def test_a_command_waits_for_an_exclusive_lock(account: Account) -> None:
    script = (
        "import os, sys; sys.path[:0] = sys.argv[3:]\n"
        "from mlc_patched.host.account import Account\n"
        "from mlc_patched.host.locks import exclusive\n"
        "from mlc_patched.report import SilentReporter\n"
        "account = Account('alice', os.getuid(), os.getgid(), sys.argv[1])\n"
        "with exclusive(account, sys.argv[2], SilentReporter()):\n"
        "    print('held', flush=True); sys.stdin.readline()\n"
    )
    root = Path(__file__).resolve().parents[3]
    argv = [sys.executable, "-c", script, account.home, "n._.1", str(root), str(root / "lib")]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with exclusive(account, "other._.1", SilentReporter()):
            pass  # another container's lock is free
        report, entered = RecordingReporter(), threading.Event()

        def wait() -> None:
            with exclusive(account, "n._.1", report):
                entered.set()

        waiter = threading.Thread(target=wait)
        waiter.start()
        assert not entered.wait(0.3)
        assert report.said == ["Waiting for another command of yours on n._.1"]
        holder.kill()  # a lock ends with its process
        assert entered.wait(5)
        waiter.join()


@pytest.mark.promise("locks")
def test_a_lock_belongs_to_its_thread(account: Account) -> None:
    """As in a program that uses the API: not to the process."""
    held, entered = threading.Event(), threading.Event()

    def hold() -> None:
        with exclusive(account, "n._.1", SilentReporter()):
            held.set()
            entered.wait(0.3)

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(5)
    with exclusive(account, "other._.1", SilentReporter()):
        pass
    report = RecordingReporter()
    with exclusive(account, "n._.1", report):
        entered.set()
    holder.join()
    assert report.said == ["Waiting for another command of yours on n._.1"]


@pytest.mark.promise("locks")
def test_the_lock_file_belongs_to_the_ids_on_this_host(account: Account) -> None:
    """With --as, the ids on the engine's host are different."""
    elsewhere = Account("alice", 4711, 4711, account.home, ids_here=(os.getuid(), os.getgid()))
    for each in (account, elsewhere):
        with exclusive(each, "n._.1", SilentReporter()) as is_alone:
            assert is_alone


def test_the_holder_of_a_shared_lock_can_tell_if_it_is_alone(account: Account) -> None:
    with shared(account, "n._.1") as lock:
        assert lock.alone()
        other = os.fork()
        if other == 0:
            with shared(account, "m._.1") as another:
                os._exit(0 if another.alone() else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(other, 0)[1]) == 0


def test_an_unwritable_home_does_not_block(tmp_path: Path) -> None:
    nowhere = Account("alice", 1, 1, str(tmp_path / "none"))
    with exclusive(nowhere, "n", SilentReporter()), shared(nowhere, "n") as lock:
        assert lock.alone()


def test_the_lock_file_is_private_and_does_not_grow(account: Account, tmp_path: Path) -> None:
    for name in ("n", "m"):
        with exclusive(account, name, SilentReporter()):
            pass
    made = tmp_path / ".ds01-config" / FILE
    assert (made.stat().st_mode & 0o777, made.stat().st_size) == (0o600, 16)
    assert made.parent.stat().st_mode & 0o777 == 0o700


def test_a_full_home_does_not_block(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no identity then, as without locks, and all locks are free."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", refuse)
    report = SilentReporter()
    with exclusive(account, "n", report) as one, exclusive(account, "m", report) as another:
        assert (one, another) == (b"", b"")


@pytest.mark.promise("locks")
def test_lock_files_have_different_identities(account: Account, tmp_path: Path) -> None:
    """Two homes may use one engine, so names from one's lock must not match the other's."""
    copy = tmp_path / "copy"
    found = []
    for home in (tmp_path, tmp_path, tmp_path / "other", copy):
        home.mkdir(exist_ok=True)
        if home == copy:
            shutil.copytree(tmp_path / ".ds01-config", copy / ".ds01-config")
        with exclusive(replace(account, home=str(home)), "n", SilentReporter()) as identity:
            found.append(identity)
    assert found[0] == found[1]
    assert len(set(found)) == 3
    assert all(found)


def _link(path: Path) -> None:
    path.with_name("target").touch()
    path.symlink_to("target")


OTHER_FILES = {
    "a link": _link,
    "a link to nowhere": lambda path: path.symlink_to("/no/where"),
    "a FIFO": os.mkfifo,
    "a directory": Path.mkdir,
    "a file nobody may read": lambda path: path.touch(0o000),
    "a file everybody may lock": lambda path: path.touch() or path.chmod(0o666),
    "a file with a second name": lambda path: path.touch() or os.link(path, f"{path}2"),
}


@pytest.mark.promise("locks")
@pytest.mark.parametrize("put", OTHER_FILES.values(), ids=OTHER_FILES)
def test_something_else_in_place_of_the_lock_file_does_not_block(
    account: Account, tmp_path: Path, put: Callable[[Path], object]
) -> None:
    (tmp_path / ".ds01-config").mkdir(0o700)
    put(tmp_path / ".ds01-config" / FILE)
    with exclusive(account, "n", SilentReporter()), shared(account, "n") as lock:
        assert lock.alone()


@pytest.mark.promise("locks")
def test_a_lock_file_that_others_can_open_is_not_used(account: Account, tmp_path: Path) -> None:
    """Whoever can open it could hold the lock for ever."""
    (tmp_path / ".ds01-config").mkdir(0o700)
    file = tmp_path / ".ds01-config" / FILE
    file.touch()
    file.chmod(0o666)
    reader, writer = os.pipe()
    other = os.fork()
    if other == 0:
        with file.open("r+") as opened:
            fcntl.lockf(opened, fcntl.LOCK_EX)
            os.write(writer, b"held")
            signal.pause()
    try:
        assert os.read(reader, 4) == b"held"
        with exclusive(account, "n", SilentReporter()):
            pass  # instead of waiting for ever
    finally:
        os.kill(other, signal.SIGKILL)
        os.waitpid(other, 0)
        os.close(reader)
        os.close(writer)


def test_a_file_system_without_locks_does_not_block(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NFS without its lock daemon fails with ENOLCK."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "fcntl", refuse)
    with exclusive(account, "n", SilentReporter()), shared(account, "n") as lock:
        assert lock.alone()


def holder_of_the_host_s_lock(release: threading.Event) -> threading.Thread:
    """Hold the host's lock in a thread until `release` is set."""
    held = threading.Event()

    def hold() -> None:
        with locks.of_the_host(RecordingReporter(), "that chooses GPUs"):
            held.set()
            release.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    return thread


@pytest.mark.parametrize("place", [".", "missing"])
def test_the_lock_of_the_host_is_held_by_one_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setattr(locks, "HOST_LOCK", str(tmp_path / place))
    release, report = threading.Event(), RecordingReporter()
    thread = holder_of_the_host_s_lock(release)
    monkeypatch.setattr(report, "step", lambda text: (report.said.append(text), release.set()))
    with locks.of_the_host(report, "that chooses GPUs"):
        thread.join()
    assert report.said == ["Waiting for another command that chooses GPUs"]


def test_the_lock_of_the_host_blocks_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "HOST_LOCK", str(tmp_path))
    monkeypatch.setattr(locks, "HOST_LOCK_SECONDS", 0.1)
    release, report = threading.Event(), RecordingReporter()
    thread = holder_of_the_host_s_lock(release)
    with locks.of_the_host(report, "that chooses GPUs"):
        pass
    release.set()
    thread.join()
    assert "going on without its lock" in report.said[-1]


def test_the_lock_of_the_host_is_left_free_by_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "HOST_LOCK", str(tmp_path))
    report = RecordingReporter()
    with pytest.raises(ValueError, match="x"), locks.of_the_host(report, "that chooses GPUs"):
        raise ValueError("x")
    with locks.of_the_host(report, "that chooses GPUs"):
        pass
    assert report.said == []
