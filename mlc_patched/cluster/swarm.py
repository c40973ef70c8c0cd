"""Docker Swarm behind the interface: a container is a service."""

from __future__ import annotations

import os
from collections.abc import Callable

from ..context import Context
from ..engine.address import context_names
from ..engine.cluster import Node, Service
from ..engine.service import ServiceSpecification
from ..errors import MlcError, UsageError
from ..interrupts import defer_signals
from ..lean import replace
from ..names import labels
from ..names.containers import short_name
from ..undo import Undo
from .interface import Found, Place, Work
from .service import differences, service_name, service_of
from .state import LOST, state_of

CONTEXT_LABEL = "ds01.context"
"""Label of a node: the Docker context that leads to it, if not named like the node."""


class SwarmScheduler:
    """The Swarm that the context's engine manages."""

    name = "Docker Swarm"

    def __init__(self, context: Context) -> None:
        self._context = context

    def called(self, name: str) -> str:
        return service_name(name, self._context.account.uid)

    def is_taken(self) -> Callable[[str], bool]:
        taken = {service.name for service in self._context.engine.cluster().services()}
        return lambda name: self.called(name) in taken

    def differences(self, work: Work) -> list[str]:
        return differences(work.container, self._service(work))

    def submit(self, work: Work) -> str:
        if flags := work.placement.only_slurm:
            raise UsageError(
                f"{', '.join(flags)}: only Slurm has that, and this cluster is Docker Swarm."
            )
        return self._create(self._service(work))

    def entries(self, is_wanted: Callable[[Service], bool]) -> list[Found]:
        cluster = self._context.engine.cluster()
        services = cluster.services()  # all: they wait for the same GPUs
        wanted = [each for each in services if labels.SERVICE in each.labels and is_wanted(each)]
        if not wanted:
            return []
        tasks, nodes = cluster.tasks(), cluster.nodes()
        return [Found(each, state_of(each, services, tasks, nodes)) for each in wanted]

    def where(self, found: Found) -> Place:
        state = found.state
        if state.state == LOST:
            name = short_name(found.service.labels[labels.SERVICE])
            raise MlcError(
                f"{found.service.name} cannot be reached: {state.sentence}",
                f"If the node does not come back, remove it with: container-retire {name}",
            )
        if not state.container:
            raise MlcError(f"{found.service.name} has no container yet: {state.sentence}")
        context = self._context
        wanted = (f"{labels.SERVICE}={found.service.labels[labels.SERVICE]}",)
        for way in (context, None):
            there = way or context.at(_docker_context(state.node, context))
            for container in there.engine.containers(labels=wanted):
                if container.id == state.container:
                    return Place(container, there)
        raise MlcError(f"The container of {found.service.name} is no longer on {state.node}.")

    def cancel(self, identity: str) -> None:
        self._context.engine.cluster().remove_service(identity)

    def forget(self, identity: str) -> None:
        """Nothing is left of a service that was cancelled."""

    def nodes(self) -> list[Node]:
        return self._context.engine.cluster().nodes()

    def _service(self, work: Work) -> ServiceSpecification:
        return service_of(
            work.container,
            self.called(work.name),
            gpus=work.gpus,
            capabilities=self._context.settings.capabilities,
            node=work.placement.node,
            gpu_kind=work.placement.gpu_kind,
        )

    def _create(self, service: ServiceSpecification) -> str:
        """Create a service. Undo removes exactly this one, not another of the same name."""
        cluster, token = self._context.engine.cluster(), os.urandom(8).hex()
        marked = replace(service, labels={**service.labels, labels.REQUEST: token})

        def remove() -> None:
            for each in cluster.services(labels=(f"{labels.REQUEST}={token}",)):
                cluster.remove_service(each.id)

        with Undo(self._context.report) as undo:
            undo.add(f"The service {service.name}", remove)
            # If interrupted before Swarm answers, undo would find no service to remove.
            with defer_signals():
                return cluster.create_service(marked)


def _docker_context(hostname: str, context: Context) -> str:
    """Return the name of the Docker context that leads to a node."""
    nodes = context.engine.cluster().nodes()
    node = next((each for each in nodes if each.hostname == hostname), None)
    if node is None:
        raise MlcError(f"{hostname} is no longer in the Swarm.", "See: container-list")
    name = node.labels.get(CONTEXT_LABEL, hostname)
    if name not in context_names(context.environ):
        raise MlcError(
            f"It is on {hostname}, which you reach through a Docker context named {name}.",
            f"Create it with: docker context create {name} --docker host=ssh://{hostname}",
        )
    return name
