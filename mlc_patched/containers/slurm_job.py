"""The batch step of a Slurm job: on its node it creates a container, waits for its end, and removes
it, whatever ends the job.

Slurm ends a job (scancel, time limit, preemption) with SIGTERM, and with SIGKILL after KillWait,
half a minute by default. What a killed step leaves, the next job on the node removes.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

from ..cluster.slurm.commands import call
from ..cluster.slurm.grant import (
    Devices,
    Grant,
    gpu_files,
    grant_of,
    granted,
    uuids_by_minor,
)
from ..cluster.slurm.job import (
    VARIABLE,
    JobSpecification,
    decoded,
    log_of,
    name_of_task,
    saving_of,
    with_status,
)
from ..cluster.slurm.queue import PULLING, RUNS
from ..context import Context
from ..engine.interface import Container, Image
from ..engine.specification import ContainerSpecification
from ..errors import (
    CleanupSkipped,
    ConflictError,
    EngineError,
    MlcError,
    NotFoundError,
    Terminated,
)
from ..host.process_identity import is_alive, this_process
from ..images.fetch import not_own
from ..interrupts import defer_signals
from ..lean import replace
from ..names import labels
from ..names.containers import short_name
from ..plan.specify import NAME_VARIABLE
from ..undo import retry_once
from .job_output import JobOutput, await_engine
from .suspended import Suspension

_STOP_SECONDS = 15
"""For the end of a container in which no command of a batch job runs, well within KillWait."""
_KILL_WAIT = 30
"""Slurm's own value of KillWait."""
_REMOVE_SECONDS = 5
"""Of KillWait, what is kept for the last output and for the container's removal."""
_LAST_OUTPUT_SECONDS = 2.0
"""For what a stopped command printed at its end."""
_PASSED = ("SLURM_ARRAY_", "SLURM_CPUS_", "SLURM_JOB_NAME")
"""How variables begin that the container gets, beside the job's ID."""


class _JobEnded(Terminated):
    """Slurm ended the job; its container is removed."""

    message = (
        "Slurm ended this job: it was cancelled, its time limit was reached, or another job took "
        "its place. Its container was removed."
    )


class Queue:
    """What the step tells the queue about the job, as its comment."""

    def __init__(self, job: JobSpecification, context: Context) -> None:
        self._job, self._context = job, context

    def tell(self, status: str) -> None:
        """Note something, unless slurmctld is away: the job goes on without it."""
        number = self._context.environ.get("SLURM_JOB_ID", "")
        comment = f"Comment={with_status(self._job.comment, status)}"
        with contextlib.suppress(MlcError):
            call(self._context, "scontrol", "update", f"JobId={number}", comment)


def run_job(context: Context) -> int:
    """Run the job of this batch step, and return the container's exit status.

    Raises MlcError, which the queue also shows, if it cannot run. Nothing is left on the node.
    """
    job = decoded(context.environ.get(VARIABLE, ""))
    queue = Queue(job, context)
    try:
        status = _run(job, queue, context)
    except MlcError as error:
        queue.tell(str(error))
        raise
    except KeyboardInterrupt as error:
        _remove_log(job, context)
        if isinstance(error, CleanupSkipped):
            raise
        raise _JobEnded(getattr(error, "signal_number", signal.SIGINT)) from None
    _remove_log(job, context)
    return status


def _run(job: JobSpecification, queue: Queue, context: Context) -> int:
    remove_left(context)
    grant = _grant(context)
    if len(grant.gpus) < job.gpus:
        raise MlcError(
            f"Slurm gave {len(grant.gpus)} GPUs instead of {job.gpus}.",
            "Check gres.conf of this node: scontrol show node",
        )
    queue.tell(PULLING)
    image = _image(job, context)
    token = os.urandom(8).hex()
    specification = _specification(job, image, grant, token, context)
    seconds = _kill_wait(context) - _REMOVE_SECONDS if job.is_batch else 0
    output, suspension = None, Suspension(context)
    try:
        made = _create(specification, context)
        output = (
            JobOutput(made, lambda: _has_ended(made, context), context) if job.is_batch else None
        )
        with suspension.heeded():
            context.start(made)
            if output is not None:
                output.start()
            with suspension.pauses(made):
                queue.tell(RUNS)
                status = _until_end(made, specification.name, context)
        if output is not None:
            output.finish()
        return status
    finally:
        # SIGTERM may have come while the engine was creating it: then only the token finds it.
        with defer_signals():
            if output is not None:
                retry_once(lambda: _end(made, max(seconds, 1), context))
                with contextlib.suppress(MlcError):
                    output.finish(_LAST_OUTPUT_SECONDS)
            retry_once(lambda: _remove(f"{labels.REQUEST}={token}", context))


def remove_left(context: Context) -> None:
    """Remove containers whose job's step on this node was killed, whoever's they are."""
    for container in context.engine.containers(labels=(labels.STEP,)):
        step, name = container.labels[labels.STEP], container.labels.get(labels.SERVICE)
        # A container of an image that was saved or committed from a job's inherits the labels.
        if step and name == container.name and not is_alive(step):
            context.report.note(f"Removing {container.name}, left by a job that was killed.")
            context.engine.remove_container(container.id, force=True)


