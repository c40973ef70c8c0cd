"""container-deploy --cluster: a service of Docker Swarm, or a job of Slurm, from a pushed image."""

from __future__ import annotations

import socket
from collections.abc import Callable

from ..cluster.choose import scheduler_of, uses_slurm
from ..cluster.interface import Placement, Scheduler, Work
from ..cluster.state import ServiceState
from ..context import Context
from ..engine.cluster import Node
from ..engine.registry import require_registry
from ..errors import AlreadyExistsError, ConflictError, MlcError, NotAllowedError, UsageError
from ..host.account import refuse_root
from ..host.gpus import CPU, NONE, GpuChoice, parse_gpus
from ..images.fetch import fetch, not_own, pushed_reference, site_registry
from ..lean import TYPE_CHECKING, dataclass, replace
from ..names.containers import check_container_name, container_tag, first_free
from ..names.images import parse_reference
from ..names.projects import LATEST, Project, check_project, is_own_project, project_of_repository
from ..plan.container import ANY_GPU_ARCHITECTURE, Plan
from ..plan.directories import Directories, resolve
from ..plan.flow import Flow
from ..plan.limits import (
    cgroup,
    check_gpus,
    check_image,
    resources,
)
from ..plan.request import CUSTOM, GPUS_VARIABLE, CreateRequest, DeployRequest, allowed_name
from ..plan.specify import specify
from ..units import parse_size
from . import site_wrapper

if TYPE_CHECKING:
    from typing import Any

_ONE = "1"


@dataclass(frozen=True)
class OnCluster:
    """What was submitted, what the cluster calls it, and its image. `notes` says how it differs
    from a container on one server."""

    name: str
    service: str
    id: str
    image: str
    gpus: int
    workspace: str
    notes: tuple[str, ...]

    def as_json(self, state: ServiceState) -> dict[str, Any]:
        """Return it for `--json`, with its state."""
        return {**vars(self), **vars(state)}


def deploy_on_cluster(request: DeployRequest, placement: Placement, context: Context) -> OnCluster:
    """Submit a container; the cluster then looks for a node.

    Raises:
        UsageError: the request is invalid on a cluster.
        NotManagerError: there is no Slurm, and the engine does not manage a Swarm.
        AlreadyExistsError: the user has a container of this name on the cluster.
        NotAllowedError: the administrator's settings forbid it.
        MlcError: the image is not in the registry, or not the caller's.
        EngineError: the cluster refused. On any error, nothing is left behind.
    """
    refuse_root(context.account)
    own = _image(request, context)
    scheduler = scheduler_of(context)
    is_taken = scheduler.is_taken()
    nodes = scheduler.nodes()
    check_node(placement, nodes)
    request = _named(request, own, is_taken, scheduler, context)
    work = work_of(request, own, placement, context)
    name = work.name
    notes = (*scheduler.differences(work), *_notes(work.gpus, nodes, context))
    try:
        identity = scheduler.submit(work)
    except ConflictError as error:
        raise _exists(name, own) from error
    return OnCluster(
        name,
        scheduler.called(name),
        identity,
        work.container.image,
        work.gpus,
        work.container.binds[0].source,
        notes,
    )


def work_of(request: DeployRequest, own: str, placement: Placement, context: Context) -> Work:
    """Decide what a request runs; no engine is asked but for the image.

    With Slurm the default workspace is created here, if it is missing.
    """
    plan = _plan(request, own, context)
    if placement.gpu_kind and plan.choice.request is None:
        raise UsageError(
            "--gpu-kind is for GPUs, and none are requested.", "Leave out one of the two."
        )
    pushed = _pushed(own, context)
    digest = parse_reference(pushed).digest or pushed
    container = specify(plan, pushed, digest, Flow.IMAGE, context.account)
    gpus = plan.choice.request.count if plan.choice.request else 0
    return Work(request.name or "", container, gpus, placement)


