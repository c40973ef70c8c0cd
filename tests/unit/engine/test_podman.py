"""Where Podman's answers differ from Docker's."""

from __future__ import annotations

import json

import pytest
from support.engine_api import EngineApi, Reply, Request, refusal

from mlc_patched.engine import podman
from mlc_patched.engine.answers import info_of, is_podman_conflict
from mlc_patched.engine.interface import PODMAN, Engine, Image
from mlc_patched.engine.podman import (
    _matches,
    configuration_changes,
    familiar,
    rootless_body,
    without_shm_size,
)
from mlc_patched.engine.specification import ContainerSpecification, Ulimit, container_body
from mlc_patched.errors import ConflictError


@pytest.mark.parametrize(
    ("reported", "typed"),
    [
        ("localhost/mlc-test/base:x", "mlc-test/base:x"),
        ("docker.io/library/debian:12", "debian:12"),
        ("docker.io/ds01-1001/thesis:latest", "ds01-1001/thesis:latest"),
        ("registry.example:5000/a/b:c", "registry.example:5000/a/b:c"),
        ("localhost:5000/a:b", "localhost:5000/a:b"),
    ],
)
def test_prefixes_that_podman_adds_are_removed(reported: str, typed: str) -> None:
    assert familiar(reported) == typed


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("ds01-1001/*", True),
        ("ds01-1001/thesis", True),
        ("ds01-1001/thesis:latest", True),
        ("ds01-1001/th*:l*", True),
        ("*/thesis", True),
        ("*", False),
        ("ds01-100/*", False),
        ("*/ds01-1001/*", False),
        ("ds01-1001/thesis:other", False),
    ],
)
def test_patterns_match_as_in_docker(pattern: str, matches: bool) -> None:
    assert _matches("ds01-1001/thesis:latest", ["nothing", pattern]) is matches


def test_conflicts_are_recognised_by_their_message() -> None:
    for words in (
        'the container name "x" is already in use by 7359. You have to remove that container',
        "can only kill running containers. 8d53 is in state stopped: container state improper",
        'unable to delete image "35bf" by ID with more than one tag ([a b]): please force removal',
        "updating container config table with new configuration for container a42: "
        "UNIQUE constraint failed: ContainerConfig.Name",
    ):
        assert is_podman_conflict(words)
    assert not is_podman_conflict("no space left on device")


def test_a_configuration_is_converted_to_instructions() -> None:
    like = Image("i", environment=("A=b c", "P=x=y"), command=("sh", "-c", 'a "b"'), user="")
    assert configuration_changes(like, {"k e": 'v "w"'}) == [
        'CMD ["sh", "-c", "a \\"b\\""]',
        "ENTRYPOINT []",
        "USER root",
        "WORKDIR /",
        'ENV A="b c"',
        'ENV P="x=y"',
        'LABEL "k e"="v \\"w\\""',
    ]


def test_podman_is_recognised_by_its_info() -> None:
    found = {
        "ServerVersion": "4.3.1",
        "BuildahVersion": "1.28.2",
        "SecurityOptions": ["name=seccomp,profile=default"],
        "Rootless": True,
    }
    info = info_of(found, is_local=True)
    assert (info.product, info.is_rootless) == ("Podman", True)
    for options, is_rootless in ((["name=seccomp"], False), (["name=rootless"], True)):
        info = info_of({"ServerVersion": "28.0", "SecurityOptions": options}, is_local=True)
        assert (info.product, info.is_rootless) == ("Docker Engine", is_rootless)


@pytest.mark.parametrize(("ipc", "size"), [("host", 0), ("", 8), ("private", 8)])
def test_the_size_of_the_hosts_shared_memory_is_left_out(ipc: str, size: int) -> None:
    body = container_body(ContainerSpecification("n", "i", ipc=ipc, shm_size=8))
    assert without_shm_size(body)["HostConfig"]["ShmSize"] == size
    assert body["HostConfig"]["ShmSize"] == 8


@pytest.mark.parametrize(
    ("user", "mode"),
    [("1001:2001", "keep-id:uid=1001,gid=2001"), ("", None), ("0:0", None), ("root", None)],
)
def test_a_rootless_engine_keeps_the_ids_of_the_account(user: str, mode: str | None) -> None:
    limits = (Ulimit("memlock", -1), Ulimit("stack", 64))
    body = container_body(ContainerSpecification("n", "i", user=user, ulimits=limits))
    host = rootless_body(body)["HostConfig"]
    assert host.get("UsernsMode") == mode
    assert [each["Name"] for each in host["Ulimits"]] == ["stack"]
    assert len(body["HostConfig"]["Ulimits"]) == 2


ID, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def test_podman_is_recognised_when_it_is_connected_to(podman_engine: Engine) -> None:
    assert (podman_engine.product, podman_engine.copies_owners) == (PODMAN, False)
    assert not podman_engine.has_containerd_store()


