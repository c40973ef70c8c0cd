"""Where a service's container is: its node, and the Docker context that leads there."""

from __future__ import annotations

from dataclasses import dataclass

from ..context import Context
from ..engine.address import context_names
from ..engine.cluster import NotManagerError, Service
from ..engine.interface import Container
from ..errors import MlcError
from ..names import labels
from ..names.containers import container_tag
from .state import LOST, ServiceState, state_of

CONTEXT_LABEL = "ds01.context"
"""Label of a node: the Docker context that leads to it, if not named like the node."""


@dataclass(frozen=True)
class Found:
    """A service of the caller's, and its state."""

    service: Service
    state: ServiceState


@dataclass(frozen=True)
class Place:
    """A service's container, and a context with the engine of its node."""

    container: Container
    context: Context


def find_service(name: str, context: Context) -> Found | None:
    """Return the caller's service of this name, or None if there is no service or no cluster."""
    wanted = container_tag(name, context.account.uid)
    cluster = context.engine.cluster()
    try:
        services = cluster.services()
    except NotManagerError:
        return None
    for service in services:
        if service.labels.get(labels.SERVICE) == wanted:
            return Found(service, state_of(service, services, cluster.tasks(), cluster.nodes()))
    return None


def place_of(found: Found, context: Context) -> Place:
    """Return where a service's container is, running or not.

    Raises MlcError if it has none yet, its node does not answer, or no context leads there.
    """
    state = found.state
    if not state.container:
        raise MlcError(f"{found.service.name} has no container yet: {state.status}.")
    if state.state == LOST:
        raise MlcError(f"{state.node} does not answer, so {found.service.name} cannot be reached.")
    wanted = (f"{labels.SERVICE}={found.service.labels[labels.SERVICE]}",)
    for way in (context, None):
        there = way or context.at(_docker_context(state.node, context))
        for container in there.engine.containers(labels=wanted):
            if container.id == state.container:
                return Place(container, there)
    raise MlcError(f"The container of {found.service.name} is no longer on {state.node}.")


def _docker_context(hostname: str, context: Context) -> str:
    """Return the name of the Docker context that leads to a node."""
    node = next(each for each in context.engine.cluster().nodes() if each.hostname == hostname)
    name = node.labels.get(CONTEXT_LABEL, hostname)
    if name not in context_names(context.environ):
        raise MlcError(
            f"It is on {hostname}, which you reach through a Docker context named {name}.",
            f"Create it with: docker context create {name} --docker host=ssh://{hostname}",
        )
    return name
