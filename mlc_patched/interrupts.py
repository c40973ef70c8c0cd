"""SIGINT, SIGTERM and SIGHUP while a command does what must not be left half done."""

from __future__ import annotations

import _thread
import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from types import FrameType

from .errors import CleanupSkipped
from .lean import TYPE_CHECKING
from .report import Reporter

if TYPE_CHECKING:
    from typing import TypeVar

    T = TypeVar("T")

_PATIENCE = 3.0
"""Seconds after an interrupt during which another one has no effect: keys are pressed twice."""
_STEP = 0.1  # seconds
_SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})


def wait_out_interrupts(
    what: str,
    job: Callable[[], T],
    report: Reporter,
    shorten: Callable[[], object] = lambda: None,
    who: str = "The engine",
) -> T:
    """Run a job that the engine, or `who`, completes whether or not anybody waits for it.

    An interrupt is reported at once but takes effect only when the job is done, because only then
    is there a result to roll back. A second one, some seconds later, stops the waiting, as the
    engine may hang; the next run recognises what the engine then makes by its temporary name (see
    `temporary`).

    `what` names the job in messages; `shorten` is called on an interrupt, to make the job end
    sooner where possible. Raises CleanupSkipped if the user stopped waiting, and whatever the job
    raises.
    """
    outcome: list[T | BaseException] = []
    # Threads and events of `threading` are Python code, which an interrupt breaks in the middle.
    done = _thread.allocate_lock()
    done.acquire()
    is_begun = False

    def run() -> None:
        try:
            outcome.append(job())
        except BaseException as error:  # noqa: BLE001 - raised again in the waiting thread
            outcome.append(error)
        done.release()

    def wait() -> None:
        # In steps: a signal right before a wait without end would take effect only after it.
        while not outcome and not done.acquire(timeout=_STEP):
            pass

    try:
        with defer_signals():
            _thread.start_new_thread(run, ())
            is_begun = True
        wait()
    except KeyboardInterrupt:
        if not is_begun:
            raise
        try:
            with _ignore_briefly():
                report.warn(
                    f"Interrupted. {who} cannot stop {what}; waiting to roll it back. "
                    "Interrupt again to stop waiting …"
                )
                shorten()
                wait()
        except KeyboardInterrupt as again:
            raise CleanupSkipped(getattr(again, "signal_number", signal.SIGINT)) from None
        raise
    result = outcome[0]
    if isinstance(result, BaseException):
        raise result
    return result


class _Deferred:
    """A handler that notes interrupts. One that comes some seconds after the first ends the block,
    as the engine may hang."""

    def __init__(self, *, is_later: bool = False) -> None:
        self._since = time.monotonic() if is_later else None
        self.signals: list[int] = []
        self.is_ended = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._since is None:
            self._since = now
        elif now - self._since >= _PATIENCE:
            self.is_ended = True
            raise CleanupSkipped(number)
        self.signals.append(number)


@contextlib.contextmanager
def ignore_interrupts() -> Iterator[None]:
    """Ignore interrupts in a block that comes after the result is complete.

    If the block fails all the same, the interrupt was the cause, and ends the command. Enter it
    as the last context of an Undo block: earlier, everything is rolled back.
    """
    if not is_main_thread():
        yield
        return
    late = _Deferred()
    is_done = False
    try:
        with _handler(late):
            yield
        is_done = True
    finally:
        if late.signals and not is_done and not late.is_ended:
            signal.raise_signal(late.signals[0])


@contextlib.contextmanager
def defer_signals(*, is_later: bool = False) -> Iterator[None]:
    """Defer interrupts until the end of a block that must not be left half done.

    One that comes some seconds after the first raises CleanupSkipped in the block. With `is_later`
    the first one was before the block.
    """
    if not is_main_thread():
        yield
        return
    deferred = _Deferred(is_later=is_later)
    # None may come while the handlers are replaced. In the block the mask would be no help: in a
    # program with several threads the kernel delivers a signal to another one.
    masked = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        with _handler(deferred):
            signal.pthread_sigmask(signal.SIG_SETMASK, masked)
            try:
                yield
            finally:
                signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, masked)
        if deferred.signals and not deferred.is_ended:
            signal.raise_signal(deferred.signals[0])


def is_main_thread() -> bool:
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
    for each in _SIGNALS if is_main_thread() else ():
        if callable(found := signal.getsignal(each)):
            usual[each] = found
    for number in usual:
        signal.signal(number, handler)
    try:
        yield usual
    finally:
        for number, previous in usual.items():
            signal.signal(number, previous)
