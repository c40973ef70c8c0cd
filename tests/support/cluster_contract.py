"""The contract of registries and Swarms: one suite for the real ones and the fakes."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from mlc_patched.cluster.service import service_of
from mlc_patched.engine.cluster import Cluster, Task
from mlc_patched.engine.interface import Engine
from mlc_patched.engine.service import ServiceSpecification
from mlc_patched.engine.specification import ContainerSpecification
from mlc_patched.errors import ConflictError, ImageNotFoundError
from mlc_patched.plan.specify import COMMAND


def of(name: str, image: str, gpus: int = 1, node: str | None = None) -> ServiceSpecification:
    """Return a service that does nothing, and stops at once on request."""
    container = ContainerSpecification(
        name=f"{name}._.1",
        image=image,
        command=COMMAND,
        interactive=True,
        labels={"aime.mlc": "contract", "mlc-test": name},
        network="host",
    )
    return service_of(container, f"{name}-1", gpus=gpus, capabilities=(), node=node)


def cluster_holds(cluster: Cluster, image: str) -> None:
    """Check a Swarm of two ready nodes, server-1 and server-2, one GPU each, no services."""
    nodes = cluster.nodes()
    assert [(each.hostname, each.gpus, each.answers) for each in nodes] == [
        ("server-1", 1, True),
        ("server-2", 1, True),
    ]
    assert cluster.services() == []  # tasks of removed services may remain for a moment
    made = [cluster.create_service(of(name, image)) for name in ("a", "b", "c")]
    try:
        with pytest.raises(ConflictError):
            cluster.create_service(of("a", image))
        assert [each.id for each in cluster.services()] == made
        [second] = cluster.services(labels=("mlc-test=b", "aime.mlc"))
        assert (second.id, second.name, second.image, second.gpus) == (made[1], "b-1", image, 1)
        assert cluster.services(labels=("mlc-test=x",)) == []
        _until(lambda: _states(cluster, made) == ["pending", "running", "running"])
        running = [each for each in _tasks(cluster, made) if each.state == "running"]
        assert {each.node for each in running} == {each.id for each in nodes}
        assert all(each.container for each in running)
        waiting = next(each for each in _tasks(cluster, made) if each.state == "pending")
        assert "no suitable node" in waiting.message
        assert not waiting.node
        cluster.remove_service(running[0].service)
        cluster.remove_service(running[0].service)
        _until(lambda: _task(cluster, waiting.service).state == "running")
        assert _task(cluster, waiting.service).node == running[0].node
    finally:
        for each in made:
            cluster.remove_service(each)
    assert cluster.services() == []


def registry_holds(engine: Engine, image_id: str, repository: str) -> None:
    """Check a registry to which the engine may push, and which does not have the repository yet."""
    registry, name = engine.registry(), f"{repository}:1"
    with pytest.raises(ImageNotFoundError):
        registry.push(name, lambda line: None)
    assert registry.digest(name) is None
    engine.tag_image(image_id, repository, "1")
    lines: list[str] = []
    try:
        digest = registry.push(name, lines.append)
        assert lines
        assert digest.startswith("sha256:")
        assert registry.digest(name) == digest
        assert registry.digest(f"{repository}:2") is None
    finally:
        engine.remove_image(name)
    pushed = f"{repository}@{digest}"
    engine.pull(pushed, lines.append)
    found = engine.image(pushed)
    assert found is not None
    assert found.id == image_id
    assert pushed not in found.references  # a digest keeps it, too
    engine.remove_image(pushed)
    assert engine.image(pushed) is None
    assert engine.image(image_id) is not None


def _tasks(cluster: Cluster, services: list[str]) -> list[Task]:
    return [each for each in cluster.tasks() if each.service in services]


def _states(cluster: Cluster, services: list[str]) -> list[str]:
    return sorted(each.state for each in _tasks(cluster, services))


def _task(cluster: Cluster, service: str) -> Task:
    return next(each for each in cluster.tasks() if each.service == service)


def _until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.1)