def test_names_and_ids_of_podman_are_in_dockers_form(api: EngineApi, podman_engine: Engine) -> None:
    api.on("GET /images/a:1/json", {"Id": ID, "RepoTags": ["localhost/a:1"]})
    found = podman_engine.image("a:1")
    assert found is not None
    assert found.references == ("a:1",)
    listed = {"Id": "c1", "Names": ["/n"], "Image": "localhost/a:1", "State": "stopped"}
    api.on("GET /containers/json", [listed])
    (container,) = podman_engine.containers()
    assert (container.image, container.state) == ("a:1", "exited")
    image = {"Id": "a" * 64, "ParentId": "", "Size": 9, "RepoTags": ["localhost/a:1"]}
    api.on("GET /images/json", [image])
    api.on("GET /system/df", {"Images": [{"Id": "a" * 64, "SharedSize": 5}]})
    assert podman_engine.shared_sizes() == {ID: 5}


def test_a_container_has_its_images_name_as_it_was_typed(
    api: EngineApi, podman_engine: Engine
) -> None:
    about = {"Image": "docker.io/mlc-test/base:x"}
    api.on("GET /containers/n/json", {"Id": "c", "Name": "/n", "Image": "a" * 64, "Config": about})
    found = podman_engine.container("n")
    assert found is not None
    assert found.image == "mlc-test/base:x"


def test_images_are_found_by_any_of_the_patterns(api: EngineApi, podman_engine: Engine) -> None:
    """For Podman all patterns would have to match."""
    names = ["localhost/ds01-1/a:1", "docker.io/library/debian:12"]
    api.on(
        "GET /images/json", [{"Id": ID, "RepoTags": names}, {"Id": OTHER, "RepoTags": ["x/y:1"]}]
    )
    (found,) = podman_engine.find_images(names=("ds01-1/*", "nothing"), labels=("k",))
    assert (found.id, found.references) == (ID, ("ds01-1/a:1",))
    sent = json.loads(api.requests[-1].query["filters"])
    assert sent == {"dangling": ["false"], "label": ["k"]}
    assert len(podman_engine.find_images()) == 2


def test_containers_of_images_built_on_an_image_are_found(
    api: EngineApi, podman_engine: Engine
) -> None:
    """Podman lists only those created from exactly this image under this name."""
    layers = {"base": ["l1"], "built": ["l1", "l2"], "other": ["l3"]}
    for name, each in layers.items():
        api.on(f"GET /images/{name}/json", {"Id": name, "RootFS": {"Layers": each}})
    containers = [{"Id": f"c-{name}", "Names": [f"/{name}"], "ImageID": name} for name in layers]
    gone = {"Id": "c-gone", "Names": ["/gone"], "ImageID": "gone"}
    api.on("GET /images/gone/json", refusal(404, "gone: image not known"))
    api.on("GET /containers/json", [*containers, gone])
    found = podman_engine.containers(image="base")
    assert [each.name for each in found] == ["base", "built"]
    assert "ancestor" not in api.requests[0].query["filters"]
    assert podman_engine.containers(image="gone") == []


def test_a_paused_container_is_stopped_too(api: EngineApi, podman_engine: Engine) -> None:
    improper = refusal(500, "c is not paused, can't unpause: container state improper")
    api.on("POST /containers/c/unpause", Reply(204), improper)
    for each in ("kill", "stop"):
        api.on(f"POST /containers/c/{each}", Reply(204))
    api.on("GET /containers/json", [{"Id": "c", "Names": ["/n"], "State": "exited"}])
    for _ in range(2):
        podman_engine.stop("c")
        asked = [f"POST /containers/c/{each}" for each in ("unpause", "kill", "stop")]
        assert api.calls == [*asked, "GET /containers/json"]
        api.requests.clear()


def test_a_container_that_has_just_ended_cannot_be_sent_a_signal_and_is_stopped(
    api: EngineApi, podman_engine: Engine
) -> None:
    """Seen with Podman 5.8, rootless."""
    improper = refusal(500, "can't unpause: container state improper")
    api.on("POST /containers/c/unpause", improper)
    api.on("POST /containers/c/kill", refusal(500, "sending signal to container c: exit status 1"))
    api.on("POST /containers/c/stop", Reply(304))
    api.on("GET /containers/json", [{"Id": "c", "Names": ["/n"], "State": "exited"}])
    podman_engine.stop("c")
    assert "POST /containers/c/stop" in api.calls


