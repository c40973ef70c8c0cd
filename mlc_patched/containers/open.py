"""open: a shell in a container, which is started for it and stopped after the last one."""

from __future__ import annotations

import contextlib
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..context import Context, not_found
from ..engine.interface import Container
from ..errors import ConflictError, MlcError, NotFoundError
from ..host.locks import SharedLock, shared
from ..interrupts import defer_signals
from .shell import HANG_UP, run_inside
from .start import ensure_running, user_of

if TYPE_CHECKING:
    from ..cluster.place import Place

_HANG_UP_SECONDS = 2
"""How long a shell may take to end after its terminal; what goes on longer is meant to."""


@dataclass(frozen=True)
class Opened:
    """A shell that was opened and closed again, its exit status, and what became of the
    container: `left_running` says why it was not stopped, and is empty where it was."""

    name: str
    exit_status: int
    left_running: str


def open_shell(name: str, *, context: Context | None = None) -> Opened:
    """Open an interactive bash in a container, as the user.

    When the shell is closed and nothing else runs inside, the container is stopped.

    Raises:
        NotFoundError: there is no such container.
        EngineError: it cannot be started or stopped, or Docker's client is missing.
    """
    context = context or Context()
    tag = context.container_tag(name)
    # On another engine it is another container.
    key = tag if context.address.is_local else f"{context.address.url} {tag}"
    # The lock comes first: who stops the container after their shell holds it alone.
    with shared(context.account, key) as lock, contextlib.ExitStack() as until_the_end:
        container = context.find(name)
        if container is None:
            place = _place_on_cluster(name, context)
            status = _shell(place.container, place.context, until_the_end)
            # Swarm takes a container that has ended for a service that has.
            return Opened(name, status, f"it keeps its place until container-retire {name}")
        ensure_running(container, context)
        status = _shell(container, context, until_the_end)
        return Opened(name, status, _stop_if_idle(container, lock, context))


def _shell(container: Container, context: Context, until_the_end: contextlib.ExitStack) -> int:
    """Run a shell on the caller's terminal and return its exit status."""
    word = secrets.token_hex(8)

    def hang_up() -> None:
        # A closed terminal is told several times; the container must be stopped all the same.
        until_the_end.enter_context(defer_signals())
        _hang_up(container, word, context)

    return run_inside(
        container.name,
        ("bash",),
        user_of(context),
        context.client_environ,
        word=word,
        when_cut_off=hang_up,
    )


def _place_on_cluster(name: str, context: Context) -> Place:
    """Return where the caller's container of this name runs on the cluster.

    Raises:
        NotFoundError: there is none, there neither.
        MlcError: it does not run, or its node is not reached.
    """
    from ..cluster.place import find_service, place_of
    from ..cluster.state import RUNNING

    found = find_service(name, context)
    if found is None:
        raise not_found(name)
    if found.state.state != RUNNING:
        raise MlcError(f"{name} is on the cluster, but does not run: {found.state.status}.")
    return place_of(found, context)


def _hang_up(container: Container, word: str, context: Context) -> None:
    """End a shell that lost its terminal, as any terminal that closes would."""
    with contextlib.suppress(NotFoundError, ConflictError):  # it has ended, and all in it
        user = user_of(context)
        context.engine.exec_detached(container.id, ("sh", "-c", HANG_UP, "sh", word), user)
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
