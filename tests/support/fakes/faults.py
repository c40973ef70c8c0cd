"""An engine with one fault: a call that is refused, done without its answer arriving, done too
late, never answered, or met by a signal; or an engine that is gone from a call on.

It knows no call by name: whatever the interfaces of the engine, of registries and of the cluster
have can fail.
"""

from __future__ import annotations

import contextlib
import enum
import functools
import inspect
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import GeneratorType
from typing import Any

from mlc_patched.engine.cluster import Cluster
from mlc_patched.engine.interface import Engine
from mlc_patched.engine.registry import Registry, RegistryError
from mlc_patched.errors import EngineError, EngineUnreachableError, MlcError

_WITHIN: Mapping[str, type] = {"registry": Registry, "cluster": Cluster}
"""Methods of an engine that ask nothing yet, and the interface of what they return."""
_NO_ANSWER = "The Docker Engine did not answer within 120 seconds."


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
    TERM_DURING = "SIGTERM while the engine is at it, which it finishes whether or not one waits"
    INT_HANG = "never done and no answer, and SIGINT while that is waited for"
    TERM_HANG = "never done and no answer, and SIGTERM while that is waited for"

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
class Faults:
    """What a command calls, and the one fault among it. `calls` are those of the present command,
    whatever engine, registry or cluster they go to."""

    fault: Fault | None = None
    calls: list[str] = field(default_factory=list)
    late: list[Callable[[], object]] = field(default_factory=list)

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

    def point(
        self,
        name: str,
        work: Callable[[], Any],
        refusal: type[MlcError] = EngineError,
        *,
        needs_listener: bool = True,
    ) -> Any:
        """Do a call, with the fault if it is this one's.

        Args:
            name: of the call.
            work: does it.
            refusal: what is raised where it is refused.
            needs_listener: whether it comes to nothing where nobody waits for its answer.
        """
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
            raise refusal("The Docker Engine refused: a fault of the test's")
        if mode is Mode.LATE:
            self.late.append(work)
            raise EngineError(_NO_ANSWER)
        if mode.name.endswith("_HANG"):
            _interrupt(mode.signal)  # who holds signals waits on, until the time is up
            raise EngineError(_NO_ANSWER)
        if mode is Mode.TERM_DURING:
            return self._during(work, mode, needs_listener=needs_listener)
        if mode.name.endswith("_BEFORE"):
            _interrupt(mode.signal)
            return work()
        result = work()
        if isinstance(result, GeneratorType):
            return self._ending(result, mode)
        self._after(mode)
        return result

    def _during(self, work: Callable[[], Any], mode: Mode, *, needs_listener: bool) -> Any:
        try:
            _interrupt(mode.signal)
        except KeyboardInterrupt:
            if not needs_listener:
                self.late.append(work)
            raise
        return work()

    def _ending(self, lines: Iterator[Any], mode: Mode) -> Iterator[Any]:
        yield from lines
        self._after(mode)

    def _after(self, mode: Mode) -> None:
        if mode.signal:
            _interrupt(mode.signal)
        else:
            raise EngineUnreachableError("No Docker Engine answers: the answer was cut off.")


class Faulty:
    """What implements an interface, each of its calls a point of failure."""

    def __init__(self, interface: type, real: Any, faults: Faults, called: str = "") -> None:
        """Stand in front of `real`; `called` is put before the names of its calls."""
        self._interface, self._real, self._faults, self._called = interface, real, faults, called
        # What it is, which is no call.
        self.product = getattr(interface, "product", None)
        self._refusal = RegistryError if interface is Registry else EngineError

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in self._interface.__abstractmethods__:  # type: ignore[attr-defined]
            raise AttributeError(name)
        method = getattr(self._real, name)
        called = f"{self._called}{name}"
        if within := _WITHIN.get(name) if self._interface is Engine else None:
            return lambda: Faulty(within, method(), self._faults, f"{called}.")
        needs_listener = _needs_listener(self._interface, name)

        def call(*arguments: Any, **named: Any) -> Any:
            # What comes late was sent in time.
            sent = [list(each) if isinstance(each, GeneratorType) else each for each in arguments]
            return self._faults.point(
                called,
                lambda: method(*sent, **named),
                self._refusal,
                needs_listener=needs_listener,
            )

        return call


@functools.cache
def _needs_listener(interface: type, name: str) -> bool:
    """Whether the engine does something for as long as somebody hears of its progress: it gives a
    pull, a push and a build up with the connection."""
    return "progress" in inspect.signature(getattr(interface, name)).parameters


def _whole(result: Any) -> None:
    if isinstance(result, GeneratorType):
        for _ in result:
            pass


def _interrupt(number: int) -> None:
    """Send the command a signal that arrives at this very moment: its main thread's."""
    signal.pthread_kill(threading.main_thread().ident or 0, number)
