"""An engine with one fault: a call that is refused, done without its answer arriving, done too
late, or met by a signal; or an engine that is gone from a call on.

It knows no call by name: whatever the Engine interface has can fail.
"""

from __future__ import annotations

import contextlib
import enum
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import GeneratorType
from typing import Any

from fake_engine import FakeEngine

from mlc_patched.engine import Engine
from mlc_patched.errors import EngineError, EngineUnreachableError, MlcError


class Mode(enum.Enum):
    """What happens at a call."""

    REFUSED = "refused"
    LOST = "done, and its answer lost"
    LATE = "no answer in time, and done after the command has ended"
    GONE = "no engine from this call on"
    INT_BEFORE = "SIGINT before"
    INT_AFTER = "SIGINT after"
    TERM_BEFORE = "SIGTERM before"
    TERM_AFTER = "SIGTERM after"
    HUP_BEFORE = "SIGHUP before"
    HUP_AFTER = "SIGHUP after"

    @property
    def signal(self) -> int:
        """The signal that is sent, 0 where it is none."""
        word = self.name.partition("_")[0]
        return getattr(signal, f"SIG{word}") if word in ("INT", "TERM", "HUP") else 0

    @property
    def can_be_taken_back(self) -> bool:
        """Whether an engine that answers is there for it."""
        return self not in (Mode.LATE, Mode.GONE)


@dataclass(frozen=True)
class Fault:
    """A fault at a call, counted from 0."""

    at: int
    mode: Mode


@dataclass
class FaultyEngine:
    """A FakeEngine behind a fault. `calls` are those of the present command."""

    engine: FakeEngine
    fault: Fault | None = None
    calls: list[str] = field(default_factory=list)
    late: list[Callable[[], object]] = field(default_factory=list)

    product = Engine.product  # what it is, which is no call

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in Engine.__abstractmethods__:
            raise AttributeError(name)
        method = getattr(self.engine, name)

        def call(*arguments: Any, **named: Any) -> Any:
            # What comes late was sent in time.
            sent = [list(each) if isinstance(each, GeneratorType) else each for each in arguments]
            return self.point(name, lambda: method(*sent, **named))

        return call

    def begin(self, fault: Fault | None) -> None:
        """Begin a command with a fault, or without one."""
        self.fault, self.calls = fault, []

    def end(self) -> None:
        """End a command: what comes late comes now."""
        self.fault = None
        for work in self.late:
            with contextlib.suppress(MlcError):
                _whole(work())
        self.late = []

    def point(self, name: str, work: Callable[[], Any]) -> Any:
        """Do a call, with the fault if it is this one's."""
        number = len(self.calls)
        self.calls.append(name)
        if self.fault is None or number < self.fault.at:
            return work()
        mode = self.fault.mode
        if mode is Mode.GONE:
            raise EngineUnreachableError("No Docker Engine answers: the test took it away.")
        if number > self.fault.at:
            return work()
        if mode is Mode.REFUSED:
            raise EngineError("The Docker Engine refused: a fault of the test's")
        if mode is Mode.LATE:
            self.late.append(work)
            raise EngineError("The Docker Engine gave no answer within 120 seconds.")
        if mode.name.endswith("_BEFORE"):
            _interrupt(mode.signal)
            return work()
        result = work()
        if isinstance(result, GeneratorType):
            return self._ending(result, mode)
        self._after(mode)
        return result

    def _ending(self, lines: Iterator[Any], mode: Mode) -> Iterator[Any]:
        yield from lines
        self._after(mode)

    def _after(self, mode: Mode) -> None:
        if mode.signal:
            _interrupt(mode.signal)
        else:
            raise EngineUnreachableError("No Docker Engine answers: the answer broke off.")


def _whole(result: Any) -> None:
    if isinstance(result, GeneratorType):
        for _ in result:
            pass


def _interrupt(number: int) -> None:
    """Send the command a signal that arrives at this very moment: its main thread's."""
    signal.pthread_kill(threading.main_thread().ident or 0, number)
