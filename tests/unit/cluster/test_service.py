"""A container as a Swarm service, and the state of a service."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlc_patched.cluster.service import differences, service_name, service_of
from mlc_patched.cluster.state import ENDED, LOST, PLACING, QUEUED, RUNNING, STARTING, state_of
from mlc_patched.engine.cluster import Node, Service, Task
from mlc_patched.engine.service import service_body
from mlc_patched.engine.specification import Bind, ContainerSpecification, Resources, Ulimit
from mlc_patched.errors import UsageError
from mlc_patched.host.gpus import GpuRequest

CONTAINER = ContainerSpecification(
    name="thesis._.1001",
    image="registry:5000/ds01-1001/thesis@sha256:" + "1" * 64,
    command=("bash", "-c", "bash"),
    user="1001:2001",
    working_directory="/workspace",
    labels={"aime.mlc": "alice", "aime.mlc.NAME": "thesis"},
    environment={"MLC_CONTAINER_NAME": "thesis"},
    binds=(Bind("/home/alice/work: 1", "/workspace"),),
    devices=("/dev/snd",),
    gpus=GpuRequest(count=2),
    groups=("video", "sudo"),
    ulimits=(Ulimit("stack", 64),),
    privileged=True,
    network="host",
    ipc="host",
    interactive=True,
    resources=Resources(1500, 4096, 100),
)
SERVICE = service_of(CONTAINER, "thesis-1001", gpus=2, capabilities=("SYS_PTRACE",))


def test_the_body_of_a_service() -> None:
    body = service_body(replace(SERVICE, node="server-2", gpu_kind="a100"))
    assert body["Name"] == "thesis-1001"
    assert body["Mode"] == {"Replicated": {"Replicas": 1}}
    assert body["Labels"]["aime.mlc"] == "alice"
    task = body["TaskTemplate"]
    assert task["RestartPolicy"] == {"Condition": "none"}
    assert task["Networks"] == [{"Target": "host"}]
    assert task["Placement"]["Constraints"] == [
        "node.hostname==server-2",
        "node.labels.gpu==a100",
    ]
    gpus = {"DiscreteResourceSpec": {"Kind": "NVIDIA-GPU", "Value": 2}}
    assert task["Resources"] == {
        "Limits": {"NanoCPUs": 1500, "MemoryBytes": 4096, "Pids": 100},
        "Reservations": {"GenericResources": [gpus]},
    }
    container = task["ContainerSpec"]
    assert container["User"] == "1001:2001"
    assert container["Args"] == ["bash", "-c", "bash"]
    assert "Command" not in container
    assert container["Mounts"] == [
        {"Type": "bind", "Source": "/home/alice/work: 1", "Target": "/workspace"},
        {"Type": "tmpfs", "Target": "/dev/shm"},
    ]
    assert container["CapabilityAdd"] == ["SYS_PTRACE"]
    assert container["Ulimits"] == [{"Name": "stack", "Soft": 64, "Hard": 64}]


def test_a_service_s_container_has_no_owner_label() -> None:
    labels = service_body(SERVICE)["TaskTemplate"]["ContainerSpec"]["Labels"]
    assert labels == {"aime.mlc.NAME": "thesis", "aime.mlc.DS01_SERVICE": "thesis._.1001"}


def test_differences_say_what_is_there_instead() -> None:
    said = "\n".join(differences(CONTAINER, SERVICE))
    for words in ("not privileged", "SYS_PTRACE", "half the node's memory", "/dev/snd"):
        assert words in said
    plain = replace(CONTAINER, privileged=False, ipc="", devices=(), gpus=None)
    same = service_of(plain, "x-1", gpus=0, capabilities=())
    assert differences(plain, same) == []
    sized = replace(plain, shm_size=2**30)
    body = service_body(service_of(sized, "x-1", gpus=0, capabilities=()))
    mount = body["TaskTemplate"]["ContainerSpec"]["Mounts"][-1]
    assert mount["TmpfsOptions"] == {"SizeBytes": 2**30}
    assert body["TaskTemplate"]["Resources"]["Reservations"] == {"GenericResources": []}


def test_an_unprivileged_container_keeps_its_capabilities() -> None:
    plain = replace(
        CONTAINER, privileged=False, capabilities=("CHOWN",), dropped_capabilities=("ALL",)
    )
    spec = service_body(service_of(plain, "x-1", gpus=0, capabilities=("SYS_PTRACE",)))
    container = spec["TaskTemplate"]["ContainerSpec"]
    assert (container["CapabilityAdd"], container["CapabilityDrop"]) == (["CHOWN"], ["ALL"])


def test_a_name_too_long_for_swarm() -> None:
    assert service_name("thesis", 1722830498) == "thesis-1722830498"
    with pytest.raises(UsageError, match="at most 58 characters"):
        service_name("n" * 59, 1001)


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
    assert found[1].status == "waiting for a GPU, 0 ahead"
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


def test_a_drained_node_and_a_service_without_a_task() -> None:
    drained = replace(ONE, availability="drain")
    gone = task(1, "complete", desired="shutdown", node="n1", container="c")
    found = state_of(service(1), [service(1)], [gone], [drained])
    assert (found.state, found.container) == (ENDED, "c")
    assert "server-1 is drained" in found.status
    assert state_of(service(1), [], [], []).state == PLACING
