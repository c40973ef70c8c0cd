"""A container that exists already, in place of a new one (`--exist-ok`): whether it is what was
asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..context import Context
from ..engine.interface import Container
from ..errors import AlreadyExistsError
from ..lean import TYPE_CHECKING
from ..names import labels
from ..names.containers import short_name
from ..names.images import account_image, is_committed_for, parse_reference
from ..names.projects import LATEST
from ..plan.container import Plan
from ..plan.flow import Flow
from ..plan.request import CreateRequest
from .create import Created, create

if TYPE_CHECKING:
    from typing import TypeVar

    _T = TypeVar("_T")


def create_or_keep(request: CreateRequest, context: Context) -> Created:
    """Create a container, unless there is one that has everything the request names.

    Raises AlreadyExistsError, which says how it differs, and else as `create`.
    """

    def kept(container: Container) -> Created:
        flow = container.labels.get(labels.USER_SETUP)
        return Created(
            name=short_name(container.name),
            tag=container.name,
            id=container.id,
            image=container.image,
            image_id=container.image_id,
            flow=Flow(flow) if flow in [each.value for each in Flow] else None,
            existed=True,
        )

    return keep_or(lambda: create(request, context), kept, request, context)


def keep_or(
    make: Callable[[], _T],
    keep: Callable[[Container], _T],
    request: CreateRequest,
    context: Context,
) -> _T:
    """Call `keep` with the container of a request's name if it fits, or else `make`."""
    container = fitting(request, context)
    if container is None:
        try:
            return make()
        except AlreadyExistsError:  # another command has just made it
            container = fitting(request, context)
            if container is None:
                raise
    return keep(container)


def fitting(request: CreateRequest, context: Context) -> Container | None:
    """Return the user's container of a request's name, or None.

    Raises AlreadyExistsError if what the request names differs. What it leaves out may be anything.
    """
    container = context.find(request.name)
    if container is None:
        return None
    plan = context.plan(request, is_dry_run=True)
    if differences := list(_differences(container, plan, request, context)):
        raise AlreadyExistsError(
            f"You have a container {request.name!r} already, and it is different: "
            f"{'; '.join(differences)}.",
            f"Choose another name, or remove it first with: mlc remove {request.name}",
        )
    limits = ("shm_size", "cgroup_parent", "cpus", "memory", "pids_limit")
    if any(getattr(request, each) is not None for each in limits):
        context.report.warn(f"{request.name} was kept; its limits were not compared.")
    return container


def _differences(
    container: Container, plan: Plan, request: CreateRequest, context: Context
) -> Iterator[str]:
    """Yield how a container differs from what a request names."""
    if not _has_image(container, plan, context):
        yield f"its image is {container.image}, not {plan.image}"
    directories = plan.directories
    for what, label, named, wanted in (
        ("framework", labels.FRAMEWORK, request.image is None, plan.framework),
        ("architecture", labels.ARCHITECTURE, request.architecture, plan.architecture),
        ("GPU request", labels.GPUS, request.gpus, plan.choice.gpus),
        ("workspace", labels.WORKSPACE, request.workspace, directories.workspace),
        ("data directory", labels.DATA, request.data, directories.data),
        ("models directory", labels.MODELS, request.models, directories.models),
    ):
        found = labels.given(container.labels, label)
        if named and found != wanted:
            yield f"its {what} is {found or 'not set'}, not {wanted or 'unset'}"
    for label, wanted in request.labels.items():
        if container.labels.get(label) != wanted:
            yield f"its label {label} is {container.labels.get(label, 'not set')}, not {wanted}"


def _has_image(container: Container, plan: Plan, context: Context) -> bool:
    """Whether a container was created from a plan's image, now or before its last update."""
    wanted = plan.reference
    name = f"{wanted.repository}:{wanted.tag or LATEST}"
    image = context.engine.image(plan.image)
    accounts = []
    if image is not None:
        accounts.append(":".join(account_image(image.id, context.account.uid)))
        if container.image_id == image.id:
            return True
    found = parse_reference(container.image)
    is_committed = is_committed_for(container.image, container.name)
    return (
        f"{found.repository}:{found.tag or LATEST}" in (name, *accounts)
        or (is_committed and found.repository == wanted.repository)
        or (
            f"ds01-{context.account.uid}/{container.labels.get(labels.PROJECT)}"
            == wanted.repository
            and wanted.tag in (None, LATEST)
        )
    )
