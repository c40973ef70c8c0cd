"""Take back what was begun when the rest of it fails or is interrupted."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from types import FrameType, TracebackType
from typing import TypeVar

from .errors import ConflictError, EngineError, GivenUp, MlcError
from .report import Reporter

T = TypeVar("T")
_PAUSE = 0.5
"""Seconds before a second try: an engine that is being restarted may be back by then."""
_PATIENCE = 3.0
"""Seconds after an interrupt from which on another one is meant: keys are pressed twice."""
_SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})


class Undo:
    """Steps that take back what a `with` block has done, run only if the block fails.

    They run last first. A second Ctrl-C does not cut them short; a step that the engine fails
    is tried once more, then told, and the next one runs.
    """

    def __init__(self, report: Reporter) -> None:
        """Begin with nothing to take back; `report` hears of steps that fail."""
        self._report = report
        self._steps: list[tuple[str, Callable[[], object]]] = []

    def add(self, what: str, step: Callable[[], object]) -> None:
        """Remember a step; `what` names, for a message, what it takes away."""
        self._steps.append((what, step))

    def __enter__(self) -> Undo:
        """Enter the block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Run the steps if the block was left by an exception.

        Not if that is to be rid of an engine that hangs: it would hang in these, too.
        """
        if kind is None or issubclass(kind, GivenUp):
            return
        with signals_held():
            for what, step in reversed(self._steps):
                try:
                    insist(step)
                except MlcError as failure:
                    self._report.warn(f"{what} could not be removed: {failure}")


def insist(step: Callable[[], T]) -> T:
    """Do something that does no harm when done twice; once more if the engine fails at it.

    Such are removals, names and look-ups: what was done and its answer lost is found done.

    Raises:
        ConflictError: something stands in the way, which the same call would meet again.
        EngineError: it failed twice.
    """
    try:
        return step()
    except ConflictError:
        raise
    except EngineError:
        time.sleep(_PAUSE)
        return step()


@contextlib.contextmanager
def told(what: str, report: Reporter) -> Iterator[None]:
    """Only tell of a failure of the engine: for what comes after the work is done.

    Args:
        what: what could not be done then, as the beginning of a sentence.
        report: hears of it.
    """
    try:
        yield
    except MlcError as error:
        report.warn(f"{what}: {error}")


def finished(
    what: str,
    work: Callable[[], T],
    report: Reporter,
    shorten: Callable[[], object] = lambda: None,
) -> T:
    """Do work that the engine finishes whether or not anybody waits for it.

    An interrupt is answered at once, but takes effect only when the work is done: only then
    is there something that can be taken back. Another one, some seconds later, gives that up, as
    an engine may hang; what it makes then bears a name that the next run knows it by (work.py).

    Raises:
        GivenUp: it was given up. What the work raises, else.

    Args:
        what: names the work, for a message.
        work: what to do.
        report: hears that there is something to wait for.
        shorten: called at an interrupt; makes the work end sooner where that is possible.
    """
    outcome: list[T | BaseException] = []
    done = threading.Event()  # a thread's join cannot be taken up again after an interrupt

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            outcome.append(error)
        done.set()

    thread = threading.Thread(target=run, daemon=True)
    try:
        thread.start()
        done.wait()
    except KeyboardInterrupt:
        try:
            with _unmoved_for_now():
                report.warn(
                    f"Interrupted. The engine cannot stop {what}; waiting to take it back. "
                    "Interrupt again to give that up …"
                )
                shorten()
                done.wait()
        except KeyboardInterrupt as again:
            raise GivenUp(getattr(again, "signal_number", signal.SIGINT)) from None
        raise
    result = outcome[0]
    if isinstance(result, BaseException):
        raise result
    return result


@contextlib.contextmanager
def _answered_by(
    answer: Callable[[int, FrameType | None], object],
) -> Iterator[Mapping[int, Callable[[int, FrameType | None], object]]]:
    """Have interrupts answered otherwise for a while; yields what answers them usually."""
    usual: dict[int, Callable[[int, FrameType | None], object]] = {}
    for each in _SIGNALS:
        if callable(handler := signal.getsignal(each)):
            usual[each] = handler
    for number in usual:
        signal.signal(number, answer)
    try:
        yield usual
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _unmoved_for_now() -> Iterator[None]:
    """Have no effect of interrupts for _PATIENCE seconds, and their usual one from then on."""
    if threading.current_thread() is not threading.main_thread():
        yield  # handlers never run here
        return
    began = time.monotonic()

    def later(number: int, frame: FrameType | None) -> None:
        if time.monotonic() - began >= _PATIENCE:
            usual[number](number, frame)

    with _answered_by(later) as usual:
        yield


@contextlib.contextmanager
def finishing() -> Iterator[None]:
    """Finish what comes after the work is done: an interrupt comes too late, and has no effect.
    Where the rest fails all the same, it was that interrupt which ended the command.

    To be entered as the last thing of an Undo's block: before, all is taken back.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    late: list[int] = []
    is_done = False
    try:
        with _answered_by(lambda number, _frame: late.append(number)):
            yield
        is_done = True
    finally:
        if late and not is_done:
            signal.raise_signal(late[0])


@contextlib.contextmanager
def signals_held() -> Iterator[None]:
    """Keep interrupts waiting while something is finished that must not be left half done.

    The mask is this thread's alone: where there are others, as in a program that uses the API,
    the kernel gives the signal to one of them, and Python then runs its handler in the main
    thread all the same. So that handler waits, too.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # handlers never run here
        return
    waiting: list[int] = []
    masked = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        with _answered_by(lambda number, _frame: waiting.append(number)):
            yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, masked)
        if waiting:
            signal.raise_signal(waiting[0])
