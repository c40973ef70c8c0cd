"""open: a shell in a container, which is started for it and stopped after the last one."""

from __future__ import annotations

import contextlib
import secrets
import time
from dataclasses import dataclass

from ..context import Context
from ..engine import Container
from ..errors import ConflictError, NotFoundError
from ..locks import SharedLock, shared
from ..shell import HANG_UP, run_inside
from ..undo import signals_held
from .start import ensure_running, user_of

_HANG_UP_SECONDS = 2
"""How long a shell may take to end after its terminal; what goes on longer is meant to."""


@dataclass(frozen=True)
class Opened:
    """A shell that was opened and closed again, its exit status, and what became of the
    container: `left_running` says why it was not stopped, and is empty where it was."""

    name: str
    exit_status: int
    left_running: str


def open_shell(name: str, context: Context) -> Opened:
    """Open an interactive bash in a container, as the user.

    When the shell is closed and nothing else runs inside, the container is stopped.

    Raises:
        NotFoundError: there is no such container.
        EngineError: it cannot be started or stopped.
    """
    tag = context.container_tag(name)
    # The lock comes first: who stops the container after their shell holds it alone.
    with shared(context.account, tag) as lock, contextlib.ExitStack() as until_the_end:
        container = context.get(name)
        ensure_running(container, context)
        word = secrets.token_hex(8)

        def hang_up() -> None:
            # A closed terminal is told several times; the container must be stopped all the same.
            until_the_end.enter_context(signals_held())
            _hang_up(container, word, context)

        status = run_inside(
            container.name,
            ("bash",),
            user_of(context),
            context.client_environ,
            word=word,
            when_cut_off=hang_up,
        )
        return Opened(name, status, _stop_if_idle(container, lock, context))


def _hang_up(container: Container, word: str, context: Context) -> None:
    """End a shell that lost its terminal, as any terminal that closes would."""
    with contextlib.suppress(NotFoundError, ConflictError):  # it has ended, and all in it
        user = user_of(context)
        context.engine.execute(container.id, ("sh", "-c", HANG_UP, "sh", word), user)
        deadline = time.monotonic() + _HANG_UP_SECONDS
        while context.engine.processes(container.id) > 1 and time.monotonic() < deadline:
            time.sleep(0.1)


def _stop_if_idle(container: Container, lock: SharedLock, context: Context) -> str:
    """Stop a container in which nothing but its first process runs; else say why not."""
    if not lock.alone():
        return "another shell is open in it"
    try:
        others = context.engine.processes(container.id) - 1
        if others > 0:
            return f"{others} process{'es' if others > 1 else ''} still run in it"
        context.report.step(f"Stopping {container.name}: nothing runs in it any more")
        context.engine.stop(container.id)
    except (NotFoundError, ConflictError):
        return ""  # somebody stopped or removed it while the shell was closing
    return ""
