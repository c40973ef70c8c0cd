"""Start a command in a container as a job, follow jobs, and end them."""

from __future__ import annotations

import secrets
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence

from ..context import Context
from ..engine.client import fitting_client
from ..engine.interface import Container
from ..errors import MlcError, NotFoundError
from ..names.containers import short_name
from .jobs import KEPT, RUNNING, UNKNOWN, Job, directory_of, find_job, job_command, jobs_of
from .shell import hang_up, run_shown, user_of

_NONE = "none"
"""Instead of a number of lines, for a job that is only waited for."""
_IS_DELETED = "outside of container mount namespace root"
"""In runc's message where the working directory was deleted."""
_STOPPING_SECONDS = 5
"""How long the engine may take to notice that a container's processes were killed."""
_SIGNALLED = 128
_WAITED_TENTHS = 10
"""Tenths of a second that a new job is waited for: most mistakes end a command by then."""


def start_job(
    container: Container,
    command: Sequence[str],
    context: Context,
    *,
    kind: str = "",
    words: Sequence[str] = (),
) -> Job:
    """Start a command in a running container, and wait a second for it to end.

    Args:
        kind: what the job is for, to find it again.
        words: the command to show in its place.

    Raises:
        MlcError: the job cannot be recorded, so the command was not started.
    """
    directory = directory_of(container, context)
    engine, user, name = context.engine, user_of(context), short_name(container.name)
    prepare = job_command("prepare", directory, str(KEPT), kind, *(words or command))
    status, said = engine.exec_run(container.id, prepare, user)
    number = said.strip().rpartition("\n")[2]
    if _IS_DELETED in said:
        raise MlcError(
            f"No command can run in {name}: the directory that it works in was deleted on the "
            "host after it was started.",
            f"Stop it and start it again: mlc stop {name}; mlc start {name}",
        )
    if status or not number.isdigit():
        raise MlcError(f"{name} cannot record a job in {directory}: {said.strip()}")
    engine.exec_detached(container.id, job_command("run", directory, number, *command), user)
    watch = job_command("watch", directory, number, str(_WAITED_TENTHS))
    engine.exec_run(container.id, watch, user)
    for job in jobs_of(container, context):
        if job.number == int(number):
            return job
    raise MlcError(
        f"The command did not start in {name}: the container stopped, or its disk is full."
    )


def output_of(container: Container, job: Job, context: Context) -> Iterator[bytes]:
    """Yield the output of a job, whether the container runs or not."""
    return context.engine.stream_file(container.id, job.output)


def last_output(container: Container, job: Job, lines: int, context: Context) -> bytes:
    """Return the last lines of a job's output; empty if its file was deleted."""
    kept: deque[bytes] = deque(maxlen=min(lines, sys.maxsize - 1) + 1)
    rest = b""
    try:
        for chunk in output_of(container, job, context):
            *whole, rest = (rest + chunk).split(b"\n")
            kept.extend(line + b"\n" for line in whole)
    except NotFoundError:
        return b""
    found = [*kept, rest] if rest else list(kept)
    return b"".join(found[-lines:]) if lines else b""


def follow(name: str, job: Job, context: Context, lines: int | None = None) -> Job:
    """Print the output of a job until it ends: all of it, or the last lines and what follows.

    Raises:
        MlcError: the following was cut off.
        BrokenPipeError: nobody reads the output any more.
    """
    return _follow(name, job, "all" if lines is None else str(lines), context)


def wait(name: str, number: int | None = None, *, context: Context | None = None) -> Job:
    """Wait until a job of a container has ended; the last one if no number is given.

    Raises:
        NotFoundError: there is no such container or job.
        EngineError: Docker's client is missing or too old.
    """
    context = context or Context()
    _, job = find_job(name, number, context)
    return until_ended(name, job, context)


def until_ended(name: str, job: Job, context: Context) -> Job:
    """Wait until a job has ended, if it runs."""
    return _follow(name, job, _NONE, context) if job.state == RUNNING else job


def cut_off(name: str, job: Job, *, follows: bool = False) -> tuple[str, str]:
    """Return a message that a job is not waited for any more, or followed, and how to go on."""
    number = job.number
    if follows:
        again = f"Follow it again with: mlc logs {name} -f --job {number}"
        return f"Following job {number} of {name} was cut off; it goes on.", again
    again = f"Wait again with: mlc wait {name} --job {number}"
    return f"Waiting for job {number} of {name} was cut off; it goes on.", again


def end_jobs(container: Container, jobs: Sequence[Job], context: Context) -> None:
    """End jobs with all their processes; those that do not end in ten seconds are killed."""
    directory = directory_of(container, context)
    numbers = [str(job.number) for job in jobs]
    context.engine.exec_run(container.id, job_command("end", directory, *numbers), user_of(context))


def _follow(name: str, job: Job, lines: str, context: Context) -> Job:
    fitting_client(context.client_environ, "following a job", context.engine)
    container, token = context.get(name), secrets.token_hex(8)
    command = job_command("follow", directory_of(container, context), str(job.number), lines)
    status = run_shown(container, command, token, context)
    container, job = find_job(name, job.number, context)
    # What followed the job was killed: its container is being stopped, which the engine says later.
    deadline = time.monotonic() + (_STOPPING_SECONDS if status > _SIGNALLED else 0)
    while job.state in (RUNNING, UNKNOWN) and time.monotonic() < deadline:
        time.sleep(0.1)
        container, job = find_job(name, job.number, context)
    if job.state == RUNNING:  # only our end of it has ended; the other would stay until the job's
        hang_up(container, token, context)
        if status == -signal.SIGPIPE:
            raise BrokenPipeError
        raise MlcError(*cut_off(name, job, follows=lines != _NONE))
    return job
