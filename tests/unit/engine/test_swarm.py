"""Swarm: the fake one, requests and answers of a real one, and an engine that manages none."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from support.cluster_contract import cluster_holds
from support.engine_api import EngineApi, Reply, refusal
from support.fakes.engine import FakeEngine

from mlc_patched.engine.cluster import Node, NotManagerError, Service, Task
from mlc_patched.engine.interface import Engine
from mlc_patched.engine.service import ServiceSpecification
from mlc_patched.engine.specification import ContainerSpecification
from mlc_patched.engine.swarm import SwarmCluster
from mlc_patched.errors import (
    ConflictError,
    EngineError,
    MlcError,
    NotFoundError,
)


def test_the_fake_cluster_meets_the_contract(fake: FakeEngine) -> None:
    fake.swarm.join("server-1", gpus=1)
    fake.swarm.join("server-2", gpus=1)
    cluster_holds(fake.swarm, "image:1")


class Refusing:
    """An engine's connection that answers every request with the same error."""

    def __init__(self, refusal: MlcError) -> None:
        self._refusal = refusal

    def ask(self, *question: object) -> None:
        raise self._refusal


@pytest.mark.parametrize(
    ("refusal", "error"),
    [
        (EngineError("The Docker Engine refused: This node is not a swarm manager. Use …"), True),
        (NotFoundError("Not Found"), True),  # Podman's engine, asked for /services
        (EngineError("The Docker Engine refused: rpc error: something else"), False),
    ],
)
def test_an_engine_that_manages_no_swarm(refusal: MlcError, error: bool) -> None:
    cluster = SwarmCluster(Refusing(refusal))  # type: ignore[arg-type]
    with pytest.raises(MlcError) as caught:
        cluster.services()
    assert isinstance(caught.value, NotManagerError) == error


def test_nodes_are_sorted_by_name_and_have_their_gpus(
    api: EngineApi, docker_engine: Engine
) -> None:
    gpus = [
        {"NamedResourceSpec": {"Kind": "NVIDIA-GPU", "Value": "GPU-1"}},
        {"NamedResourceSpec": {"Kind": "NVIDIA-GPU", "Value": "GPU-2"}},
        {"DiscreteResourceSpec": {"Kind": "NVIDIA-GPU", "Value": 2}},
        {"DiscreteResourceSpec": {"Kind": "SSD", "Value": 9}},
    ]
    described = {"Hostname": "a", "Resources": {"GenericResources": gpus}}
    spec = {"Availability": "drain", "Labels": {"gpu": "a100"}}
    first = {"ID": "n1", "Description": described, "Spec": spec, "Status": {"State": "ready"}}
    api.on("GET /nodes", [{"ID": "n2", "Description": {"Hostname": "b"}}, first])
    found, bare = docker_engine.cluster().nodes()
    assert found == Node("n1", "a", "ready", "drain", {"gpu": "a100"}, 4)
    assert bare == Node("n2", "b", "unknown")
    assert (found.answers, bare.answers) == (True, False)


def test_services_are_oldest_first_and_have_what_they_reserve(
    api: EngineApi, docker_engine: Engine
) -> None:
    reserved = [{"DiscreteResourceSpec": {"Kind": "NVIDIA-GPU", "Value": 2}}]
    task = {
        "ContainerSpec": {"Image": "i:1"},
        "Resources": {"Reservations": {"GenericResources": reserved}},
    }
    spec = {"Name": "n-1", "Labels": {"k": "v"}, "TaskTemplate": task}
    newer = {"ID": "s1", "Spec": spec, "CreatedAt": "2026-01-02T00:00:00Z"}
    api.on("GET /services", [newer, {"ID": "s2", "CreatedAt": "2026-01-01T00:00:00Z"}])
    older, found = docker_engine.cluster().services(labels=("k=v",))
    assert found == Service("s1", "n-1", "i:1", {"k": "v"}, 2, "2026-01-02T00:00:00Z")
    assert (older.id, older.gpus) == ("s2", 0)
    assert json.loads(api.requests[-1].query["filters"]) == {"label": ["k=v"]}


