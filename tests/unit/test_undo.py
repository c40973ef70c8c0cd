"""What keeps a command from leaving things behind or going astray: undo, locks, home files."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mlc_patched.errors import CleanupSkipped, MlcError
from mlc_patched.host.account import Account
from mlc_patched.host.home import directory, open_file
from mlc_patched.host.locks import FILE, exclusive, shared
from mlc_patched.interrupts import ignore_interrupts, wait_out_interrupts
from mlc_patched.report import SilentReporter
from mlc_patched.undo import Undo


class Words(SilentReporter):
    def __init__(self) -> None:
        self.said: list[str] = []

    def warn(self, text: str) -> None:
        self.said.append(text)

    step = warn


@pytest.fixture
def account(tmp_path: Path) -> Account:
    return Account("alice", os.getuid(), os.getgid(), str(tmp_path))


def test_what_succeeds_is_not_taken_back() -> None:
    done: list[int] = []
    with Undo(SilentReporter()) as undo:
        undo.add("one", lambda: done.append(1))
    assert done == []


@pytest.mark.parametrize("error", [MlcError("x"), KeyboardInterrupt(), SystemExit(1)])
def test_what_fails_is_taken_back_last_first(error: BaseException) -> None:
    done: list[int] = []
    with pytest.raises(type(error)), Undo(SilentReporter()) as undo:
        undo.add("one", lambda: done.append(1))
        undo.add("two", lambda: done.append(2))
        raise error
    assert done == [2, 1]


def test_a_step_that_fails_is_told_and_the_next_one_runs() -> None:
    words, done = Words(), []

    def fail() -> None:
        raise MlcError("no")

    with pytest.raises(MlcError, match="cause"), Undo(words) as undo:
        undo.add("one", lambda: done.append(1))
        undo.add("The image x", fail)
        raise MlcError("cause")
    assert done == [1]
    assert words.said == ["The image x could not be removed: no"]


def test_a_second_interrupt_does_not_cut_the_undoing_short() -> None:
    done: list[int] = []

    def step() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        done.append(1)

    with pytest.raises(KeyboardInterrupt):
        try:
            with Undo(SilentReporter()) as undo:
                undo.add("one", step)
                undo.add("two", step)
                raise MlcError("cause")
        finally:
            time.sleep(0)  # the signal that waited arrives here
    assert done == [1, 1]


@pytest.mark.parametrize("error", [None, MlcError("cause")])
def test_what_interrupts_the_finishing_ends_it_only_where_it_fails(error: MlcError | None) -> None:
    ended: BaseException | None = None
    try:
        with ignore_interrupts():
            os.kill(os.getpid(), signal.SIGINT)
            if error is not None:
                raise error
    except BaseException as raised:  # noqa: BLE001 - whatever it is
        ended = raised
    assert isinstance(ended, KeyboardInterrupt) == (error is not None)


def test_an_interrupt_that_another_thread_takes_does_not_cut_it_short_either() -> None:
    """The kernel gives a signal to any thread that has it unblocked."""
    end, done = threading.Event(), []
    other = threading.Thread(target=end.wait)
    other.start()

    def step() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        while signal.SIGINT in signal.sigpending():  # no thread has taken it yet
            time.sleep(0.01)
        time.sleep(0.1)
        done.append(1)

    try:
        with pytest.raises(KeyboardInterrupt), Undo(SilentReporter()) as undo:
            undo.add("one", step)
            undo.add("two", step)
            raise MlcError("cause")
    finally:
        end.set()
        other.join()
    assert done == [1, 1]


def test_what_the_engine_will_finish_is_waited_for() -> None:
    words, done = Words(), []

    def work() -> str:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.2)
        done.append(1)
        return "result"

    with pytest.raises(KeyboardInterrupt):
        wait_out_interrupts("saving", work, words)
    assert done == [1]
    assert "cannot stop saving" in words.said[0]


@pytest.mark.promise("signal")
@pytest.mark.parametrize("patience", [0, 60])
def test_a_later_interrupt_gives_up_what_the_engine_does_not_finish(
    monkeypatch: pytest.MonkeyPatch, patience: float
) -> None:
    """And one that comes at once does not: keys are pressed twice."""
    monkeypatch.setattr("mlc_patched.interrupts._PATIENCE", patience)
    hangs, words, done = threading.Event(), Words(), []

    def work() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        while not words.said:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)
        hangs.wait(1 if patience else 60)
        done.append(1)

    taken_back: list[int] = []
    with pytest.raises(KeyboardInterrupt) as raised, Undo(words) as undo:
        undo.add("what an engine that hangs would hang at, too", lambda: taken_back.append(1))
        wait_out_interrupts("saving", work, words)
    assert (raised.type is CleanupSkipped) == (taken_back == []) == (patience == 0)
    assert done == ([1] if patience else [])
    assert "Interrupt again to stop waiting" in words.said[0]
    hangs.set()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_is_finished_has_its_result_or_its_error() -> None:
    def fail() -> None:
        raise MlcError("no")

    assert wait_out_interrupts("x", lambda: 1, SilentReporter()) == 1
    with pytest.raises(MlcError, match="no"):
        wait_out_interrupts("x", fail, SilentReporter())


@pytest.mark.promise("locks")
def test_an_exclusive_lock_is_waited_for(account: Account) -> None:
    script = (
        "import sys; sys.path[:0] = sys.argv[3:]\n"
        "from mlc_patched.host.account import Account\n"
        "from mlc_patched.host.locks import exclusive\n"
        "from mlc_patched.report import SilentReporter\n"
        "account = Account('alice', 0, 0, sys.argv[1])\n"
        "with exclusive(account, sys.argv[2], SilentReporter()):\n"
        "    print('held', flush=True); sys.stdin.readline()\n"
    )
    root = Path(__file__).resolve().parents[2]
    argv = [sys.executable, "-c", script, account.home, "n._.1", str(root), str(root / "lib")]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with exclusive(account, "other._.1", SilentReporter()):
            pass  # another container's lock is free
        words, entered = Words(), threading.Event()

        def wait() -> None:
            with exclusive(account, "n._.1", words):
                entered.set()

        waiter = threading.Thread(target=wait)
        waiter.start()
        assert not entered.wait(0.3)
        assert words.said == ["Waiting for another command of yours on n._.1"]
        holder.kill()  # a lock ends with its process, however that ends
        assert entered.wait(5)
        waiter.join()


@pytest.mark.promise("locks")
def test_threads_exclude_each_other_and_one_s_end_is_not_another_s(account: Account) -> None:
    """As in a program that uses the API: a lock is not the process's."""
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
    words = Words()
    with exclusive(account, "n._.1", words):
        entered.set()
    holder.join()
    assert words.said == ["Waiting for another command of yours on n._.1"]


