"""An engine with one fault: a call that is refused, that loses its answer, that is carried out too
late or never answered, or during which a signal arrives; or an engine that disappears.

It wraps every method of the engine, registry and cluster interfaces, so each of them can fail.
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
"""Methods of an engine that send no request, and the interface that they return."""
_NO_ANSWER = "The Docker Engine did not answer within 120 seconds."


class Mode(enum.Enum):
    """What happens at the call."""

    REFUSED = "refused"
    LOST = "done, but its answer is lost"
    LATE = "no answer in time, done after the command has ended"
    GONE = "no engine from this call on"
    INT_BEFORE = "SIGINT before"
    INT_AFTER = "SIGINT after"
    TERM_BEFORE = "SIGTERM before"
    TERM_AFTER = "SIGTERM after"
    HUP_BEFORE = "SIGHUP before"
    HUP_AFTER = "SIGHUP after"
    TERM_DURING = "SIGTERM during the call, which the engine completes all the same"
    INT_HANG = "never done or answered, and SIGINT while waiting"
    TERM_HANG = "never done or answered, and SIGTERM while waiting"

    @property
    def signal(self) -> int:
        """The signal that is sent, or 0."""
        word = self.name.partition("_")[0]
        return getattr(signal, f"SIG{word}") if word in ("INT", "TERM", "HUP") else 0

    @property
    def can_be_rolled_back(self) -> bool:
        """Whether the engine still answers, so that the command can roll back."""
        return self not in (Mode.LATE, Mode.GONE)


@dataclass(frozen=True)
class Fault:
    """A fault at the call with this number, counted from 0."""

    at: int
    mode: Mode


@dataclass
class Faults:
    """The fault of a command, and its `calls` to any engine, registry or cluster."""

    fault: Fault | None = None
    calls: list[str] = field(default_factory=list)
    late: list[Callable[[], object]] = field(default_factory=list)

    def begin(self, fault: Fault | None) -> None:
        """Begin a command, with a fault or without."""
        self.fault, self.calls = fault, []

    def end(self) -> None:
        """End a command: carry out its late calls now."""
        self.fault = None
        for job in self.late:
            with contextlib.suppress(MlcError):
                _whole(job())
        self.late = []

    def point(
        self,
        name: str,
        job: Callable[[], Any],
        refusal: type[MlcError] = EngineError,
        *,
        needs_listener: bool = True,
    ) -> Any:
        """Carry out a call, with the fault if it is at this one.

        Args:
            job: carries it out.
            refusal: the error to raise if it is refused.
            needs_listener: whether the engine cancels it if the client disconnects.
        """
        number = len(self.calls)
        self.calls.append(name)
        if self.fault is None or number < self.fault.at:
            return job()
        mode = self.fault.mode
        if mode is Mode.GONE:
            raise EngineUnreachableError("No Docker Engine answers: the test removed it.")
        if number > self.fault.at:
            return job()
        if mode is Mode.REFUSED:
            raise refusal("The Docker Engine refused: a fault injected by the test")
        if mode is Mode.LATE:
            self.late.append(job)
            raise EngineError(_NO_ANSWER)
        if mode.name.endswith("_HANG"):
            _interrupt(mode.signal)  # with signals deferred, the command waits until the timeout
            raise EngineError(_NO_ANSWER)
        if mode is Mode.TERM_DURING:
            return self._during(job, mode, needs_listener=needs_listener)
        if mode.name.endswith("_BEFORE"):
            _interrupt(mode.signal)
            return job()
        result = job()
        if isinstance(result, GeneratorType):
            return self._ending(result, mode)
        self._after(mode)
        return result

    def _during(self, job: Callable[[], Any], mode: Mode, *, needs_listener: bool) -> Any:
        try:
            _interrupt(mode.signal)
        except KeyboardInterrupt:
            if not needs_listener:
                self.late.append(job)
            raise
        return job()

    def _ending(self, lines: Iterator[Any], mode: Mode) -> Iterator[Any]:
        yield from lines
        self._after(mode)

    def _after(self, mode: Mode) -> None:
        if mode.signal:
            _interrupt(mode.signal)
        else:
            raise EngineUnreachableError("No Docker Engine answers: the answer was cut off.")


class Faulty:
    """Wraps an implementation so that each of its calls can fail."""

    def __init__(self, interface: type, real: Any, faults: Faults, called: str = "") -> None:
        """Wrap `real`; `called` is the prefix for the names of its calls."""
        self._interface, self._real, self._faults, self._called = interface, real, faults, called
        # Attributes, not calls.
        self.product = getattr(interface, "product", None)
        self.copies_owners = getattr(interface, "copies_owners", None)
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
            # A late call still gets the arguments of its time.
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
    """Whether the engine cancels the call if the client disconnects (pull, push, build)."""
    return "progress" in inspect.signature(getattr(interface, name)).parameters


def _whole(result: Any) -> None:
    if isinstance(result, GeneratorType):
        for _ in result:
            pass


def _interrupt(number: int) -> None:
    """Send the main thread a signal that arrives immediately."""
    signal.pthread_kill(threading.main_thread().ident or 0, number)