@pytest.mark.parametrize("end", ["stop", "wait"])
def test_the_files_of_a_container_that_ended_are_unmounted_before_they_are_read(
    api: EngineApi, podman_engine: Engine, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    for each in ("unpause", "kill", "stop"):
        api.on(f"POST /containers/c/{each}", Reply(204))
    api.on("POST /containers/c/wait", {"StatusCode": 3})
    states = [{"Id": "c", "Names": ["/n"], "State": state} for state in ("stopped", "exited")]
    api.on("GET /containers/json", *([state] for state in states))
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    podman_engine.stop("c") if end == "stop" else podman_engine.wait("c")
    assert len(slept) == 1


def test_a_commit_has_its_configuration_as_instructions(
    api: EngineApi, podman_engine: Engine
) -> None:
    api.on("POST /commit", Reply(201, {"Id": "a" * 64}))
    like = Image(OTHER, command=("bash",), volumes=("/v",))
    assert podman_engine.commit("c", "r", "t", like, {"k": "v"}) == ID
    request = api.sent("POST /commit")
    assert request.json == {}
    assert {'CMD ["bash"]', 'VOLUME ["/v"]', 'LABEL "k"="v"'} <= set(request.query["changes"])


@pytest.mark.parametrize(
    ("paths", "found"), [(("/etc",), []), (("/etc", "/etc/issue"), ["/etc", "/etc/issue"])]
)
def test_a_change_of_etc_is_podmans_own_unless_something_in_it_changed(
    api: EngineApi, podman_engine: Engine, paths: tuple[str, ...], found: list[str]
) -> None:
    api.on("GET /containers/c/changes", [{"Path": path, "Kind": 0} for path in paths])
    assert [each.path for each in podman_engine.changes("c")] == found


@pytest.mark.parametrize(("state", "runs"), [("running", True), ("exited", False)])
def test_a_container_that_does_not_run_has_neither_processes_nor_use(
    api: EngineApi,
    podman_engine: Engine,
    state: str,
    runs: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Podman answers with nothing, not with a conflict."""
    monkeypatch.setattr(podman, "_STATS_SECONDS", 0)
    listed = {"Id": "c1", "Names": ["/n"], "State": state}

    def reply(request: Request) -> Reply:
        is_by_name = "name" in json.loads(request.query["filters"])
        return Reply(200, [] if is_by_name else [listed])

    api.on("GET /containers/json", reply)
    cpu = {"cpu_usage": {"total_usage": 1}}
    sample = {"cpu_stats": cpu, "precpu_stats": cpu, "memory_stats": {"usage": 5}}
    api.on("GET /containers/c1/stats", sample)
    api.on("GET /containers/c1/top", {"Processes": [["1", "bash"]]})
    assert (podman_engine.stats("c1") is not None) == runs
    if runs:
        assert podman_engine.processes("c1") == ["bash"]
        return
    with pytest.raises(ConflictError, match="c1 is not running"):
        podman_engine.processes("c1")


@pytest.mark.parametrize("is_rootless", [False, True])
def test_a_rootless_podman_is_asked_to_keep_the_accounts_ids(
    api: EngineApi, podman_engine: Engine, is_rootless: bool
) -> None:
    api.on("GET /info", {"BuildahVersion": "1.28", "Rootless": is_rootless})
    api.on("POST /containers/create", Reply(201, {"Id": "c1"}))
    specification = ContainerSpecification("n", "i", user="1001:2001", ipc="host", shm_size=8)
    assert podman_engine.create_container(specification) == "c1"
    host = api.sent("POST /containers/create").json["HostConfig"]
    assert host.get("UsernsMode") == ("keep-id:uid=1001,gid=2001" if is_rootless else None)
    assert host["ShmSize"] == 0


def test_an_archive_is_imported_under_one_name(api: EngineApi, podman_engine: Engine) -> None:
    """Podman ignores a tag apart from the name."""
    api.on("GET /images/r:t/json", refusal(404, "r:t: image not known"))
    api.on("POST /images/create", {"status": ID})
    assert podman_engine.import_image([b"x"], "r", "t") == ID
    query = api.sent("POST /images/create").query
    assert (query["repo"], query.get("tag", "")) == ("r:t", "")


def test_the_use_of_the_processor_is_that_between_two_samples(
    api: EngineApi, podman_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Podman's one sample has no times before it."""
    monkeypatch.setattr(podman, "_STATS_SECONDS", 0)
    api.on("GET /containers/json", [{"Id": "c1", "Names": ["/n"], "State": "running"}])
    times = iter([(1000, 80_000), (1600, 82_000)])

    def sample(request: Request) -> Reply:
        used, passed = next(times)
        now = {
            "cpu_usage": {"total_usage": used},
            "system_cpu_usage": passed,
            "online_cpus": 2,
        }
        none = {"cpu_usage": {"total_usage": 0}}
        memory = {"usage": 5}
        return Reply(200, {"cpu_stats": now, "precpu_stats": none, "memory_stats": memory})

    api.on("GET /containers/c1/stats", sample)
    stats = podman_engine.stats("c1")
    assert stats is not None
    assert stats.cpu_percent == pytest.approx(60)