@pytest.mark.promise("locks")
def test_the_file_of_locks_is_that_of_the_ids_here(account: Account) -> None:
    """By --as, one has other ids on the engine's host."""
    elsewhere = Account("alice", 4711, 4711, account.home, ids_here=(os.getuid(), os.getgid()))
    for each in (account, elsewhere):
        with exclusive(each, "n._.1", SilentReporter()) as is_alone:
            assert is_alone


def test_who_holds_a_shared_lock_knows_whether_others_do(account: Account) -> None:
    with shared(account, "n._.1") as lock:
        assert lock.alone()
        other = os.fork()
        if other == 0:
            with shared(account, "m._.1") as another:
                os._exit(0 if another.alone() else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(other, 0)[1]) == 0


def test_a_home_that_cannot_be_written_to_is_no_obstacle(tmp_path: Path) -> None:
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


def test_a_full_home_keeps_nobody_waiting(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no identity, as where there are no locks, and other locks are free."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", refuse)
    words = SilentReporter()
    with exclusive(account, "n", words) as one, exclusive(account, "m", words) as another:
        assert (one, another) == (b"", b"")


@pytest.mark.promise("locks")
def test_each_file_of_locks_is_told_from_every_other(account: Account, tmp_path: Path) -> None:
    """Two homes with one engine: what is named by one's lock is none of the other's."""
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


IN_ITS_PLACE = {
    "a link": _link,
    "a link to nowhere": lambda path: path.symlink_to("/no/where"),
    "a FIFO": os.mkfifo,
    "a directory": Path.mkdir,
    "a file nobody may read": lambda path: path.touch(0o000),
    "a file everybody may lock": lambda path: path.touch() or path.chmod(0o666),
    "a file with a second name": lambda path: path.touch() or os.link(path, f"{path}2"),
}


@pytest.mark.promise("locks")
@pytest.mark.parametrize("put", IN_ITS_PLACE.values(), ids=IN_ITS_PLACE)
def test_what_is_in_the_lock_file_s_place_is_no_obstacle(
    account: Account, tmp_path: Path, put: Callable[[Path], object]
) -> None:
    (tmp_path / ".ds01-config").mkdir(0o700)
    put(tmp_path / ".ds01-config" / FILE)
    with exclusive(account, "n", SilentReporter()), shared(account, "n") as lock:
        assert lock.alone()


@pytest.mark.promise("locks")
def test_a_file_that_others_can_open_is_not_waited_for(account: Account, tmp_path: Path) -> None:
    """Who can open a file can hold its lock for ever: such a one is no lock at all."""
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
            pass  # and not: for ever
    finally:
        os.kill(other, signal.SIGKILL)
        os.waitpid(other, 0)
        os.close(reader)
        os.close(writer)


def test_a_file_system_without_locks_is_no_obstacle(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NFS without its lock daemon says ENOLCK."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "fcntl", refuse)
    with exclusive(account, "n", SilentReporter()), shared(account, "n") as lock:
        assert lock.alone()


@pytest.mark.promise("homes")
@pytest.mark.parametrize("umask", [0, 0o077, 0o777])
def test_modes_do_not_depend_on_the_umask(account: Account, tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with directory(account, "a", "b", mode=0o750) as parent:
            os.close(open_file(account, parent, "f", os.O_WRONLY, 0o640))
    finally:
        os.umask(before)
    assert (tmp_path / "a/b").stat().st_mode & 0o777 == 0o750
    assert (tmp_path / "a/b/f").stat().st_mode & 0o777 == 0o640


@pytest.mark.promise("homes")
def test_no_link_is_followed(account: Account, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "link").symlink_to(outside)
    with pytest.raises(OSError), directory(account, "link", "x"):
        pass
    with directory(account, "a") as parent:
        (tmp_path / "a" / "f").symlink_to(outside / "f")
        for flags in (os.O_WRONLY, os.O_WRONLY | os.O_TRUNC, os.O_WRONLY | os.O_EXCL):
            with pytest.raises(OSError):
                open_file(account, parent, "f", flags)
    assert list(outside.iterdir()) == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_what_root_makes_for_a_user_belongs_to_the_user(tmp_path: Path) -> None:
    user = Account("alice", 54321, 54322, str(tmp_path))
    with directory(user, "a", "b") as parent:
        os.close(open_file(user, parent, "f", os.O_WRONLY))
    for path in ("a", "a/b", "a/b/f"):
        status = (tmp_path / path).stat()
        assert (status.st_uid, status.st_gid) == (54321, 54322)