def check_node(placement: Placement, nodes: list[Node]) -> None:
    """Refuse an unknown node: the service would wait for it forever."""
    there = [node.hostname for node in nodes]
    if placement.node is not None and placement.node not in there:
        others = f". There are: {', '.join(there)}" if there else ": the cluster reports no nodes."
        raise UsageError(f"There is no node {placement.node!r}{others}")


def _notes(gpus: int, nodes: list[Node], context: Context) -> list[str]:
    """Return extra notes: too few GPUs, an unused site wrapper."""
    notes = []
    most = max((node.gpus for node in nodes), default=0)
    if gpus > most:
        notes.append(f"no node has {gpus} GPUs (the most is {most}): it waits until one joins")
    if site_wrapper.path(context.environ, context.account) is not None:
        notes.append(f"{site_wrapper.VARIABLE} is not used: it creates containers on one engine")
    return notes


def _image(request: DeployRequest, context: Context) -> str:
    """Return the name of the requested image, `ds01-UID/PROJECT:TAG`."""
    if request.framework is not None:
        raise UsageError(
            "On the cluster, containers are created from a project's image.",
            "Build one first: "
            f"image-create PROJECT -f {request.framework}, then image-push PROJECT",
        )
    if request.image is None:
        word = request.name if request.project is None else request.project
        if word is None:
            raise UsageError("Which project?", "Use: container-deploy PROJECT --cluster")
        return Project(context.account.uid, check_project(word)).image
    name = parse_reference(request.image)
    if not is_own_project(name, context.account):
        raise UsageError(
            f"{request.image} is not an image of your projects. On the cluster, containers are "
            f"created from pushed images: --image ds01-{context.account.uid}/PROJECT:TAG"
        )
    return f"{name.repository}:{name.tag or LATEST}"


def _named(
    request: DeployRequest,
    own: str,
    is_taken: Callable[[str], bool],
    scheduler: Scheduler,
    context: Context,
) -> DeployRequest:
    project = project_of_repository(parse_reference(own).repository)
    wish = allowed_name(project.name if project else own)
    name, uid = request.name, context.account.uid
    if request.project is None and request.image is None and wish != name:
        name = None  # such as my.project, an invalid container name
    if name is not None:
        check_container_name(name, uid)
        scheduler.called(name)
        if is_taken(name):
            raise _exists(name, own)
        if context.find(name) is not None:  # open and retire would take that one
            raise AlreadyExistsError(
                f"You already have a container {name!r} on {_here(scheduler)} own engine.",
                f"Choose another name: {_another(name, own)}",
            )
        return replace(request, name=name)
    name = first_free(wish, lambda name: is_taken(name) or context.find(name) is not None)
    context.report.note(f"The container is named {name}, after its image.")
    return replace(request, name=name)


def _here(scheduler: Scheduler) -> str:
    return "the manager's" if scheduler.name == "Docker Swarm" else "this host's"


def _plan(request: DeployRequest, own: str, context: Context) -> Plan:
    """Plan a request without looking at this host, which need not be a node."""
    options, account, settings = request.options, context.account, context.settings
    if (options.architecture or settings.architecture or "").upper().startswith("ROCM"):
        raise UsageError(
            "A ROCm GPU is a device node, which containers on the cluster cannot have.",
            "Use the engine of its server instead: container-deploy with --context",
        )
    parent = cgroup(options.cgroup_parent, account, settings)
    if parent and not uses_slurm(context):
        raise NotAllowedError(
            "Containers here get a parent cgroup (container.cgroup_parent, slice_group, or "
            "--cgroup-parent), but Swarm uses the node's: set cgroup-parent in each node's "
            "/etc/docker/daemon.json instead, and remove it here."
        )
    gpus = _gpus(options.gpus, context)
    check_gpus(gpus, False, settings)
    return Plan(
        tag=container_tag(request.name or "", account.uid),
        reference=parse_reference(own),
        is_current=True,
        choice=gpus,
        architecture=gpus.architecture or CPU,
        framework=f"{CUSTOM}-{LATEST}",
        directories=_directories(options, context),
        devices=settings.devices or (),
        missing_devices=(),
        shm_size=parse_size(options.shm_size) if options.shm_size else settings.shm_size,
        cgroup_parent=parent,
        labels={**settings.labels, **options.labels},
        resources=resources(options.cpus, options.memory, options.pids_limit, settings),
        settings=settings,
        is_local=False,
    )


