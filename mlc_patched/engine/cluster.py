"""A cluster, Docker Swarm's, as this program needs it: an interface, and what goes over it.

Swarm decides what runs where and when; nothing here does. `engine_swarm` implements it on the
real engine, the tests' fake in memory, and one contract suite holds both to the same.
"""

from __future__ import annotations

import abc
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..errors import EngineError

if TYPE_CHECKING:
    from .service import ServiceSpecification


class NotManagerError(EngineError):
    """The engine is no manager of a Swarm, so it cannot be asked about one."""


@dataclass(frozen=True)
class Node:
    """An engine that is part of the Swarm.

    `state` is `ready`, `down`, `unknown` or `disconnected`; `availability` is `active`, `pause`
    or `drain`; `gpus` how many GPUs it has told the Swarm of.
    """

    id: str
    hostname: str
    state: str
    availability: str = "active"
    labels: Mapping[str, str] = field(default_factory=dict)
    gpus: int = 0
    is_manager: bool = False

    @property
    def answers(self) -> bool:
        """Whether the managers hear from it."""
        return self.state == "ready"


@dataclass(frozen=True)
class Task:
    """A service's one container, from waiting for a place until it has ended.

    `state` is Swarm's word for it and `desired` its word for what it should be; `message` says
    why, where something is wrong; `node` and `container` are ids, empty until it has a place.
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
    """A service of the Swarm. `gpus` is how many it waits for or has; `created` is RFC 3339."""

    id: str
    name: str
    image: str
    labels: Mapping[str, str]
    gpus: int = 0
    created: str = ""


class Cluster(abc.ABC):
    """What is asked of a Swarm's manager. Every method may raise EngineError.

    Raises:
        NotManagerError: from each of them, where the engine is no manager.
    """

    @abc.abstractmethod
    def nodes(self) -> list[Node]:
        """Return all nodes, ordered by host name."""

    @abc.abstractmethod
    def services(self, *, labels: Iterable[str] = ()) -> list[Service]:
        """Return services, ordered by when they were made.

        Args:
            labels: only those that have all of these, each `KEY` or `KEY=VALUE`.
        """

    @abc.abstractmethod
    def tasks(self) -> list[Task]:
        """Return all services' tasks, the newest of a service first."""

    @abc.abstractmethod
    def create_service(self, specification: ServiceSpecification) -> str:
        """Make a service and return its id; Swarm finds it a place from then on.

        The login for its image's registry goes along, so that the node can pull it.

        Raises:
            ConflictError: the name is in use.
        """

    @abc.abstractmethod
    def remove_service(self, service: str) -> None:
        """Remove a service, and its container with it; a missing one is no error."""
