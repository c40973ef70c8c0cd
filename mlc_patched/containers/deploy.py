"""container-deploy and container-create: a container from a project's image, or another one."""

from __future__ import annotations

import contextlib

from ..context import Context
from ..engine.interface import Container
from ..errors import GpuTakenError, MlcError
from ..lean import dataclass, replace
from ..names import labels
from ..names.containers import short_name
from ..names.projects import is_own_project
from ..plan.assign import names_of_devices
from ..plan.flow import Flow, decide
from ..plan.limits import check_image
from ..plan.request import CreateRequest
from ..settings.model import ENGINE
from ..undo import Undo
from . import site_wrapper
from .create import create, rebuild_command
from .existing import keep_or
from .remove import remove
from .start import ensure_running

_TRIES = 3


@dataclass(frozen=True)
class Deployed:
    """A new container, or with `existed` one that was kept: its image, its mounts, and whether it
    runs. None is what was not given; `flow` is `image` or `commit`, None if the site's wrapper
    created it without our labels. `devices` has the UUIDs of GPUs that were chosen for it, else the
    IDs that its request means, or `all`."""

    name: str
    tag: str
    image: str
    flow: str | None
    state: str
    workspace: str | None
    data: str | None
    models: str | None
    gpus: str | None
    project: str | None = None
    devices: tuple[str, ...] = ()
    existed: bool = False


@dataclass(frozen=True)
class Preview:
    """What a request would do. `flow` is `image` or `commit`, with `pull and` before it if the
    image is not here; `wrapper` is the command line of the site's wrapper, if one is set."""

    name: str
    tag: str
    image: str
    flow: str
    workspace: str
    data: str | None
    models: str | None
    gpus: str
    architecture: str
    devices: tuple[str, ...]
    privileged: bool
    network: str
    shm_size: int | None
    nano_cpus: int | None
    memory: int | None
    pids_limit: int | None
    cgroup_parent: str | None
    notes: tuple[str, ...]
    wrapper: tuple[str, ...]


def deploy_or_keep(request: CreateRequest, context: Context, *, start: bool) -> Deployed:
    """Deploy, unless there is a container that has everything the request names; with `start` that
    is started, too. Raises AlreadyExistsError, which says how it differs, and else as `deploy`."""

    def kept(container: Container) -> Deployed:
        if start:
            ensure_running(container, context)
        found = _deployed(container, container.image, is_running=start or container.is_running)
        return replace(found, existed=True)

    return keep_or(lambda: deploy(request, context, start=start), kept, request, context)


def deploy(request: CreateRequest, context: Context, *, start: bool) -> Deployed:
    """Create a container, and start it if `start` is set; on any error it is removed again.

    If DS01_MLC_WRAPPER names the site's own wrapper, that creates it. If another container takes
    the GPUs that were chosen before it is started, others are chosen. Raises MlcError as `create`,
    or if it could not be started.
    """
    for _ in range(_TRIES - 1):
        try:
            return _deploy(request, context, start=start)
        except GpuTakenError as error:
            context.report.note(f"{error.message} Choosing again.")
    return _deploy(request, context, start=start)


def _deploy(request: CreateRequest, context: Context, *, start: bool) -> Deployed:
    wrapper = site_wrapper.path(context.environ, context.account)
    image = request.image
    # To the end, so that a failure does not remove what the wrapper made for another command.
    lock = f"{request.name}, by the site's wrapper"
    alone = context.lock(lock) if wrapper else contextlib.nullcontext()
    with alone, Undo(context.report) as undo:
        if wrapper is None:
            made = create(request, context)
            image = image or made.image
            undo.add(f"The container {made.tag}", lambda: _roll_back(made.id, request, context))
        else:
            context.refuse_existing(request.name)
            undo.add(f"The container {request.name}", lambda: _roll_back(None, request, context))
            site_wrapper.create(wrapper, request, context.client_environ, context.report)
        container = context.find(request.name)
        if container is None:
            by = f" by {wrapper}" if wrapper else ""
            raise MlcError(f"The container {request.name} was created{by}, but is missing.")
        if start:
            ensure_running(container, context)
    return _deployed(container, image or container.image, is_running=start)


def preview(request: CreateRequest, context: Context) -> Preview:
    """Return what `deploy` would do, without doing it; errors as far as known in advance."""
    plan = context.plan(request, is_dry_run=True)
    context.refuse_existing(request.name)
    image = context.engine.image(plan.image)
    # An own image that is not here comes from the registry, and has the account in it.
    own = is_own_project(plan.reference, context.account)
    flow = f"pull and {(Flow.IMAGE if own else Flow.COMMIT).value}"
    notes = plan.notes()
    if plan.waits_for_gpus and plan.choice.request and context.settings.assign_gpus == ENGINE:
        from .assign import NO_WAIT

        notes.append(NO_WAIT)
    if image is not None:
        check_image(plan.reference, image.labels, context.account, context.settings)
        decision = decide(plan.reference, image.labels, context.account, rebuild_command)
        flow = decision.flow.value
        notes += [decision.warning] if decision.warning else []
    wrapper = site_wrapper.path(context.environ, context.account)
    return Preview(
        name=request.name,
        tag=plan.tag,
        image=plan.image,
        flow=flow,
        workspace=plan.directories.workspace,
        data=plan.directories.data,
        models=plan.directories.models,
        gpus=plan.choice.gpus,
        architecture=plan.architecture,
        devices=plan.devices,
        privileged=plan.settings.privileged,
        network=plan.settings.network,
        shm_size=plan.shm_size,
        nano_cpus=plan.resources.nano_cpus,
        memory=plan.resources.memory,
        pids_limit=plan.resources.pids,
        cgroup_parent=plan.cgroup_parent,
        notes=tuple(notes),
        wrapper=tuple(site_wrapper.command(wrapper, request)) if wrapper else (),
    )


def _roll_back(identity: str | None, request: CreateRequest, context: Context) -> None:
    """Remove the container that was just created, unless another has its name by now."""
    container = context.find(request.name)
    if container is None or identity not in (None, container.id):
        return
    if container.is_running:
        context.engine.stop(container.id)
    remove(request.name, context=context)


def _deployed(container: Container, image: str, *, is_running: bool) -> Deployed:
    def label(name: str) -> str | None:
        return labels.given(container.labels, name)

    return Deployed(
        name=short_name(container.name),
        tag=container.name,
        image=image,
        flow=label(labels.USER_SETUP),
        state="running" if is_running else container.state,
        workspace=label(labels.WORKSPACE),
        data=label(labels.DATA),
        models=label(labels.MODELS),
        gpus=label(labels.GPUS),
        project=label(labels.PROJECT),
        devices=names_of_devices(container.labels),
    )
