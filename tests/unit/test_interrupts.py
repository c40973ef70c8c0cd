"""Interrupts while a command waits for the engine or finishes."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

import pytest
from support.recording_reporter import RecordingReporter
from support.reliability import Counted

from mlc_patched import interrupts
from mlc_patched.errors import CleanupSkipped, MlcError
from mlc_patched.interrupts import defer_signals, ignore_interrupts, wait_out_interrupts
from mlc_patched.report import SilentReporter
from mlc_patched.undo import Undo


@pytest.mark.parametrize("error", [None, MlcError("cause")])
def test_an_ignored_interrupt_ends_the_command_only_if_the_block_fails(
    error: MlcError | None,
) -> None:
    ended: BaseException | None = None
    try:
        with ignore_interrupts():
            os.kill(os.getpid(), signal.SIGINT)
            if error is not None:
                raise error
    except BaseException as raised:  # noqa: BLE001 - whatever it is
        ended = raised
    assert isinstance(ended, KeyboardInterrupt) == (error is not None)


def test_an_interrupt_takes_effect_when_the_job_is_done() -> None:
    report, done = RecordingReporter(), []

    def job() -> str:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.2)
        done.append(1)
        return "result"

    with pytest.raises(KeyboardInterrupt):
        wait_out_interrupts("saving", job, report)
    assert done == [1]
    assert "cannot stop saving" in report.said[0]


@pytest.mark.promise("signal")
def test_an_interrupt_at_any_line_of_the_waiting_waits_for_the_job(counted: Counted) -> None:
    """One in the middle of `threading.Event.wait` made that raise RuntimeError."""
    for line in itertools.count():
        begun, done, left = [], [], [line]

        def job(begun: list[int] = begun, done: list[int] = done) -> None:
            begun.append(1)
            time.sleep(0.02)
            done.append(1)

        with pytest.raises(KeyboardInterrupt):
            with _interrupted_at(left):
                wait_out_interrupts("saving", job, SilentReporter())
            raise KeyboardInterrupt  # all lines have been interrupted
        assert begun == done, f"after {line} lines"
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if left[0] >= 0:
            break
        counted("signals sent")
    assert line > 10


@contextlib.contextmanager
def _interrupted_at(left: list[int]) -> Iterator[None]:
    """Send this process SIGINT before one of the lines that it runs to wait, as `left` counts."""

    def trace(frame: FrameType, event: str, argument: object) -> Callable[..., object] | None:
        if event == "line":
            left[0] -= 1
            if left[0] < 0:
                sys.settrace(None)
                signal.raise_signal(signal.SIGINT)
        return trace if frame.f_code.co_filename in _WAITING else None

    usual = sys.gettrace()  # a measurement of coverage
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(usual)


_WAITING = (interrupts.__file__, threading.__file__)


@pytest.mark.promise("signal")
@pytest.mark.parametrize("patience", [0, 60])
def test_a_later_interrupt_stops_waiting_for_the_engine(
    monkeypatch: pytest.MonkeyPatch, patience: float
) -> None:
    """But one that follows at once does not: keys are pressed twice."""
    monkeypatch.setattr("mlc_patched.interrupts._PATIENCE", patience)
    hangs, report, done = threading.Event(), RecordingReporter(), []

    def job() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        while not report.said:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)
        hangs.wait(1 if patience else 60)
        done.append(1)

    rolled_back: list[int] = []
    with pytest.raises(KeyboardInterrupt) as raised, Undo(report) as undo:
        undo.add("a step that would hang, too", lambda: rolled_back.append(1))
        wait_out_interrupts("saving", job, report)
    assert (raised.type is CleanupSkipped) == (rolled_back == []) == (patience == 0)
    assert done == ([1] if patience else [])
    assert "Interrupt again to stop waiting" in report.said[0]
    hangs.set()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_waiting_returns_the_result_or_raises_the_error() -> None:
    def fail() -> None:
        raise MlcError("no")

    assert wait_out_interrupts("x", lambda: 1, SilentReporter()) == 1
    with pytest.raises(MlcError, match="no"):
        wait_out_interrupts("x", fail, SilentReporter())


def test_in_another_thread_interrupts_are_left_to_the_main_one() -> None:
    """Python runs signal handlers in the main thread alone."""
    handlers: list[object] = []

    def work() -> None:
        with ignore_interrupts(), defer_signals():
            handlers.append(signal.getsignal(signal.SIGINT))
            handlers.append(wait_out_interrupts("x", lambda: "done", SilentReporter()))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert handlers == [signal.default_int_handler, "done"]


@pytest.mark.parametrize("patience", [0, 60])
def test_a_later_signal_ends_a_block_that_defers_them(
    monkeypatch: pytest.MonkeyPatch, patience: float
) -> None:
    monkeypatch.setattr("mlc_patched.interrupts._PATIENCE", patience)
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt) as raised, defer_signals():
        for step in ("first", "second"):
            done.append(step)
            signal.raise_signal(signal.SIGINT)
        done.append("end")
    assert (raised.type is CleanupSkipped) == (patience == 0)
    assert done == ["first", "second", "end"][: 3 if patience else 2]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_signal_that_nohup_ignores_stays_ignored() -> None:
    usual = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        for deferring in (defer_signals, ignore_interrupts):
            with deferring():
                signal.raise_signal(signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, usual)
