"""Docker Swarm through a manager's engine (Docker Engine API, "Node", "Service", "Task")."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote

from ..errors import EngineError, NotFoundError
from ..json_text import parsed
from ..lean import TYPE_CHECKING
from ..version import documentation
from .answers import id_of, validated
from .cluster import Cluster, Node, NotManagerError, Service, Task
from .connection import EngineConnection
from .http import Answer
from .service import GPU_KIND, ServiceSpecification, service_body

if TYPE_CHECKING:
    from typing import Any

_NO_MANAGER = "not a swarm manager"
_PODMAN = "not found"


class SwarmCluster(Cluster):
    """The Swarm that an engine manages."""

    def __init__(self, connection: EngineConnection) -> None:
        self._connection = connection

    def nodes(self) -> list[Node]:
        found = [node_of(each) for each in self._list("/nodes")]
        return sorted(found, key=lambda node: (node.hostname, node.id))

    def services(self, *, labels: Iterable[str] = ()) -> list[Service]:
        found = [service_of(each) for each in self._list("/services", {"label": list(labels)})]
        return sorted(found, key=lambda service: (service.created, service.id))

    def tasks(self) -> list[Task]:
        found = [task_of(each) for each in self._list("/tasks")]
        return sorted(found, key=lambda task: task.created, reverse=True)

    def create_service(self, specification: ServiceSpecification) -> str:
        body = service_body(specification)
        with _manager_needed(), self._connection.sdk() as client:
            made = client.create_service(
                body["TaskTemplate"], body["Name"], body["Labels"], mode=body["Mode"]
            )
        return id_of(made, "ID")

    def remove_service(self, service: str) -> None:
        with _manager_needed(), contextlib.suppress(NotFoundError):
            self._connection.ask("DELETE", f"/services/{quote(service, safe='')}")

    def _list(self, path: str, filters: Mapping[str, list[str]] | None = None) -> Any:
        query = {"filters": json.dumps(filters)} if filters else None
        with _manager_needed():
            answer = self._connection.ask("GET", path, query)
        return _entries(answer)


@contextlib.contextmanager
def _manager_needed() -> Iterator[None]:
    try:
        yield
    except (EngineError, NotFoundError) as error:
        words = str(error).lower()
        # Podman has no Swarm, so it has nothing at these paths.
        if _NO_MANAGER in words or (isinstance(error, NotFoundError) and _PODMAN in words):
            raise NotManagerError(
                "This engine is not a Docker Swarm manager. Choose a manager with DOCKER_HOST or "
                "--context NAME (docker context ls). To set up a cluster, see "
                f"{documentation('cluster')}."
            ) from error
        raise


@validated
def _entries(answer: Answer) -> list[Any]:
    return list(parsed(answer.body) or ())


@validated
def node_of(found: Mapping[str, Any]) -> Node:
    """Convert an entry of NodeList to a node."""
    described, spec = found.get("Description") or {}, found.get("Spec") or {}
    resources = (described.get("Resources") or {}).get("GenericResources") or ()
    return Node(
        id=found["ID"],
        hostname=described.get("Hostname", ""),
        state=(found.get("Status") or {}).get("State", "unknown"),
        availability=spec.get("Availability", "active"),
        labels=spec.get("Labels") or {},
        gpus=_gpus(resources),
    )


@validated
def service_of(found: Mapping[str, Any]) -> Service:
    """Convert an entry of ServiceList to a service."""
    spec = found.get("Spec") or {}
    task = spec.get("TaskTemplate") or {}
    reserved = ((task.get("Resources") or {}).get("Reservations") or {}).get("GenericResources")
    return Service(
        id=found["ID"],
        name=spec.get("Name", ""),
        image=(task.get("ContainerSpec") or {}).get("Image", ""),
        labels=spec.get("Labels") or {},
        gpus=_gpus(reserved or ()),
        created=found.get("CreatedAt", ""),
    )


@validated
def task_of(found: Mapping[str, Any]) -> Task:
    """Convert an entry of TaskList to a task."""
    status = found.get("Status") or {}
    return Task(
        id=found["ID"],
        service=found.get("ServiceID", ""),
        state=status.get("State", ""),
        desired=found.get("DesiredState", ""),
        message=status.get("Err") or "",
        node=found.get("NodeID", ""),
        container=(status.get("ContainerStatus") or {}).get("ContainerID", ""),
        created=found.get("CreatedAt", ""),
    )


def _gpus(resources: Iterable[Mapping[str, Any]]) -> int:
    """Count GPUs: one for each named resource, plus the values of discrete ones."""
    count = 0
    for each in resources:
        if (each.get("NamedResourceSpec") or {}).get("Kind") == GPU_KIND:
            count += 1
        discrete = each.get("DiscreteResourceSpec") or {}
        if discrete.get("Kind") == GPU_KIND:
            count += int(discrete.get("Value", 0))
    return count
