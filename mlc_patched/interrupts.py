"""SIGINT, SIGTERM and SIGHUP while a command does what must not be left half done."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import TypeVar

from .errors import CleanupSkipped
from .report import Reporter

T = TypeVar("T")
_PATIENCE = 3.0
"""Seconds after an interrupt during which another one has no effect: keys are pressed twice."""
_SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})


def wait_out_interrupts(
    what: str,
    job: Callable[[], T],
    report: Reporter,
    shorten: Callable[[], object] = lambda: None,
) -> T:
    """Run a job that the engine completes whether or not anybody waits for it.

    An interrupt is reported at once but takes effect only when the job is done, because only then
    is there a result to roll back. A second one, some seconds later, stops the waiting, as the
    engine may hang; the next run recognises what the engine then makes by its temporary name (see
    `temporary`).

    `what` names the job in messages; `shorten` is called on an interrupt, to make the job end
    sooner where possible. Raises CleanupSkipped if the user stopped waiting, and whatever the job
    raises.
    """
    outcome: list[T | BaseException] = []
    done = threading.Event()  # a thread's join cannot be resumed after an interrupt

    def run() -> None:
        try:
            outcome.append(job())
        except BaseException as error:  # noqa: BLE001 - raised again in the waiting thread
            outcome.append(error)
        done.set()

    thread = threading.Thread(target=run, daemon=True)
    try:
        thread.start()
        done.wait()
    except KeyboardInterrupt:
        try:
            with _ignore_briefly():
                report.warn(
                    f"Interrupted. The engine cannot stop {what}; waiting to roll it back. "
                    "Interrupt again to stop waiting …"
                )
                shorten()
                done.wait()
        except KeyboardInterrupt as again:
            raise CleanupSkipped(getattr(again, "signal_number", signal.SIGINT)) from None
        raise
    result = outcome[0]
    if isinstance(result, BaseException):
        raise result
    return result


@contextlib.contextmanager
def ignore_interrupts() -> Iterator[None]:
    """Ignore interrupts in a block that comes after the result is complete.

    If the block fails all the same, the interrupt was the cause, and ends the command. Enter it
    as the last context of an Undo block: earlier, everything is rolled back.
    """
    late: list[int] = []
    is_done = False
    try:
        with _handler(lambda number, _frame: late.append(number)):
            yield
        is_done = True
    finally:
        if late and not is_done:
            signal.raise_signal(late[0])


@contextlib.contextmanager
def defer_signals() -> Iterator[None]:
    """Defer interrupts until the end of a block that must not be left half done.

    The signal mask covers this thread only. In a program with several threads, as one that uses
    the Python API, the kernel delivers the signal to another, and Python runs the handler in the
    main thread all the same; so the handler is replaced, too.
    """
    if not _is_main_thread():
        yield
        return
    deferred: list[int] = []
    masked = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        with _handler(lambda number, _frame: deferred.append(number)):
            yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, masked)
        if deferred:
            signal.raise_signal(deferred[0])


def _is_main_thread() -> bool:
    """Whether signal handlers can run in this thread; Python runs them in the main one only."""
    return threading.current_thread() is threading.main_thread()


@contextlib.contextmanager
def _ignore_briefly() -> Iterator[None]:
    """Ignore interrupts for the first _PATIENCE seconds of a block."""
    began = time.monotonic()

    def later(number: int, frame: FrameType | None) -> None:
        if time.monotonic() - began >= _PATIENCE:
            usual[number](number, frame)

    with _handler(later) as usual:
        yield


@contextlib.contextmanager
def _handler(
    handler: Callable[[int, FrameType | None], object],
) -> Iterator[Mapping[int, Callable[[int, FrameType | None], object]]]:
    """Handle the signals in another way for a while; yields the usual handlers.

    Only the main thread has handlers; in another one nothing changes.
    """
    usual: dict[int, Callable[[int, FrameType | None], object]] = {}
    for each in _SIGNALS if _is_main_thread() else ():
        if callable(found := signal.getsignal(each)):
            usual[each] = found
    for number in usual:
        signal.signal(number, handler)
    try:
        yield usual
    finally:
        for number, previous in usual.items():
            signal.signal(number, previous)
