"""Roll back what a command did if the rest of it fails or is interrupted."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from types import TracebackType

from .errors import CleanupSkipped, ConflictError, EngineError, MlcError
from .interrupts import defer_signals
from .lean import TYPE_CHECKING
from .report import Reporter

if TYPE_CHECKING:
    from typing import TypeVar

    T = TypeVar("T")

_PAUSE = 0.5
"""Seconds before a second try: an engine that is restarting may be back by then."""


class Undo:
    """Steps that roll back a `with` block, run only if the block fails.

    They run in reverse order, and a second Ctrl-C does not stop them. A step that fails because
    of the engine is retried once. If a step fails, that is reported and the next one runs.
    """

    def __init__(self, report: Reporter) -> None:
        self.report = report
        self._steps: list[tuple[str, Callable[[], object]]] = []

    def add(self, what: str, step: Callable[[], object], *, failed: str = "removed") -> None:
        """Add a step; `what` names, for a message, what the step removes, or restores if `failed`
        is `restored`."""
        self._steps.append((f"{what} could not be {failed}", step))

    def __enter__(self) -> Undo:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Run the steps if the block failed, but not if the user stopped waiting for an engine
        that hangs: the steps would hang, too."""
        if kind is None or issubclass(kind, CleanupSkipped):
            return
        with defer_signals(is_later=issubclass(kind, KeyboardInterrupt)):
            for what, step in reversed(self._steps):
                try:
                    retry_once(step)
                except Exception as failure:  # noqa: BLE001 - the cause and the other steps count
                    self.report.warn(f"{what}: {failure}")


def retry_once(step: Callable[[], T]) -> T:
    """Run an idempotent step, retrying once if the engine fails.

    Removals, renames and lookups are idempotent: if only the answer was lost, the retry finds
    the work done.

    Raises:
        ConflictError: something is in the way, so a retry would not help.
        EngineError: the retry failed, too.
    """
    try:
        return step()
    except ConflictError:
        raise
    except EngineError:
        time.sleep(_PAUSE)
        return step()


@contextlib.contextmanager
def warn_on_failure(what: str, report: Reporter) -> Iterator[None]:
    """Report a failure as a warning only, which begins with `what` failed: for what comes after the
    result is complete."""
    try:
        yield
    except MlcError as error:
        report.warn(f"{what}: {error}")
