"""A container as a Swarm service, and the state of a service."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlc_patched.cluster.service import differences, service_name, service_of
from mlc_patched.engine.cluster import Task
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


def task(number: int, state: str, **more: str) -> Task:
    return Task(f"t{number}", f"s{number}", state, **more)
