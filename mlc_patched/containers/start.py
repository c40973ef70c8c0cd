"""start: start a container, and run a command in it if one is given."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from ..context import Context
from ..engine.client import fitting_client
from ..engine.interface import Container
from ..errors import EngineError, MlcError, UsageError, shown
from ..host.gpus import NONE
from ..lean import TYPE_CHECKING, dataclass
from ..names import labels
from ..names.containers import short_name
from .shell import PURPOSE, run_inside, user_of

if TYPE_CHECKING:
    from .jobs import Job

ROCM_DEVICES_TO_VIDEO = ("chown", "-R", "root:video", "/dev/kfd", "/dev/dri")
"""Run when a ROCm container starts (docs/contracts.md, "Container")."""

_CANNOT_RUN = 126
"""The docker client's exit status for a command that could not be started."""


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
    command: str | Sequence[str] = (),
    *,
    detach: bool = False,
    context: Context | None = None,
) -> Started:
    """Start a container, and run a command inside it as the user.

    Its output is the caller's: `run` returns it. With `detach` it runs in the background, as a job.

    Args:
        command: a text is a line for the container's bash, a sequence a program and its arguments.

    Raises:
        UsageError: the command cannot be passed to a program.
        NotFoundError: there is no such container.
        EngineError: it cannot be started, for the engine's reason.
        GpuTakenError: a GPU that was chosen for it is in use.
        MlcError: the job cannot be recorded.
    """
    line = words_of(command)
    context = context or Context()
    container = context.get(name)
    if line and not detach:
        fitting_client(context.client_environ, PURPOSE, context.engine)
    was_running = ensure_running(container, context)
    if line and detach:
        from .background import start_job

        job = start_job(context.get(name), line, context)
        return Started(name, container.name, was_running, job.exit_status or 0, job)
    status = 0
    if line:
        status = run_inside(container.name, line, user_of(context), context.client_environ)
        explain_failure(status, container, context)
    return Started(name, container.name, was_running, status)


def execute(name: str, command: Sequence[str], *, context: Context | None = None) -> int:
    """Run a program in a container as the user, on the caller's terminal if there is one, and
    return its exit status. The container is started if necessary.

    Args:
        command: the program and its arguments; no shell interprets them.

    Raises:
        UsageError, NotFoundError, EngineError: as `start`.
    """
    words = words_of(command)
    context = context or Context()
    container = context.get(name)
    fitting_client(context.client_environ, PURPOSE, context.engine)
    ensure_running(container, context)
    status = run_inside(container.name, words, user_of(context), context.client_environ)
    explain_failure(status, container, context)
    return status


def words_of(command: str | Sequence[str]) -> tuple[str, ...]:
    """Return a command as a program and its arguments; a text is a line for bash.

    Raises UsageError for an empty text, and for a word that would not arrive unchanged.
    """
    if command == "":
        raise UsageError("The command is empty.")
    words = ("bash", "-c", command) if isinstance(command, str) else tuple(command)
    for word in words:
        check_word(word)
    return words


def check_word(word: str) -> None:
    """Raise UsageError for a word of a command that would not arrive unchanged: it contains NUL, or
    bytes that are not UTF-8, which Docker replaces."""
    if not isinstance(word, str):
        raise UsageError(f"{shown(word)} is not text, as the words of a command must be.")
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
    job = container.labels.get(labels.JOB)
    if job and container.state == "paused":
        raise MlcError(
            f"{short_name(container.name)} is paused, as its job {job} is suspended.",
            f"It goes on when an administrator resumes it: scontrol resume {job}",
        )
    if job:
        raise MlcError(
            f"{short_name(container.name)} is not started: its job {job} has ended, so Slurm may "
            "have given its GPUs to another.",
            "The next job on this node removes it. Deploy again with: container-deploy --cluster",
        )
    if container.state == "paused":
        raise EngineError(
            f"The container {container.name} is paused: what runs in it is kept as it was.",
            f"Let it go on with: docker unpause {container.name}",
        )
    with _gpus(container, context):
        try:
            context.check_mounts(container)
            context.start(container.id)
        except EngineError as error:
            raise EngineError(
                f"The container {container.name} cannot be started: {error.message}",
                error.hint
                or "If one of its devices or directories no longer exists, create it again. Save "
                f"what is in it first: container-retire {short_name(container.name)} --save",
            ) from error
    _check_entrypoint(container, context)
    if container.labels.get(labels.ARCHITECTURE, "").startswith("ROCM"):
        context.engine.exec_detached(container.id, ROCM_DEVICES_TO_VIDEO, "0:0")
    return False


def explain_failure(status: int, container: Container, context: Context) -> None:
    """Warn if no command runs in a container because a directory that it mounts was deleted."""
    if status != _CANNOT_RUN:
        return
    try:
        context.check_mounts(container)
    except EngineError as error:
        name = short_name(container.name)
        context.report.warn(
            f"{error} A container in which a directory was deleted has to be started again: "
            f"mlc stop {name}; mlc start {name}"
        )


def _gpus(container: Container, context: Context) -> AbstractContextManager[None]:
    """Check a container's GPUs while it is started; see `assign.startable`."""
    given = container.labels
    is_limited = given.get(labels.GPUS, NONE) != NONE and context.settings.per_user_gpus is not None
    if not given.get(labels.DEVICES) and not is_limited:
        return nullcontext()
    from .assign import startable

    return startable(container, context)


def _check_entrypoint(container: Container, context: Context) -> None:
    """Raise EngineError if the ENTRYPOINT of the image has ended already, and the container so."""
    image = context.engine.image(container.image_id)
    if image is None or not image.entrypoint:
        return
    from ..images.entrypoint import REMEDY, early_end

    if ended := early_end(container.id, image, context.engine):
        raise EngineError(f"The container {container.name} is not running: {ended}\n{REMEDY}")
