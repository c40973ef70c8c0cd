"""open: a shell in a container, which is started first and stopped after its last shell."""

from __future__ import annotations

import contextlib
import secrets
import time

from ..context import Context
from ..engine.client import fitting_client
from ..engine.interface import Container
from ..errors import ConflictError, MlcError, NotFoundError
from ..host.locks import SharedLock, shared
from ..interrupts import defer_signals
from ..lean import TYPE_CHECKING, dataclass
from ..names import labels
from ..names.containers import short_name
from .shell import JOB_SHELL, PURPOSE, hang_up, run_inside, user_of
from .start import ensure_running, explain_failure

if TYPE_CHECKING:
    from ..cluster.interface import Place, Step

_HANG_UP_SECONDS = 2
"""How long a shell may take to end after its terminal; processes that run longer mean to."""

_KEEPS = "it keeps its node until container-retire {}"
"""Why a container on the cluster is not stopped after its last shell."""


@dataclass(frozen=True)
class Opened:
    """A shell that has been closed, and its exit status. `left_running` says why the container
    was not stopped; it is empty if it was. `to_keep` says how to add to the image what was
    installed. `is_reported`: mlc on the container's node has said all that already. `was_removed`:
    somebody removed the container while the shell was open."""

    name: str
    exit_status: int
    left_running: str
    to_keep: str = ""
    is_reported: bool = False
    was_removed: bool = False


def open_shell(name: str, *, context: Context | None = None) -> Opened:
    """Open an interactive bash in a container, as the user.

    When the shell is closed and nothing else runs inside, the container is stopped. Raises
    NotFoundError, and EngineError if it cannot be started or stopped, or Docker's client is missing
    or too old; then nothing was started.
    """
    context = context or Context()
    tag = context.container_tag(name)
    # The same name on another engine is another container.
    key = tag if context.address.is_local else f"{context.address.url} {tag}"
    # Lock first: only the last holder stops the container.
    with shared(context.account, key) as lock, contextlib.ExitStack() as until_the_end:
        container = context.find(name)
        if container is None:
            from ..cluster.interface import Step

            place = _place_on_cluster(name, context)
            if isinstance(place, Step):
                from .on_node import run_on_node

                status = run_on_node(place, ("open", name, "-s"), context)
                return Opened(name, status, _KEEPS.format(name), is_reported=True)
            check_client(place.context)
            status = _shell(place.container, place.context, until_the_end)
            # Stopping the container would end the service.
            left = _KEEPS.format(name)
            return Opened(name, status, left, _to_keep(place.container, place.context))
        check_client(context)
        ensure_running(container, context)
        status = _shell(container, context, until_the_end)
        explain_failure(status, container, context)
        to_keep = _to_keep(container, context)
        stayed = _stop_if_idle(container, lock, context)
        was_removed = not stayed and _is_removed(container, context)
        return Opened(name, status, stayed, to_keep, was_removed=was_removed)


def check_client(context: Context) -> None:
    """Raise EngineError, before a container is created or started, if no shell can be opened in it:
    there is no Docker client, or it is too old for the engine."""
    fitting_client(context.client_environ, PURPOSE, context.engine)


def _shell(container: Container, context: Context, until_the_end: contextlib.ExitStack) -> int:
    """Run a shell on the caller's terminal and return its exit status."""
    token = secrets.token_hex(8)

    def cut_off() -> None:
        # A closed terminal sends several signals; the container must be stopped all the same.
        until_the_end.enter_context(defer_signals())
        _hang_up(container, token, context)

    return run_inside(
        container.name,
        ("bash",),
        user_of(context),
        context.client_environ,
        token=token,
        when_cut_off=cut_off,
    )


def _to_keep(container: Container, context: Context) -> str:
    """Return how to add to the image what was installed; see `how_to_keep`."""
    with contextlib.suppress(ImportError):  # the program was updated while the shell was open
        from .installed import how_to_keep

        return how_to_keep(container, context)
    return ""


def _place_on_cluster(name: str, context: Context) -> Place | Step:
    """Return how to reach what the cluster runs as the caller's container of this name.

    Raises NotFoundError if it does not exist, and MlcError if it does not run or cannot be reached.
    """
    from ..cluster.place import find_service, place_of
    from ..cluster.state import RUNNING
    from ..cluster.wait import wait_while_starting

    found = find_service(name, context)
    if found is None:
        raise context.not_found(name)
    found = wait_while_starting(found, name, context)
    if found.state.state != RUNNING:
        raise MlcError(f"{name} is on the cluster, but not running: {found.state.sentence}")
    return place_of(found, context)


def _hang_up(container: Container, token: str, context: Context) -> None:
    """End a shell whose terminal has been closed, as the terminal would."""
    hang_up(container, token, context)
    with contextlib.suppress(NotFoundError, ConflictError):  # it has ended already
        deadline = time.monotonic() + _HANG_UP_SECONDS
        while len(context.engine.processes(container.id)) > 1 and time.monotonic() < deadline:
            time.sleep(0.1)


def _stop_if_idle(container: Container, lock: SharedLock, context: Context) -> str:
    """Stop a container if only its first process is running; else return why not."""
    if container.labels.get(labels.JOB):
        return _KEEPS.format(short_name(container.name))
    if not lock.alone():
        return "another shell is open in it"
    try:
        found = context.engine.processes(container.id)
        others = sum(JOB_SHELL not in line for line in found) - 1
        if others > 0:
            what = "1 process is" if others == 1 else f"{others} processes are"
            return f"{what} still running in it"
        context.report.step(f"Stopping {container.name}: nothing is running in it any more")
        context.engine.stop(container.id)
    except (NotFoundError, ConflictError):
        return ""  # stopped or removed while the shell was closing
    return ""


def _is_removed(container: Container, context: Context) -> bool:
    now = context.engine.container(container.name)
    return now is None or now.id != container.id or now.state == "removing"
