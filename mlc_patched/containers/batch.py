"""mlc run: a command in a container of its own, as a job of Slurm, or here without Slurm."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from ..cluster.interface import Placement
from ..context import Context
from ..engine.client import fitting_client
from ..errors import AlreadyExistsError, MlcError, NotFoundError, UsageError
from ..host.account import refuse_root
from ..interrupts import defer_signals
from ..lean import dataclass, replace
from ..names.containers import first_free
from ..names.projects import LATEST, image_of
from ..plan.request import CreateRequest, DeployRequest, allowed_name
from ..undo import retry_once
from .deploy import Deployed, deploy
from .remove import remove
from .shell import PURPOSE, run_inside, user_of
from .source import resolve
from .start import words_of

_TRIES = 100
"""As many commands started at the same time each get a name."""


@dataclass(frozen=True)
class Submitted:
    """A job with a command: its ID, the file with its output on its node, and its name in lists.
    For an array, ID in the file's name is `ARRAY_TASK`."""

    name: str
    id: str
    output: str
    image: str
    gpus: int
    is_array: bool
    notes: tuple[str, ...]


def submit(
    project: str,
    command: Sequence[str],
    options: CreateRequest,
    placement: Placement,
    array: str | None,
    context: Context,
) -> Submitted:
    """Submit a command to Slurm; raises MlcError as `deploy_cluster.deploy_on_cluster`."""
    from ..cluster.slurm.scheduler import SlurmScheduler, output_of
    from .deploy_cluster import check_node, work_of

    words = words_of(command)
    refuse_root(context.account)
    own, name = _image_and_name(project, context)
    scheduler = SlurmScheduler(context)
    check_node(placement, scheduler.nodes() if placement.node else [])
    request = DeployRequest(name=name, image=own, options=options)
    work = replace(work_of(request, own, placement, context), command=words, array=array)
    number = scheduler.submit(work)
    before, _, after = output_of(work).rpartition("ID")
    task = f"{number}_TASK" if array else number
    return Submitted(
        f"{name}-{number}",
        number,
        f"{before}{task}{after}",
        work.container.image,
        work.gpus,
        array is not None,
        tuple(scheduler.differences(work)),
    )


def run_here(
    project: str,
    command: Sequence[str],
    options: CreateRequest,
    placement: Placement,
    array: str | None,
    context: Context,
) -> int:
    """Run a command in a new container of this host's engine, on the caller's terminal if there is
    one; remove the container, and return the command's exit status, also if the removal failed."""
    others = {"--array": array, "--node": placement.node, "--gpu-kind": placement.gpu_kind}
    if flags := [*placement.only_slurm, *(flag for flag, value in others.items() if value)]:
        raise UsageError(f"{', '.join(flags)}: only with Slurm, which is not set up here.")
    words = words_of(command)
    fitting_client(context.client_environ, PURPOSE, context.engine)
    own, name = _image_and_name(project, context)
    made = _deploy(DeployRequest(image=own, options=options), name, context)
    try:
        return run_inside(made.tag, words, user_of(context), context.client_environ)
    finally:
        with defer_signals():
            _remove_or_warn(made.name, context)


def _deploy(request: DeployRequest, name: str, context: Context) -> Deployed:
    """Create and start a container called `NAME`, `NAME-2`, … - the first that nobody has, as
    another command may take one between the look and the creation."""
    taken: set[str] = set()
    while True:
        free = first_free(name, lambda each: each in taken or context.find(each) is not None)
        try:
            return deploy(resolve(replace(request, name=free), context), context, start=True)
        except AlreadyExistsError:
            taken.add(free)
            if len(taken) == _TRIES:
                raise


def _image_and_name(project: str, context: Context) -> tuple[str, str]:
    """Return the image of `PROJECT` or `PROJECT:TAG`, and what its containers are called."""
    found, tag = image_of(project, context.account)
    return f"{found.repository}:{tag or LATEST}", f"{allowed_name(found.name)}-run"


def _remove_or_warn(name: str, context: Context) -> None:
    try:
        retry_once(lambda: _remove(name, context))
    except MlcError as error:
        context.report.warn(f"{name} was not removed: {error} - remove it with: mlc remove {name}")


def _remove(name: str, context: Context) -> None:
    container = context.find(name)
    if container is None:
        return
    with contextlib.suppress(NotFoundError):
        if container.is_running:
            context.engine.stop(container.id)
        remove(name, context=context)