def _grant(context: Context) -> Grant:
    cgroups = Path("/proc/self/cgroup").read_text(encoding="utf-8", errors="replace")
    environ = context.environ
    descriptions = [_text(file) for file in Path("/proc/driver/nvidia/gpus").glob("*/information")]
    place = Path(environ.get("SLURM_CONF", "/etc/slurm/slurm.conf")).parent
    files = gpu_files(_text(place / "gres.conf"), environ.get("SLURMD_NODENAME", ""))
    return grant_of(environ, cgroups, Devices(uuids_by_minor(descriptions), files, tuple(_opens())))


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _opens() -> Iterator[int]:
    """Yield the numbers of the GPUs that this process may open: in a device cgroup, the job's."""
    for file in Path("/dev").glob("nvidia[0-9]*"):
        number = file.name.removeprefix("nvidia")
        with contextlib.suppress(OSError):
            os.close(os.open(file, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK))
            if number.isdigit():
                yield int(number)


def _image(job: JobSpecification, context: Context) -> Image:
    """Return the job's image, pulled by its digest if the node lacks it."""
    reference = job.container.image
    image = context.engine.image(reference)
    if image is None and reference.startswith("sha256:"):
        raise NotFoundError(
            f"The engine of this node has no image {reference[:19]}.",
            "With several nodes, images come from a registry: image-push PROJECT",
        )
    if image is None:
        image = context.pulled(reference)
    if wrong := not_own(image, context.account):
        raise MlcError(f"{reference} was not used: {wrong}.")
    return image


def _specification(
    job: JobSpecification, image: Image, grant: Grant, token: str, context: Context
) -> ContainerSpecification:
    cores = len(os.sched_getaffinity(0))
    found = granted(job.container, grant, cores, context.engine.info().cgroup_driver)
    name = name_of_task(found.name, _job_id(context)) if job.is_batch else found.name
    of_slurm = {
        key: value
        for key, value in context.environ.items()
        if key.startswith(_PASSED) or key == "SLURM_JOB_ID"
    }
    own = {
        labels.NAME: short_name(name),
        labels.SERVICE: name,
        labels.IMAGE_ID: image.id,
        labels.REQUEST: token,
        labels.JOB: _job_id(context),
        labels.STEP: this_process(),
    }
    environment = {**found.environment, NAME_VARIABLE: short_name(name), **of_slurm}
    return replace(found, name=name, environment=environment, labels={**found.labels, **own})


def _job_id(context: Context) -> str:
    """Return the job's ID as squeue shows it: `ARRAY_TASK` for a task of an array."""
    environ = context.environ
    if array := environ.get("SLURM_ARRAY_JOB_ID"):
        return f"{array}_{environ.get('SLURM_ARRAY_TASK_ID', '')}"
    return environ.get("SLURM_JOB_ID", "")


def _create(specification: ContainerSpecification, context: Context) -> str:
    try:
        with defer_signals():
            return context.engine.create_container(specification)
    except ConflictError as error:
        raise MlcError(
            f"This node has a container {specification.name} already.",
            f"Remove it there: mlc remove {short_name(specification.name)}",
        ) from error


def _kill_wait(context: Context) -> int:
    """Return the seconds between SIGTERM and SIGKILL for jobs of this cluster."""
    with contextlib.suppress(MlcError):
        said = call(context, "scontrol", "show", "config")
        if found := re.search(r"^KillWait\s*=\s*(\d+)", said, re.M):
            return int(found[1])
    return _KILL_WAIT


def _end(made: str, seconds: int, context: Context) -> None:
    """Stop the container of a command, which gets SIGTERM first and can save what it has."""
    found = _found(made, context)
    if found is not None and found.is_running:
        with contextlib.suppress(NotFoundError, ConflictError):
            context.engine.stop(made, seconds, hang_up=False)


def _until_end(made: str, name: str, context: Context) -> int:
    """Wait until the container has ended, and return its exit status."""
    saving = Path(saving_of(context.account.home, _job_id(context)))
    while True:
        status = _wait(made, context)
        # container-retire --save stops it, and starts it again unless it is killed.
        with context.lock(name):
            found = _found(made, context)
            if found is None or (not found.is_running and not saving.exists()):
                return status
            if not found.is_running:
                context.report.note(f"Starting {name} again: saving it was interrupted.")
                context.start(made)
            with contextlib.suppress(OSError):
                saving.unlink()


def _wait(made: str, context: Context) -> int:
    """Return the exit status of a container once it does not run; 0 if it was removed."""
    while True:
        try:
            return context.engine.wait(made)
        except NotFoundError:
            return 0
        except EngineError:  # a request may take hours, a job takes days
            await_engine(context)


def _found(made: str, context: Context) -> Container | None:
    own = context.engine.containers(labels=(f"{labels.JOB}={_job_id(context)}",))
    return next((each for each in own if each.id == made), None)


def _has_ended(made: str, context: Context) -> bool:
    found = _found(made, context)
    return found is None or not found.is_running


def _remove(label: str, context: Context) -> None:
    for container in context.engine.containers(labels=(label,)):
        if container.is_running:
            with contextlib.suppress(NotFoundError, ConflictError):
                context.engine.stop(container.id, _STOP_SECONDS)
        with contextlib.suppress(NotFoundError):
            context.engine.remove_container(container.id, force=True)


def _remove_log(job: JobSpecification, context: Context) -> None:
    """Remove the job's files in the home, such as its messages: it ended as it should."""
    home = context.account.home
    with contextlib.suppress(OSError):
        Path(saving_of(home, _job_id(context))).unlink()
    if not job.is_batch:
        with contextlib.suppress(OSError):
            Path(log_of(home, context.environ["SLURM_JOB_ID"])).unlink()