def _directories(options: CreateRequest, context: Context) -> Directories:
    """Return the nodes' directories. With Slurm, homes have the same paths on all hosts, so they
    are looked for here; a host that is not a node may lack one."""
    account = context.account
    paths = (options.workspace, options.data, options.models)
    if not uses_slurm(context):
        return resolve(*paths, account, is_local=False)
    try:
        return resolve(*paths, account)
    except MlcError as error:
        is_relative = any(path and not path.startswith(("/", "~")) for path in paths)
        if is_relative or isinstance(error, UsageError) or _is_only_node(context):
            raise
        said = f"{error.message} On a node that lacks it, too, the container cannot run."
        context.report.warn(f"{said} {error.hint}" if error.hint else said)
        return resolve(*paths, account, is_local=False)


def _is_only_node(context: Context) -> bool:
    """Whether this host is all of the cluster."""
    here = socket.gethostname().partition(".")[0]
    return {each.id.partition(".")[0] for each in scheduler_of(context).nodes()} == {here}


def _gpus(said: str | None, context: Context) -> GpuChoice:
    """Return how many GPUs: as requested, else MLC_GPUS or the setting if a number, else one."""
    default = context.environ.get(GPUS_VARIABLE) or context.settings.default_gpus
    words = said if said is not None else default
    if said is None and words != NONE and not words.isdigit():
        words = _ONE
    request = parse_gpus(words)
    if request is None:
        return GpuChoice(CPU, NONE, None)
    if request.count < 1:
        raise UsageError(
            f"-g {words}: on the cluster give the number of GPUs, for instance -g 1. It chooses "
            "which ones; --gpu-kind restricts the kind."
        )
    return GpuChoice(ANY_GPU_ARCHITECTURE, str(request.count), request)


def _pushed(own: str, context: Context) -> str:
    """Return the image's name by digest in the registry, after checking the image.

    With Slurm and without a registry, it is the ID of an image of this host's engine: where one
    server is the whole cluster, its node has the image.
    """
    pushed = pushed_reference(own, context)
    project = own.partition("/")[2].removesuffix(f":{LATEST}")
    image = context.engine.image(own)
    if pushed is None and image and uses_slurm(context) and site_registry(context) is None:
        pushed = image.id
    if pushed is None:
        registry = require_registry(site_registry(context))
        if image:
            raise MlcError(
                f"The registry {registry} has no {own}.", f"Push it with: image-push {project}"
            )
        raise MlcError(
            f"Neither the registry {registry} nor this engine has an image {own}.",
            "See the images on this engine with: image-list"
            if ":" in project
            else f"Build it with image-create {project}, then push it with: image-push {project}",
        )
    if image is None and context.settings.bases != ("*",):
        image = fetch(own, pushed, context)  # its labels name its base
    if image is not None:
        check_image(parse_reference(own), image.labels, context.account, context.settings)
        if wrong := not_own(image, context.account):
            raise MlcError(f"{own}: {wrong}.")
    return pushed


def _exists(name: str, own: str) -> AlreadyExistsError:
    return AlreadyExistsError(
        f"You already have {name!r} on the cluster.",
        f"See it with container-list, or create another: {_another(name, own)}",
    )


def _another(name: str, own: str) -> str:
    """Return the command for a container of another name from the same image."""
    image = parse_reference(own)
    project = project_of_repository(image.repository)
    source = f"--project {project.name}" if project and image.tag == LATEST else f"--image {own}"
    return f"container-deploy {name}-2 {source} --cluster"
