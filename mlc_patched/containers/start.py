"""start: start a container, and run a command in it if one is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..context import Context
from ..engine.client import fitting_client
from ..engine.interface import Container
from ..errors import EngineError, UsageError, shown
from ..names import labels
from .shell import PURPOSE, run_inside, user_of

if TYPE_CHECKING:
    from .jobs import Job

ROCM_DEVICES_TO_VIDEO = ("chown", "-R", "root:video", "/dev/kfd", "/dev/dri")
"""Run when a ROCm container starts (docs/contracts.md, "Container")."""


@dataclass(frozen=True)
class Started:
    """A running container, and the exit status of the command if it was waited for.

    `job` is set if it was started in the background; then the exit status is that of a command
    that ended within a second.
    """

    name: str
    tag: str
    was_running: bool
    exit_status: int = 0
    job: Job | None = None


def start(
    name: str,
    command: Sequence[str] = (),
    *,
    detach: bool = False,
    context: Context | None = None,
) -> Started:
    """Start a container, and run a command inside it as the user.

    One word is a line for the container's bash, several are a program and its arguments. With
    `detach` it runs in the background, as a job.

    Raises UsageError if the command cannot be passed to a program, NotFoundError if there is no
    such container, EngineError, with the engine's reason, if it cannot be started, and MlcError if
    the job cannot be recorded.
    """
    for word in command:
        check_word(word)
    context = context or Context()
    container = context.get(name)
    if command and not detach:
        fitting_client(context.client_environ, PURPOSE, context.engine)
    was_running = ensure_running(container, context)
    line = ("bash", "-c", command[0]) if len(command) == 1 else tuple(command)
    if line and detach:
        from .background import start_job

        job = start_job(context.get(name), line, context)
        return Started(name, container.name, was_running, job.exit_status or 0, job)
    status = 0
    if line:
        status = run_inside(container.name, line, user_of(context), context.client_environ)
    return Started(name, container.name, was_running, status)


def execute(name: str, command: Sequence[str], *, context: Context | None = None) -> int:
    """Run a program in a container as the user, on the caller's terminal if there is one, and
    return its exit status. The container is started if necessary.

    Args:
        command: the program and its arguments; no shell interprets them.

    Raises:
        UsageError, NotFoundError, EngineError: as `start`.
    """
    for word in command:
        check_word(word)
    context = context or Context()
    container = context.get(name)
    fitting_client(context.client_environ, PURPOSE, context.engine)
    ensure_running(container, context)
    return run_inside(container.name, command, user_of(context), context.client_environ)


def check_word(word: str) -> None:
    """Raise UsageError for a word of a command that would not arrive unchanged: it contains NUL, or
    bytes that are not UTF-8, which Docker replaces."""
    try:
        word.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{shown(word)} is not UTF-8, which Docker requires.") from None
    if "\0" in word:
        raise UsageError(f"{shown(word)} contains NUL, which cannot be passed to a program.")


def ensure_running(container: Container, context: Context) -> bool:
    """Start a container unless it is running; return whether it was. Raises EngineError."""
    if container.state == "running":
        return True
    try:
        context.start(container.id)
    except EngineError as error:
        raise EngineError(
            f"The container {container.name} cannot be started: {error}\n"
            "If one of its devices or directories no longer exists, create it again."
        ) from error
    _check_entrypoint(container, context)
    if container.labels.get(labels.ARCHITECTURE, "").startswith("ROCM"):
        context.engine.exec_detached(container.id, ROCM_DEVICES_TO_VIDEO, "0:0")
    return False


def _check_entrypoint(container: Container, context: Context) -> None:
    """Raise EngineError if the ENTRYPOINT of the image has ended already, and the container so."""
    image = context.engine.image(container.image_id)
    if image is None or not image.entrypoint:
        return
    from ..images.entrypoint import REMEDY, early_end

    if ended := early_end(container.id, image, context.engine):
        raise EngineError(f"The container {container.name} is not running: {ended}\n{REMEDY}")
