"""The contract of registries, Swarms, and what is behind the interface to clusters: one suite for
the real ones and the fakes.

As a program (`python -m support.cluster_contract IMAGE`) it checks the cluster of the host.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TypeVar

import pytest

from mlc_patched.cluster.choose import scheduler_of
from mlc_patched.cluster.interface import Found, Scheduler, Work
from mlc_patched.cluster.service import service_of
from mlc_patched.cluster.state import QUEUED, RUNNING
from mlc_patched.context import Context
from mlc_patched.engine.cluster import Cluster, Task
from mlc_patched.engine.interface import Engine
from mlc_patched.engine.service import ServiceSpecification
from mlc_patched.engine.specification import ContainerSpecification
from mlc_patched.errors import ConflictError, ImageNotFoundError, MlcError
from mlc_patched.names import labels
from mlc_patched.names.containers import container_tag
from mlc_patched.plan.specify import COMMAND

T = TypeVar("T")


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
        _until(lambda: _states(cluster, made), ["pending", "running", "running"])
        running = [each for each in _tasks(cluster, made) if each.state == "running"]
        assert {each.node for each in running} == {each.id for each in nodes}
        assert all(each.container for each in running)
        waiting = next(each for each in _tasks(cluster, made) if each.state == "pending")
        assert "no suitable node" in waiting.message
        assert not waiting.node
        cluster.remove_service(running[0].service)
        cluster.remove_service(running[0].service)
        _until(lambda: _task(cluster, waiting.service).state, "running")
        assert _task(cluster, waiting.service).node == running[0].node
    finally:
        for each in made:
            cluster.remove_service(each)
    assert cluster.services() == []


def scheduler_holds(scheduler: Scheduler, image: str, context: Context) -> None:
    """Check a cluster of two nodes, server-1 and server-2, one GPU each, on which nothing runs."""
    nodes = scheduler.nodes()
    assert [(each.hostname, each.gpus, each.answers) for each in nodes] == [
        ("server-1", 1, True),
        ("server-2", 1, True),
    ]
    assert _entries(scheduler) == {}
    made = {name: scheduler.submit(_work(name, image, context)) for name in ("a", "b", "c")}
    try:
        assert len(set(made.values())) == 3
        is_taken = scheduler.is_taken()
        assert [is_taken(name) for name in ("a", "b", "c", "d")] == [True, True, True, False]
        _until(lambda: _state_of_all(scheduler), [QUEUED, RUNNING, RUNNING])
        found = _entries(scheduler)
        assert {name: each.service.id for name, each in found.items()} == made
        assert all(each.service.image == image for each in found.values())
        assert all(each.service.gpus == 1 for each in found.values())
        running = [name for name, each in found.items() if each.state.state == RUNNING]
        assert {found[name].state.node for name in running} == {"server-1", "server-2"}
        [waiting] = found.keys() - set(running)
        state = found[waiting].state
        assert (state.status, state.ahead, state.node) == ("waiting for a GPU, 0 ahead", 0, "")
        with pytest.raises(MlcError):  # it has no container
            scheduler.where(found[waiting])
        scheduler.cancel(made[running[0]])
        scheduler.cancel(made[running[0]])
        _until(lambda: _entries(scheduler)[waiting].state.state, RUNNING)
        assert _entries(scheduler)[waiting].state.node == found[running[0]].state.node
        assert not scheduler.is_taken()(running[0])
    finally:
        for each in made.values():
            scheduler.cancel(each)
    assert _entries(scheduler) == {}


def _work(name: str, image: str, context: Context) -> Work:
    container = ContainerSpecification(
        name=container_tag(name, context.account.uid),
        image=image,
        command=COMMAND,
        interactive=True,
        labels={labels.OWNER: context.account.login},
        network="host",
    )
    return Work(name, container, 1)


def _entries(scheduler: Scheduler) -> dict[str, Found]:
    """Return what is on the cluster by its user's name for it."""
    found = scheduler.entries(lambda service: True)
    return {each.service.labels[labels.SERVICE].partition("._.")[0]: each for each in found}


def _state_of_all(scheduler: Scheduler) -> list[str]:
    return sorted(each.state.state for each in _entries(scheduler).values())


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


def _until(what: Callable[[], T], expected: T) -> None:
    """Wait; Slurm looks at jobs that could not start at once every 60 s (sched_interval)."""
    deadline = time.monotonic() + 180
    while (seen := what()) != expected:
        assert time.monotonic() < deadline, f"{seen}, not {expected}"
        time.sleep(0.1)


def main(image: str) -> None:
    """Check the cluster of this host as the user who runs it, and print what it is."""
    context = Context()
    scheduler = scheduler_of(context)
    scheduler_holds(scheduler, image, context)
    print(scheduler.name)


if __name__ == "__main__":
    main(sys.argv[1])
