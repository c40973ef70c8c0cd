"""What the command of a Slurm job prints, for the job's output file."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from threading import Thread

from ..context import Context
from ..errors import EngineError, MlcError, NotFoundError

_EXIT_SECONDS = 2.0
"""Until the engine lists a container as ended after its output has."""
_PATIENCE = 60.0
"""Seconds that the engine may be away, as when it is restarted."""
_POLL_SECONDS = 1.0


class JobOutput:
    """What a command prints, printed by a thread as it comes, until the container ends.

    To be made before the container is started, and started after that.
    """

    def __init__(self, made: str, has_ended: Callable[[], bool], context: Context) -> None:
        self._made, self._has_ended, self._context = made, has_ended, context
        self._thread = Thread(target=self._run, daemon=True)
        self._lines = 0
        self._failure: OSError | None = None
        self._pieces: Iterator[bytes] | None = None
        with contextlib.suppress(EngineError):
            self._pieces = context.engine.attach(made)

    def start(self) -> None:
        self._thread.start()

    def finish(self, seconds: float | None = None) -> None:
        """Wait until all is printed, or so long; raises MlcError if it could not be."""
        if self._thread.ident is not None:
            self._thread.join(seconds)
        if self._failure is not None:
            raise MlcError(
                f"The output could not be written: {self._failure.strerror}."
            ) from self._failure

    def _run(self) -> None:
        try:
            with contextlib.suppress(EngineError, NotFoundError):
                for piece in self._pieces or ():
                    self._print(piece)
                if self._pieces is not None and self._ends():
                    return
            with contextlib.suppress(EngineError, NotFoundError):
                self._print_log()
        except OSError as error:
            self._failure = error

    def _print(self, piece: bytes) -> None:
        sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        self._lines += piece.count(b"\n")

    def _ends(self) -> bool:
        """Whether the container has ended; the engine may have been restarted without it."""
        deadline = time.monotonic() + _EXIT_SECONDS
        while not self._has_ended():
            if time.monotonic() > deadline:
                return False
            time.sleep(_EXIT_SECONDS / 20)
        return True

    def _print_log(self) -> None:
        """Print what follows in the engine's log, by lines."""
        is_last = False
        while True:
            try:
                for line in islice(
                    self._context.engine.logs(self._made, follow=not is_last), self._lines, None
                ):
                    self._print(f"{line}\n".encode())
            except EngineError:  # silent for hours, or the engine was restarted
                await_engine(self._context)
            else:
                if is_last:
                    return
                # Docker 20.10 does not follow to the end of a last line without a line break.
                is_last = True


def await_engine(context: Context) -> None:
    """Wait until the engine answers; raise EngineError if it stays away."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        time.sleep(_POLL_SECONDS)
        try:
            context.engine.ping()
        except EngineError:
            if time.monotonic() > deadline:
                raise
        else:
            return
