"""Undo rolls back what a failed block did, also while signals arrive."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest
from support.recording_reporter import RecordingReporter

from mlc_patched.errors import CleanupSkipped, MlcError
from mlc_patched.report import SilentReporter
from mlc_patched.undo import Undo


def test_success_rolls_nothing_back() -> None:
    done: list[int] = []
    with Undo(SilentReporter()) as undo:
        undo.add("one", lambda: done.append(1))
    assert done == []


@pytest.mark.parametrize("error", [MlcError("x"), KeyboardInterrupt(), SystemExit(1)])
def test_a_failure_rolls_back_in_reverse_order(error: BaseException) -> None:
    done: list[int] = []
    with pytest.raises(type(error)), Undo(SilentReporter()) as undo:
        undo.add("one", lambda: done.append(1))
        undo.add("two", lambda: done.append(2))
        raise error
    assert done == [2, 1]


@pytest.mark.parametrize("failure", [MlcError("no"), OSError("no"), ValueError("no")])
def test_a_failing_step_is_reported_and_the_next_one_runs(failure: Exception) -> None:
    report, done = RecordingReporter(), []

    def fail() -> None:
        raise failure

    with pytest.raises(MlcError, match="cause"), Undo(report) as undo:
        undo.add("one", lambda: done.append(1))
        undo.add("The image x", fail)
        raise MlcError("cause")
    assert done == [1]
    assert report.said == ["The image x could not be removed: no"]


def test_a_second_interrupt_does_not_stop_the_rollback() -> None:
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
            time.sleep(0)  # the deferred signal arrives here
    assert done == [1, 1]


def test_an_interrupt_delivered_to_another_thread_does_not_stop_the_rollback() -> None:
    """The kernel delivers a signal to any thread that has not blocked it."""
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    end, done = threading.Event(), []
    other = threading.Thread(target=end.wait)
    other.start()
    arrived, writes = os.pipe()
    os.set_blocking(writes, False)
    before = signal.set_wakeup_fd(writes)

    def step() -> None:
        signal.pthread_kill(other.ident, signal.SIGINT)
        assert os.read(arrived, 1)  # Python has noticed it, and calls the handler now
        done.append(1)

    try:
        with pytest.raises(KeyboardInterrupt), Undo(SilentReporter()) as undo:
            undo.add("one", step)
            undo.add("two", step)
            raise MlcError("cause")
    finally:
        signal.set_wakeup_fd(before)
        os.close(arrived)
        os.close(writes)
        end.set()
        other.join()
    assert done == [1, 1]


@pytest.mark.promise("signal")
@pytest.mark.parametrize("patience", [0, 60])
def test_a_later_interrupt_ends_a_rollback_that_hangs(
    monkeypatch: pytest.MonkeyPatch, patience: float
) -> None:
    """But one that follows at once does not: keys are pressed twice."""
    monkeypatch.setattr("mlc_patched.interrupts._PATIENCE", patience)
    done: list[str] = []

    def hang() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        if not patience:
            time.sleep(60)
        done.append("hung")

    with pytest.raises(KeyboardInterrupt) as raised, Undo(SilentReporter()) as undo:
        undo.add("one", lambda: done.append("one"))
        undo.add("two", hang)
        raise KeyboardInterrupt
    assert (raised.type is CleanupSkipped) == (patience == 0)
    assert done == (["hung", "one"] if patience else [])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_of_a_rollback_without_an_interrupt_the_second_one_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mlc_patched.interrupts._PATIENCE", 0)
    done: list[int] = []

    def step() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        done.append(1)
        os.kill(os.getpid(), signal.SIGTERM)
        done.append(2)

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with pytest.raises(CleanupSkipped), Undo(SilentReporter()) as undo:
            undo.add("one", step)
            raise MlcError("cause")
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    assert done == [1]
