"""A container whose Slurm job is suspended: it is paused with it.

Slurm stops the processes of the job with SIGTSTP, and with SIGSTOP two seconds later; SIGCONT lets
them go on. The container's processes are the engine's, so no signal of Slurm's reaches them.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from queue import SimpleQueue
from threading import Thread
from types import FrameType

from ..context import Context
from ..errors import MlcError, NotFoundError

_SIGNALS = (signal.SIGTSTP, signal.SIGCONT)


class Suspension:
    """Pauses a container when SIGTSTP comes, and lets it go on at SIGCONT."""

    def __init__(self, context: Context) -> None:
        self._context, self._is_paused = context, False
        # Unlike an event or a lock of `threading`, it may be used in a signal handler.
        self._signals: SimpleQueue[int | None] = SimpleQueue()

    @contextlib.contextmanager
    def heeded(self) -> Iterator[None]:
        """Take note of the signals, so that none is lost while the container is made."""

        def note(number: int, frame: FrameType | None) -> None:
            self._signals.put(number)

        usual = {number: signal.signal(number, note) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, previous in usual.items():
                signal.signal(number, previous)

    @contextlib.contextmanager
    def pauses(self, made: str) -> Iterator[None]:
        """Pause a running container for as long as its job is suspended; it is not paused after
        the block, so it can be stopped."""
        thread = Thread(target=self._run, args=(made,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._signals.put(None)
            thread.join()

    def _run(self, made: str) -> None:
        for number in iter(self._signals.get, None):
            self._set(made, is_paused=number == signal.SIGTSTP)
        self._set(made, is_paused=False)

    def _set(self, made: str, *, is_paused: bool) -> None:
        if is_paused == self._is_paused:
            return
        engine = self._context.engine
        try:
            with contextlib.suppress(NotFoundError):
                engine.pause(made) if is_paused else engine.unpause(made)
            self._is_paused = is_paused
        except MlcError as error:
            verb = "paused" if is_paused else "let go on"
            self._context.report.warn(f"The container was not {verb}: {error}")
