"""container-list, as far as a cluster is concerned: the caller's services, node and queue."""

from __future__ import annotations

from ..cluster.state import ServiceState, state_of
from ..context import Context
from ..engine.cluster import NotManagerError, Service
from ..host.gpus import NONE
from ..names import labels
from ..names.containers import short_name
from ..names.images import parse_reference
from .inventory import ListedContainer

_DIGEST_SHOWN = len("sha256:") + 12


def list_services(context: Context, *, all_users: bool = False) -> list[ListedContainer]:
    """Return services as containers; none where the engine manages no Swarm: one call then,
    else three, however many there are.

    Args:
        context: who calls, and the engine.
        all_users: those of every user, not the caller's alone.

    Raises:
        EngineError: the engine did not answer.
    """
    cluster = context.engine.cluster()
    try:
        services = cluster.services()  # all: they wait for the same GPUs
    except NotManagerError:
        return []
    own = [each for each in services if labels.SERVICE in each.labels]
    if not all_users:
        own = [each for each in own if each.labels.get(labels.OWNER) == context.account.login]
    if not own:
        return []
    tasks, nodes = cluster.tasks(), cluster.nodes()
    return [_listed(each, state_of(each, services, tasks, nodes)) for each in own]


def _listed(service: Service, state: ServiceState) -> ListedContainer:
    def label(name: str) -> str:
        return service.labels.get(name) or labels.NOT_GIVEN

    tag = label(labels.SERVICE)
    return ListedContainer(
        name=short_name(tag),
        tag=tag,
        user=label(labels.OWNER),
        project=label(labels.PROJECT),
        image=_shown(service.image),
        is_outdated=False,
        status=state.status,
        state=state.state,
        gpus=str(service.gpus) if service.gpus else NONE,
        created=f"{service.created[:19]}Z",
        workspace=label(labels.WORKSPACE),
        data=label(labels.DATA),
        models=label(labels.MODELS),
        architecture=label(labels.ARCHITECTURE),
        id=service.id,
        image_id=parse_reference(service.image).digest or "",
        size=None,
        node=state.node or labels.NOT_GIVEN,
        ahead=state.ahead,
    )


def _shown(image: str) -> str:
    """Return an image's name by digest as people can read it, without the registry."""
    name = parse_reference(image)
    return f"{name.repository.partition('/')[2]}@{(name.digest or '')[:_DIGEST_SHOWN]}"
