"""The interface to a cluster (Docker Swarm) and its data types.

Swarm alone decides what runs where and when. `swarm` implements the interface on a real engine,
tests/support/fakes in memory, and one contract suite checks both.
"""

from __future__ import annotations

import abc
from collections.abc import Iterable, Mapping

from ..errors import EngineError
from ..lean import TYPE_CHECKING, dataclass, field

if TYPE_CHECKING:
    from .service import ServiceSpecification


class NotManagerError(EngineError):
    """The engine is not a Swarm manager."""


@dataclass(frozen=True)
class Node:
    """An engine in the Swarm.

    `state` is `ready`, `down`, `unknown` or `disconnected`; `availability` is `active`, `pause`
    or `drain`; `gpus` is how many GPUs it advertises.
    """

    id: str
    hostname: str
    state: str
    availability: str = "active"
    labels: Mapping[str, str] = field(default_factory=dict)
    gpus: int = 0

    @property
    def answers(self) -> bool:
        """Whether the managers can reach it."""
        return self.state == "ready"


@dataclass(frozen=True)
class Task:
    """A service's container, from waiting for a node to the end.

    `state` and `desired` are Swarm's task states; `message` is the reason if something is wrong;
    `node` and `container` are ids, empty until it is placed.
    """

    id: str
    service: str
    state: str
    desired: str = "running"
    message: str = ""
    node: str = ""
    container: str = ""
    created: str = ""


@dataclass(frozen=True)
class Service:
    """A service in the Swarm. `gpus` is how many it reserves; `created` is RFC 3339."""

    id: str
    name: str
    image: str
    labels: Mapping[str, str]
    gpus: int = 0
    created: str = ""


class Cluster(abc.ABC):
    """Operations on a Swarm. Every method may raise EngineError, and NotManagerError if the engine
    is not a manager."""

    @abc.abstractmethod
    def nodes(self) -> list[Node]:
        """Return all nodes, sorted by host name."""

    @abc.abstractmethod
    def services(self, *, labels: Iterable[str] = ()) -> list[Service]:
        """Return services, oldest first: those with all of the labels, each `KEY` or
        `KEY=VALUE`."""

    @abc.abstractmethod
    def tasks(self) -> list[Task]:
        """Return the tasks of all services, newest first."""

    @abc.abstractmethod
    def create_service(self, specification: ServiceSpecification) -> str:
        """Create a service and return its id; Swarm then looks for a node.

        The login for the image's registry is sent along so that the node can pull it. Raises
        ConflictError if the name is in use.
        """

    @abc.abstractmethod
    def remove_service(self, service: str) -> None:
        """Remove a service and its container; a missing one is not an error."""