def test_tasks_are_newest_first_and_say_what_is_wrong(
    api: EngineApi, docker_engine: Engine
) -> None:
    status = {"State": "failed", "Err": "no space", "ContainerStatus": {"ContainerID": "c1"}}
    found = {"ID": "t1", "ServiceID": "s1", "Status": status, "DesiredState": "shutdown"}
    api.on(
        "GET /tasks", [{"ID": "t0", "CreatedAt": "1"}, {**found, "NodeID": "n1", "CreatedAt": "2"}]
    )
    newest, oldest = docker_engine.cluster().tasks()
    assert newest == Task("t1", "s1", "failed", "shutdown", "no space", "n1", "c1", "2")
    assert (oldest.id, oldest.node, oldest.container) == ("t0", "", "")
    api.on("GET /tasks", None)
    assert docker_engine.cluster().tasks() == []


@pytest.mark.parametrize("path", ["/nodes", "/services", "/tasks"])
@pytest.mark.parametrize("answer", [{"a": 1}, 5, [{}], b"no JSON", b"[" * 100_000])
def test_an_answer_of_another_form_is_the_engines_error(
    api: EngineApi, docker_engine: Engine, path: str, answer: object
) -> None:
    api.on(f"GET {path}", Reply(200, answer))
    cluster = docker_engine.cluster()
    ask = {"/nodes": cluster.nodes, "/services": cluster.services, "/tasks": cluster.tasks}[path]
    with pytest.raises(EngineError, match="Invalid answer"):
        ask()


def test_a_service_is_created_with_the_login_for_its_image(
    api: EngineApi, docker_engine: Engine, tmp_path: Path
) -> None:
    configuration = tmp_path / "home/.docker/config.json"
    configuration.parent.mkdir()
    login = base64.b64encode(b"alice:secret").decode()
    configuration.write_text(json.dumps({"auths": {"host:5000": {"auth": login}}}))
    api.on("POST /services/create", Reply(201, {"ID": "s1"}), Reply(201, {}))
    container = ContainerSpecification(
        "n._.1", "host:5000/a:1", entrypoint=("sh",), command=("-c", "x"), network="host"
    )
    wanted = ServiceSpecification("n-1", container, 2, "server-1", "a100", {"k": "v"})
    assert docker_engine.cluster().create_service(wanted) == "s1"
    request = api.sent("POST /services/create")
    made = request.json
    task = made["TaskTemplate"]
    assert (made["Name"], made["Labels"]) == ("n-1", {"k": "v"})
    assert task["ContainerSpec"]["Command"] == ["sh"]
    assert task["ContainerSpec"]["Args"] == ["-c", "x"]
    assert task["Resources"]["Reservations"]["GenericResources"] == [
        {"DiscreteResourceSpec": {"Kind": "NVIDIA-GPU", "Value": 2}}
    ]
    assert task["Placement"]["Constraints"] == [
        "node.hostname==server-1",
        "node.labels.gpu==a100",
    ]
    sent = json.loads(base64.urlsafe_b64decode(request.headers["X-Registry-Auth"]))
    assert sent["password"] == "secret"
    with pytest.raises(EngineError, match="Invalid answer"):
        docker_engine.cluster().create_service(wanted)


@pytest.mark.parametrize(
    ("status", "why", "error"),
    [
        (409, "rpc error: name conflicts with an existing object", ConflictError),
        (503, "This node is not a swarm manager.", NotManagerError),
        (500, "rpc error: no leader", EngineError),
    ],
)
def test_a_service_that_is_not_created_says_why(
    api: EngineApi, docker_engine: Engine, status: int, why: str, error: type[Exception]
) -> None:
    api.on("POST /services/create", refusal(status, why))
    service = ServiceSpecification("n-1", ContainerSpecification("n", "i:1"))
    with pytest.raises(EngineError) as caught:
        docker_engine.cluster().create_service(service)
    assert type(caught.value) is error


def test_a_service_that_is_gone_is_removed_already(api: EngineApi, docker_engine: Engine) -> None:
    api.on("DELETE /services/s1", Reply(200), refusal(404, "service s1 not found"))
    for _ in range(2):
        docker_engine.cluster().remove_service("s1")
    api.on("DELETE /services/s1", refusal(503, "This node is not a swarm manager."))
    with pytest.raises(NotManagerError, match="DOCKER_HOST"):
        docker_engine.cluster().remove_service("s1")
