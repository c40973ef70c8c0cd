"""A fake registry and a fake Swarm. tests/contract checks that they behave like real ones."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mlc_patched.engine.cluster import Cluster, Node, NotManagerError, Service, Task
from mlc_patched.engine.registry import Registry, failure
from mlc_patched.engine.service import ServiceSpecification
from mlc_patched.errors import ConflictError, ImageNotFoundError
from mlc_patched.names.images import parse_reference

if TYPE_CHECKING:
    from support.fakes.engine import FakeEngine, FakeImage


class FakeRegistry(Registry):
    """A registry; `refuses` is the error message to fail with, if not empty."""

    def __init__(self, engine: FakeEngine) -> None:
        self._engine = engine
        self.images: dict[str, FakeImage] = {}
        self.refuses = ""

    def push(self, reference: str, progress: Callable[[str], None]) -> str:
        found = self._engine._find_image(reference)
        if found is None:
            raise ImageNotFoundError(f"An image does not exist locally with the tag: {reference}")
        if self.refuses:
            raise failure(reference, self.refuses)
        progress("Pushing")
        self.images[reference] = found
        digest = self._digest(found)
        name = f"{parse_reference(reference).repository}@{digest}"
        found.digests = tuple(dict.fromkeys((*found.digests, name)))
        return digest

    def digest(self, reference: str) -> str | None:
        if self.refuses:
            raise failure(reference, self.refuses)
        found = self.images.get(reference)
        return self._digest(found) if found else None

    def with_digest(self, reference: str) -> FakeImage | None:
        """Return the image that `REPOSITORY@sha256:…` names, or None."""
        wanted = parse_reference(reference)
        for pushed, found in self.images.items():
            repository = parse_reference(pushed).repository
            if (repository, self._digest(found)) == (wanted.repository, wanted.digest):
                return found
        return None

    @staticmethod
    def _digest(found: FakeImage) -> str:
        return f"sha256:{found.image.id.removeprefix('sha256:')[::-1]}"


class FakeCluster(Cluster):
    """A Swarm that places each service once, on the first node with enough free GPUs.

    On a node in `engines` it also creates the service's container from the image in the registry;
    on others it only reports one.
    """

    def __init__(self) -> None:
        self.members: dict[str, Node] = {}
        self.engines: dict[str, FakeEngine] = {}
        self.made: dict[str, tuple[Service, ServiceSpecification]] = {}
        self.placed: dict[str, Task] = {}
        self._ids = itertools.count(1)

    def join(self, hostname: str, gpus: int = 0, **more: object) -> Node:
        """Add a node; the first makes the engine a manager."""
        node = Node(f"n{next(self._ids)}", hostname, "ready", gpus=gpus, **more)
        self.members[node.id] = node
        return node

    def change(self, hostname: str, **changes: object) -> None:
        """Change a node: `state="down"`."""
        for node in self.nodes():
            if node.hostname == hostname:
                self.members[node.id] = replace(node, **changes)

    def specification(self, name: str) -> ServiceSpecification:
        """Return the specification of a service."""
        return next(made for service, made in self.made.values() if service.name == name)

    def nodes(self) -> list[Node]:
        if not self.members:
            raise NotManagerError("This engine is not a Docker Swarm manager.")
        return sorted(self.members.values(), key=lambda node: node.hostname)

    def services(self, *, labels: Iterable[str] = ()) -> list[Service]:
        self.nodes()
        wanted = [label.partition("=") for label in labels]
        return [
            service
            for service, _ in self.made.values()
            if all(
                key in service.labels and (not equals or service.labels[key] == value)
                for key, equals, value in wanted
            )
        ]

    def tasks(self) -> list[Task]:
        self.nodes()
        self._update_tasks()
        return list(self.placed.values())

    def create_service(self, specification: ServiceSpecification) -> str:
        self.nodes()
        if any(service.name == specification.name for service, _ in self.made.values()):
            raise ConflictError("name conflicts with an existing object: service already exists")
        number = next(self._ids)
        image = specification.container.image
        service = Service(
            f"s{number}",
            specification.name,
            image,
            specification.labels,
            specification.gpus,
            f"2026-01-01T00:00:{number:02}Z",
        )
        self.made[service.id] = (service, specification)
        self.placed[service.id] = Task(
            f"t{number:08x}",
            service.id,
            "pending",
            message="no suitable node (insufficient resources on 1 node)",
        )
        self._place()
        return service.id

    def remove_service(self, service: str) -> None:
        self.nodes()
        for each, _ in list(self.made.values()):
            if service in (each.id, each.name):
                del self.made[each.id]
                gone = self.placed.pop(each.id)
                if gone.container and (engine := self._engine(gone)):
                    engine.remove_container(gone.container, force=True)
        self._place()

    def _engine(self, task: Task) -> FakeEngine | None:
        node = self.members.get(task.node)
        return self.engines.get(node.hostname) if node else None

    def _update_tasks(self) -> None:
        """Update the tasks of containers that have exited; they are not restarted."""
        for each in list(self.placed.values()):
            engine = self._engine(each)
            if engine is None or each.state != "running":
                continue
            made = engine.made.get(each.container)
            if made is None or made.state != "running":
                self.placed[each.service] = replace(each, state="complete", desired="shutdown")
        self._place()

    def _started(self, task: Task, service: Service, wanted: ServiceSpecification) -> Task:
        """Return a task with its container, created if its node has an engine."""
        engine = self._engine(task)
        if engine is None:
            return replace(task, container=f"c{task.id}")
        for bind in wanted.container.binds:
            if not Path(bind.source).exists():
                why = f"bind source path does not exist: {bind.source}"
                return replace(task, state="rejected", desired="shutdown", message=why)
        engine.pull(service.image, lambda line: None)
        name = f"{service.name}.1.{task.id}"
        made = engine.create_container(replace(wanted.container, name=name))
        engine.start(made)
        return replace(task, container=made)

    def _place(self) -> None:
        for task in [each for each in self.placed.values() if each.state == "pending"]:
            service, wanted = self.made[task.service]
            for node in self.nodes():
                used = sum(
                    self.made[other.service][0].gpus
                    for other in self.placed.values()
                    if other.node == node.id and other.state == "running"
                )
                fits = wanted.node in (None, node.hostname)
                if fits and node.answers and node.gpus - used >= service.gpus:
                    placed = replace(task, state="running", message="", node=node.id)
                    self.placed[service.id] = self._started(placed, service, wanted)
                    break
