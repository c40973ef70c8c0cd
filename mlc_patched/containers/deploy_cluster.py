"""container-deploy --cluster: a service of Docker Swarm from the project's pushed image."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any

from ..cluster.service import differences, service_name, service_of
from ..cluster.state import ServiceState
from ..context import Context
from ..engine.cluster import Node
from ..engine.registry import require_registry
from ..engine.service import ServiceSpecification
from ..errors import AlreadyExistsError, ConflictError, MlcError, NotAllowedError, UsageError
from ..host.account import refuse_root
from ..host.gpus import CPU, NONE, GpuChoice, parse_gpus
from ..images.fetch import fetch, not_own, pushed_reference, site_registry
from ..interrupts import defer_signals
from ..names import labels
from ..names.containers import check_container_name, container_tag, first_free
from ..names.images import parse_reference
from ..names.projects import LATEST, Project, check_project, is_own_project, project_of_repository
from ..plan.container import ANY_GPU_ARCHITECTURE, Plan
from ..plan.directories import resolve
from ..plan.flow import Flow
from ..plan.limits import (
    cgroup,
    check_gpus,
    check_image,
    resources,
)
from ..plan.request import CUSTOM, GPUS_VARIABLE, DeployRequest, allowed_name
from ..plan.specify import specify
from ..undo import Undo
from ..units import parse_size
from . import site_wrapper

_ONE = "1"


@dataclass(frozen=True)
class Placement:
    """Which nodes will do: one by its host name, or those with a kind of GPU; None is any."""

    node: str | None = None
    gpu_kind: str | None = None


@dataclass(frozen=True)
class OnCluster:
    """A service that was made, from which image. `notes` are what it has otherwise than a
    container on one server."""

    name: str
    service: str
    id: str
    image: str
    gpus: int
    workspace: str
    notes: tuple[str, ...]

    def as_json(self, state: ServiceState) -> dict[str, Any]:
        """Return it for `--json`, with what has become of it."""
        return {**vars(self), **vars(state)}


def deploy_on_cluster(request: DeployRequest, placement: Placement, context: Context) -> OnCluster:
    """Make a service; Swarm looks for a node from then on.

    Raises:
        UsageError: the request cannot be meant for a cluster.
        NotManagerError: the engine is no manager of a Swarm.
        AlreadyExistsError: the user has a container of this name on the cluster.
        NotAllowedError: the administrator's settings do not allow it.
        MlcError: the image is not in the registry, or is not the caller's.
        EngineError: Swarm refused. Nothing is left in any case.
    """
    refuse_root(context.account)
    own = _image(request, context)
    taken = {service.name for service in context.engine.cluster().services()}
    nodes = context.engine.cluster().nodes()
    _check_node(placement, nodes)
    request = _named(request, own, taken, context)
    plan = _plan(request, own, context)
    pushed = _pushed(own, context)
    container = specify(
        plan, pushed, parse_reference(pushed).digest or "", Flow.IMAGE, context.account
    )
    service = service_of(
        container,
        service_name(request.name or "", context.account.uid),
        gpus=_count(plan.choice),
        capabilities=context.settings.capabilities,
        node=placement.node,
        gpu_kind=placement.gpu_kind,
    )
    try:
        identity = _create(service, context)
    except ConflictError as error:
        raise _exists(request.name or "") from error
    return OnCluster(
        request.name or "",
        service.name,
        identity,
        pushed,
        service.gpus,
        plan.directories.workspace,
        (*differences(container, service), *_notes(service.gpus, nodes, context)),
    )


def _create(service: ServiceSpecification, context: Context) -> str:
    """Make a service; taken back, it removes this very one and none of the same name."""
    cluster, word = context.engine.cluster(), os.urandom(8).hex()
    marked = replace(service, labels={**service.labels, labels.REQUEST: word})

    def remove() -> None:
        for each in cluster.services(labels=(f"{labels.REQUEST}={word}",)):
            cluster.remove_service(each.id)

    with Undo(context.report) as undo:
        undo.add(f"The service {service.name}", remove)
        # Interrupted before the answer, it would take back what Swarm has yet to make.
        with defer_signals():
            return cluster.create_service(marked)


def _check_node(placement: Placement, nodes: list[Node]) -> None:
    """Refuse the name of a node that there is not: it would be waited for in vain."""
    there = [node.hostname for node in nodes]
    if placement.node is not None and placement.node not in there:
        raise UsageError(f"There is no node {placement.node!r}. There are: {', '.join(there)}")


def _notes(gpus: int, nodes: list[Node], context: Context) -> list[str]:
    """Return what the user should know besides what a service has otherwise."""
    notes = []
    most = max((node.gpus for node in nodes), default=0)
    if gpus > most:
        notes.append(f"no node has {gpus} GPUs, the most is {most}: it waits until one joins")
    if site_wrapper.path(context.environ) is not None:
        notes.append(f"{site_wrapper.VARIABLE} is not asked: it makes containers of one engine")
    return notes


def _image(request: DeployRequest, context: Context) -> str:
    """Return the name of the image that is meant, `ds01-UID/PROJECT:TAG`."""
    if request.framework is not None:
        raise UsageError(
            "On the cluster a container is made from a project's image. Make one first: "
            f"image-create PROJECT -f {request.framework}, then image-push PROJECT"
        )
    if request.image is None:
        word = request.name if request.project is None else request.project
        if word is None:
            raise UsageError("Which project? Say: container-deploy PROJECT --cluster")
        return Project(context.account.uid, check_project(word)).image
    name = parse_reference(request.image)
    if not is_own_project(name, context.account):
        raise UsageError(
            f"{request.image} is none of your projects' images. On the cluster a container is made "
            f"from one that was pushed: --image ds01-{context.account.uid}/PROJECT:TAG"
        )
    return f"{name.repository}:{name.tag or LATEST}"


def _named(request: DeployRequest, own: str, taken: set[str], context: Context) -> DeployRequest:
    project = project_of_repository(parse_reference(own).repository)
    wish = allowed_name(project.name if project else own)
    name, uid = request.name, context.account.uid
    if request.project is None and request.image is None and wish != name:
        name = None  # my.project: no name for a container
    if name is not None:
        check_container_name(name, uid)
        if service_name(name, uid) in taken:
            raise _exists(name)
        if context.find(name) is not None:  # open and retire would mean that one
            raise AlreadyExistsError(
                f"You have a container {name!r} on the manager's own engine already. Choose "
                f"another name: container-deploy {name}-2 --project {wish} --cluster"
            )
        return replace(request, name=name)
    name = first_free(
        wish, lambda name: service_name(name, uid) in taken or context.find(name) is not None
    )
    context.report.note(f"The container is called {name}, after what it is made from.")
    return replace(request, name=name)


def _plan(request: DeployRequest, own: str, context: Context) -> Plan:
    """Decide about a request what needs no look at this host, which is none of the nodes."""
    options, account, settings = request.options, context.account, context.settings
    if (options.architecture or settings.architecture or "").upper().startswith("ROCM"):
        raise UsageError(
            "A ROCm GPU is a device node, which a service of Swarm cannot have. Use its server's "
            "own engine: container-deploy with --context"
        )
    if cgroup(options.cgroup_parent, account, settings):
        raise NotAllowedError(
            "Containers here belong under a cgroup (container.cgroup_parent, slice_group, or "
            "--cgroup-parent), and Swarm puts a service under its node's: set cgroup-parent in "
            "each node's /etc/docker/daemon.json instead, and leave it out here."
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
        directories=resolve(
            options.workspace, options.data, options.models, account, is_local=False
        ),
        devices=settings.devices or (),
        missing_devices=(),
        shm_size=parse_size(options.shm_size) if options.shm_size else settings.shm_size,
        cgroup_parent=None,
        labels={**settings.labels, **options.labels},
        resources=resources(options.cpus, options.memory, options.pids_limit, settings),
        settings=settings,
        is_local=False,
    )


def _gpus(said: str | None, context: Context) -> GpuChoice:
    """Return how many GPUs: what was said, else MLC_GPUS or the setting if a number, else one."""
    default = context.environ.get(GPUS_VARIABLE) or context.settings.default_gpus
    words = said if said is not None else default
    if said is None and words != NONE and not words.isdigit():
        words = _ONE
    request = parse_gpus(words)
    if request is None:
        return GpuChoice(CPU, NONE, None)
    if request.count < 1:
        raise UsageError(
            f"-g {words}: on the cluster say how many GPUs, for instance -g 1. Which ones is "
            "Swarm's to choose; --gpu-kind names a kind."
        )
    return GpuChoice(ANY_GPU_ARCHITECTURE, str(request.count), request)


def _count(choice: GpuChoice) -> int:
    return choice.request.count if choice.request else 0


def _pushed(own: str, context: Context) -> str:
    """Return the image's name by digest in the registry, after all that is known was checked."""
    pushed = pushed_reference(own, context)
    project = own.partition("/")[2].removesuffix(f":{LATEST}")
    image = context.engine.image(own)
    if pushed is None:
        registry = require_registry(site_registry(context))
        there = f"image-push {project}" if image else f"image-create {project}"
        raise MlcError(f"The registry {registry} has no {own}. Bring it there: {there}")
    if image is None and context.settings.bases != ("*",):
        image = fetch(own, pushed, context)  # what it was built on is in its labels
    if image is not None:
        check_image(parse_reference(own), image.labels, context.account, context.settings)
        if wrong := not_own(image, context.account):
            raise MlcError(f"{own}: {wrong}.")
    return pushed


def _exists(name: str) -> AlreadyExistsError:
    return AlreadyExistsError(
        f"You have {name!r} on the cluster already. See it with container-list, or make another: "
        f"container-deploy {name}-2 --project {name} --cluster"
    )
