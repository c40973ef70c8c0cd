"""The state of a service, from its tasks and the nodes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlc_patched.cluster.state import (
    ENDED,
    LOST,
    PLACING,
    QUEUED,
    RUNNING,
    STARTING,
    ServiceState,
    state_of,
)
from mlc_patched.engine.cluster import Node, Service, Task

ONE = Node("n1", "server-1", "ready")
DOWN = Node("n2", "server-2", "down")
NO_GPU = "no suitable node (insufficient resources on 2 nodes)"


def service(number: int, gpus: int = 1) -> Service:
    return Service(
        f"s{number}", f"name-{number}", "image", {}, gpus, f"2026-01-01T00:00:0{number}Z"
    )


def task(number: int, state: str, **more: str) -> Task:
    return Task(f"t{number}", f"s{number}", state, **more)


def test_the_queue_counts_earlier_services_that_wait_for_a_gpu() -> None:
    services = [service(1), service(2), service(3, gpus=0), service(4, gpus=2), service(5)]
    tasks = [
        task(1, "running", node="n1"),
        task(2, "pending", message=NO_GPU),
        task(3, "pending", message="no suitable node"),
        task(4, "pending", message=NO_GPU),
        task(5, "pending", message=NO_GPU),
    ]
    found = [state_of(each, services, tasks, [ONE]) for each in services]
    assert [each.state for each in found] == [RUNNING, *[QUEUED] * 4]
    assert [each.ahead for each in found] == [None, 0, None, 1, 2]
    assert found[1] == ServiceState(QUEUED, "waiting for a GPU, 0 ahead", "", 0)
    assert found[3].status == "waiting for 2 GPUs, 1 ahead"
    assert found[2].status == "waiting: no suitable node"


@pytest.mark.parametrize(
    ("now", "state", "words"),
    [
        (task(1, "new"), PLACING, "Swarm is looking for a node"),
        (task(1, "pending"), PLACING, "Swarm is looking for a node"),
        (
            task(
                1,
                "pending",
                message="no suitable node (scheduling constraints not satisfied on 2 nodes)",
            ),
            QUEUED,
            "no node matches --node or --gpu-kind",
        ),
        (task(1, "preparing", node="n1"), STARTING, "pulling the image on server-1"),
        (task(1, "running", node="n1", container="c"), RUNNING, "running on server-1"),
        (task(1, "running", node="n2"), LOST, "server-2 does not answer"),
        (task(1, "orphaned", node="n3"), LOST, "its node is no longer in the Swarm"),
        (
            task(
                1,
                "rejected",
                desired="shutdown",
                node="n1",
                message='invalid mount config for type "bind": bind source path does not exist: /a',
            ),
            ENDED,
            "server-1 has no /a. Directories are the node's own",
        ),
        (
            task(
                1,
                "rejected",
                desired="shutdown",
                node="n1",
                message="assigned node no longer meets constraints",
            ),
            ENDED,
            "server-1 was unavailable for a while",
        ),
        (task(1, "complete", desired="shutdown", node="n1"), ENDED, "ended on server-1"),
        (task(1, "running", desired="shutdown", node="n1"), ENDED, "being stopped on server-1"),
    ],
)
def test_the_state_of_a_service(now: Task, state: str, words: str) -> None:
    found = state_of(service(1), [service(1)], [now], [ONE, DOWN])
    assert found.state == state
    assert words in found.status


def test_the_node_and_the_container_are_known_once_there_are_some() -> None:
    def found(state: str, node: str = "n1", **more: str) -> ServiceState:
        now = task(1, state, node=node, container="c", **more)
        return state_of(service(1), [service(1)], [now], [ONE, DOWN])

    lost = "server-2 does not answer; the workspace and the pushed image are kept"
    assert found("running") == ServiceState(RUNNING, "running on server-1", "server-1", None, "c")
    assert found("running", "n2") == ServiceState(LOST, lost, "server-2", None, "c")
    assert found("complete", desired="shutdown") == ServiceState(
        ENDED, "ended on server-1", "server-1", None, "c"
    )
    for state, desired, said in (
        ("preparing", "running", "pulling the image on server-1"),
        ("starting", "running", "starting on server-1"),
        ("ready", "ready", "starting on server-1"),
    ):
        assert found(state, desired=desired) == ServiceState(STARTING, said, "server-1")


def test_without_a_node_none_is_named() -> None:
    def found(state: str, **more: str) -> ServiceState:
        return state_of(service(1), [service(1)], [task(1, state, **more)], [ONE])

    assert found("allocated") == ServiceState(STARTING, "starting")
    assert found("rejected", desired="shutdown", message="No such image") == (
        ServiceState(ENDED, "ended: No such image")
    )


def test_resources_may_lack_besides_constraints() -> None:
    """Then it is the queue that matters: a node matches, but is full."""
    said = "scheduling constraints not satisfied on 1 node; insufficient resources on 1 node"
    now = task(1, "pending", message=said)
    assert state_of(service(1), [service(1)], [now], [ONE]).status.startswith("waiting for a GPU")


def test_a_drained_node_and_a_service_without_a_task() -> None:
    drained = replace(ONE, availability="drain")
    gone = task(1, "complete", desired="shutdown", node="n1", container="c")
    found = state_of(service(1), [service(1)], [gone], [drained])
    assert (found.state, found.container) == (ENDED, "c")
    assert "server-1 is drained" in found.status
    assert state_of(service(1), [], [], []).state == PLACING


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        ("ended on n1: failed", "ended on n1: failed."),
        ("ended on n1: /data cannot be mounted.", "ended on n1: /data cannot be mounted."),
        ("ended: is it correct?", "ended: is it correct?"),
    ],
)
def test_a_status_ends_a_sentence_once(status: str, sentence: str) -> None:
    assert ServiceState(ENDED, status).sentence == sentence
