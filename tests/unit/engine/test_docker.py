"""Docker's requests and answers, with an engine's API on a socket."""

from __future__ import annotations

import base64
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from support.engine_api import EngineApi, Reply, Request, refusal

from mlc_patched.engine.address import EngineAddress
from mlc_patched.engine.connect import connect
from mlc_patched.engine.interface import Engine, Image
from mlc_patched.engine.observations import Activity, Change, Layer
from mlc_patched.engine.specification import Bind, ContainerSpecification
from mlc_patched.errors import (
    ConflictError,
    EngineError,
    EngineUnreachableError,
    ImageNotFoundError,
    MountMissingError,
    NotFoundError,
    SetupError,
)

ID = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64
PLAIN, PIPE, LINK = 0o644, 1 << 25, 1 << 27
"""Mode bits of Go's `os.FileMode`."""
CONTAINERD = {
    "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]],
    "Containerd": {"Address": "/run/containerd/containerd.sock"},
}


def filters_of(request: Request) -> object:
    return json.loads(request.query["filters"])


def stat(mode: int, target: str = "", size: int = 0) -> Reply:
    """Return an answer with the stat of a path in a container."""
    told = json.dumps({"name": "x", "size": size, "mode": mode, "linkTarget": target}).encode()
    encoded = base64.b64encode(told).decode()
    return Reply(200, b"", {"X-Docker-Container-Path-Stat": encoded})


def frame(stream: int, text: bytes) -> bytes:
    return bytes((stream, 0, 0, 0)) + len(text).to_bytes(4, "big") + text


def archive(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def test_images_are_listed_by_names_and_labels(api: EngineApi, docker_engine: Engine) -> None:
    listed = {"Id": ID, "RepoTags": ["a:1", "<none>:<none>"], "Labels": {"k": "v"}, "Size": 7}
    api.on("GET /images/json", [{**listed, "Created": 1767323045}])
    found = docker_engine.find_images(names=("a", "b:*"), labels=("k", "l=v"))
    assert found == [Image(ID, ("a:1",), {"k": "v"}, 7, "2026-01-02T03:04:05Z")]
    assert filters_of(api.requests[-1]) == {
        "dangling": ["false"],
        "reference": ["a", "b:*"],
        "label": ["k", "l=v"],
    }
    docker_engine.find_images(nameless=True)
    assert filters_of(api.requests[-1]) == {"dangling": ["true"]}


def test_an_image_gets_a_name(api: EngineApi, docker_engine: Engine) -> None:
    api.on(f"POST /images/{ID}/tag", Reply(201))
    docker_engine.tag_image(ID, "host:5000/a", "1")
    assert api.sent(f"POST /images/{ID}/tag").query == {"repo": "host:5000/a", "tag": "1"}


def test_a_missing_image_is_removed_already(api: EngineApi, docker_engine: Engine) -> None:
    api.on("GET /info", {})
    api.on("DELETE /images/a:1", refusal(404, "No such image: a:1"))
    docker_engine.remove_image("a:1")
    api.on("DELETE /images/a:1", refusal(409, "container x is using it"))
    with pytest.raises(ConflictError, match="container x is using it"):
        docker_engine.remove_image("a:1")


def test_steps_below_a_removed_image_go_where_containerd_stores_images(
    api: EngineApi, docker_engine: Engine
) -> None:
    api.on("GET /info", CONTAINERD)
    api.on("GET /images/a:1/json", {"Id": ID, "Parent": OTHER})
    api.on("GET /images/json", [{"Id": OTHER, "ParentId": ""}])
    for each in ("a:1", OTHER):
        api.on(f"DELETE /images/{each}", [])
    docker_engine.remove_image("a:1")
    assert [each for each in api.calls if each.startswith("DELETE")] == [
        "DELETE /images/a:1",
        f"DELETE /images/{OTHER}",
    ]


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        (f"GET /images/{ID}/json", [1]),
        ("GET /images/json", [1]),
        ("GET /images/json", {"a": 1}),
        ("GET /images/json", b"no JSON"),
    ],
)
def test_an_odd_answer_about_steps_is_the_engines_error(
    api: EngineApi, docker_engine: Engine, call: str, answer: object
) -> None:
    api.on("GET /info", CONTAINERD)
    api.on(f"GET /images/{ID}/json", {"Id": ID, "Parent": OTHER})
    api.on(f"DELETE /images/{ID}", [])
    api.on(call, Reply(200, answer))
    with pytest.raises(EngineError, match="Invalid answer"):
        docker_engine.remove_image(ID)


def test_an_engine_too_old_for_containerds_store_is_not_asked_about_it(
    api: EngineApi, docker_engine: Engine
) -> None:
    api.ping["Api-Version"] = "1.41"
    old = connect(EngineAddress(api.address))
    assert not old.has_containerd_store()
    assert api.calls == []
    api.on("GET /info", CONTAINERD)
    assert docker_engine.has_containerd_store()


@pytest.mark.parametrize(
    ("api_version", "info", "expected"),
    [("1.45", CONTAINERD, False), ("1.45", {}, True), ("1.48", CONTAINERD, True)],
)
def test_buildkit_gets_contexts_unless_containerd_stores_the_images_before_docker_28(
    api: EngineApi, api_version: str, info: dict[str, object], expected: bool
) -> None:
    api.ping["Api-Version"] = api_version
    api.on("GET /info", info)
    assert connect(EngineAddress(api.address)).sends_contexts_to_buildkit() is expected


def test_a_container_is_created_under_its_name(api: EngineApi, docker_engine: Engine) -> None:
    api.on("POST /containers/create", Reply(201, {"Id": "c1"}))
    specification = ContainerSpecification("n._.1", "i:1", binds=(Bind("/w", "/workspace"),))
    assert docker_engine.create_container(specification) == "c1"
    request = api.sent("POST /containers/create")
    assert request.query == {"name": "n._.1"}
    assert request.json["Image"] == "i:1"
    assert request.json["HostConfig"]["Binds"] == ["/w:/workspace"]


@pytest.mark.parametrize(
    ("status", "message", "error"),
    [
        (409, "The container name is already in use", ConflictError),
        (404, "No such image: i:1", ImageNotFoundError),
        (400, "invalid mount config: bind source path does not exist: /w", MountMissingError),
        (500, "no space left on device", EngineError),
    ],
)
def test_the_reason_why_a_container_is_not_created_is_kept(
    api: EngineApi, docker_engine: Engine, status: int, message: str, error: type[Exception]
) -> None:
    api.on("POST /containers/create", refusal(status, message))
    with pytest.raises(EngineError) as caught:
        docker_engine.create_container(ContainerSpecification("n", "i:1"))
    assert type(caught.value) is error
    if isinstance(caught.value, MountMissingError):
        assert caught.value.path == "/w"
    else:
        assert message in str(caught.value)


def test_containers_are_found_by_their_exact_names(api: EngineApi, docker_engine: Engine) -> None:
    volume = {"Type": "volume", "Destination": "/v", "Name": "c" * 64}
    listed = {"Id": "c1", "Names": ["/other/alias", "/n._.1"], "Image": "i:1", "ImageID": ID}
    state = {"State": "running", "Status": "Up 2 hours", "Created": 5, "Labels": {"k": "v"}}
    api.on("GET /containers/json", [{**listed, **state, "Mounts": [volume, "/podman"]}])
    (found,) = docker_engine.containers(names=("n._.1",), labels=("k",), image="i:1")
    assert (found.id, found.name, found.image, found.image_id) == ("c1", "n._.1", "i:1", ID)
    assert (found.is_running, found.status, found.created) == (True, "Up 2 hours", 5)
    assert found.size is None
    assert [(each.path, each.is_anonymous) for each in found.mounts] == [("/v", True)]
    request = api.requests[-1]
    assert (request.query["all"], request.query["size"]) == ("1", "0")
    assert filters_of(request) == {
        "label": ["k"],
        "name": [r"^/?n\._\.1$"],
        "ancestor": ["i:1"],
    }
    docker_engine.containers(pattern="_1$")
    assert filters_of(api.requests[-1]) == {"label": [], "name": ["_1$"]}


@pytest.mark.parametrize("names", [[], None])
def test_a_removed_container_that_is_still_listed_is_left_out(
    api: EngineApi, docker_engine: Engine, names: list[str] | None
) -> None:
    """moby/moby#18628: such a container has no name, and no request finds it."""
    api.on("GET /containers/json", [{"Id": "c1", "Names": names}, {"Id": "c2", "Names": ["/n"]}])
    assert [each.name for each in docker_engine.containers()] == ["n"]


def test_what_a_container_wrote_is_measured_on_request(
    api: EngineApi, docker_engine: Engine
) -> None:
    # The engine leaves out SizeRw of a container that wrote nothing.
    listed = [
        {"Id": "c1", "Names": ["/n"], "SizeRw": 7, "SizeRootFs": 9},
        {"Id": "c2", "Names": ["/m"], "SizeRootFs": 2},
    ]
    api.on("GET /containers/json", listed)
    assert [each.size for each in docker_engine.containers(sizes=True)] == [7, 0]
    assert api.requests[-1].query["size"] == "1"


def test_one_container_is_inspected_by_name(api: EngineApi, docker_engine: Engine) -> None:
    config = {"Image": "i:1", "Labels": {"k": "v"}}
    inspected = {"Id": "c1", "Name": "/n._.1", "Image": ID, "Config": config}
    api.on("GET /containers/n._.1/json", {**inspected, "State": {"Status": "exited"}})
    found = docker_engine.container("n._.1")
    assert found is not None
    assert (found.name, found.image, found.image_id) == ("n._.1", "i:1", ID)
    assert (found.labels, found.state, found.is_running) == ({"k": "v"}, "exited", False)
    api.on("GET /containers/n._.1/json", refusal(404, "No such container: n._.1"))
    assert docker_engine.container("n._.1") is None


def test_a_name_that_may_be_an_id_is_looked_up_as_a_name(
    api: EngineApi, docker_engine: Engine
) -> None:
    api.on("GET /containers/json", [])
    assert docker_engine.container("abc") is None
    assert api.calls == ["GET /containers/json"]


@pytest.mark.parametrize(
    ("passwd", "group", "refused"),
    [
        ([stat(PLAIN)], stat(PLAIN), None),
        ([stat(PIPE)], stat(PLAIN), "/etc/passwd"),
        ([stat(PLAIN)], stat(PIPE), "/etc/group"),
        ([stat(LINK, "/p"), stat(PIPE)], stat(PLAIN), "/etc/passwd"),
        ([stat(LINK, "/p"), stat(PLAIN)], stat(PLAIN), None),
        ([refusal(404, "no such file")], stat(PLAIN), None),
    ],
)
def test_a_container_whose_accounts_would_hang_the_engine_is_not_started(
    api: EngineApi, docker_engine: Engine, passwd: list[Reply], group: Reply, refused: str | None
) -> None:
    kinds = {"/etc/passwd": passwd[0], "/p": passwd[-1], "/etc/group": group}
    api.on("HEAD /containers/c/archive", lambda request: kinds[request.query["path"]])
    api.on("POST /containers/c/start", Reply(204))
    if refused is None:
        docker_engine.start("c")
        assert "POST /containers/c/start" in api.calls
        return
    with pytest.raises(SetupError, match=f"^{refused} is not a regular file"):
        docker_engine.start("c")
    assert "POST /containers/c/start" not in api.calls


def test_a_start_whose_answer_the_engine_lost_is_asked_for_again(
    api: EngineApi, docker_engine: Engine
) -> None:
    """Docker 28.5 lost one, of a container that ended at once, on a busy machine."""
    api.on("HEAD /containers/c/archive", stat(PLAIN))
    api.on("POST /containers/c/start", refusal(500, "ttrpc: closed"), Reply(204))
    docker_engine.start("c")
    assert api.calls.count("POST /containers/c/start") == 2

    api.on("POST /containers/c/start", refusal(500, "no such device"))
    with pytest.raises(EngineError, match="no such device"):
        docker_engine.start("c")
    assert api.calls.count("POST /containers/c/start") == 3


@pytest.mark.parametrize("hang_up", [Reply(204), refusal(409, "container c is not running")])
def test_a_container_is_hung_up_and_then_stopped(
    api: EngineApi, docker_engine: Engine, hang_up: Reply
) -> None:
    api.on("POST /containers/c/kill", hang_up)
    api.on("POST /containers/c/stop", Reply(204))
    docker_engine.stop("c", 7)
    assert api.calls == ["POST /containers/c/kill", "POST /containers/c/stop"]
    assert [dict(each.query) for each in api.requests] == [{"signal": "SIGHUP"}, {"t": "7"}]


def test_the_status_of_a_container_that_ended_is_returned(
    api: EngineApi, docker_engine: Engine
) -> None:
    api.on("POST /containers/c/wait", {"StatusCode": 7})
    assert docker_engine.wait("c") == 7


@pytest.mark.parametrize("follow", [False, True])
def test_the_output_of_a_terminal_is_not_framed(
    api: EngineApi, docker_engine: Engine, follow: bool
) -> None:
    api.on("GET /containers/c/json", {"Config": {"Tty": True}})
    api.on("GET /containers/c/logs", Reply(200, [b"one\r\nt", b"wo"]))
    assert list(docker_engine.logs("c", follow=follow)) == ["one", "two"]
    assert api.requests[-1].query["follow"] == str(int(follow))


def test_a_command_can_be_stopped_without_hanging_up(api: EngineApi, docker_engine: Engine) -> None:
    api.on("POST /containers/c/stop", Reply(204))
    docker_engine.stop("c", 7, hang_up=False)
    assert api.calls == ["POST /containers/c/stop"]


def test_a_container_is_attached_to_before_anything_is_read(
    api: EngineApi, docker_engine: Engine
) -> None:
    api.on("POST /containers/c/attach", Reply(200, [b"\1\0\0\0\0\0\0\3a\r\xff"]))
    pieces = docker_engine.attach("c")
    assert api.calls == ["POST /containers/c/attach"]
    assert api.requests[-1].query == {"stream": "1", "stdout": "1", "stderr": "1"}
    assert list(pieces) == [b"a\r\xff"]
    api.on("POST /containers/c/attach", refusal(404, "No such container: c"))
    with pytest.raises(NotFoundError):
        docker_engine.attach("c")


def test_a_container_is_removed_with_its_volumes_unless_they_are_kept(
    api: EngineApi, docker_engine: Engine
) -> None:
    api.on("DELETE /containers/c", Reply(204), Reply(204), refusal(404, "No such container: c"))
    docker_engine.remove_container("c")
    docker_engine.remove_container("c", force=True, keep_volumes=True)
    docker_engine.remove_container("c")
    assert [dict(each.query) for each in api.requests[:2]] == [
        {"v": "1", "force": "0"},
        {"v": "0", "force": "1"},
    ]


def test_a_removal_in_progress_is_waited_for(api: EngineApi, docker_engine: Engine) -> None:
    api.on("DELETE /containers/c", refusal(409, "removal of container c is already in progress"))
    api.on("POST /containers/c/wait", {"StatusCode": 0})
    docker_engine.remove_container("c")
    assert api.sent("POST /containers/c/wait").query == {"condition": "removed"}
    api.on("DELETE /containers/c", refusal(409, "You cannot remove a running container c"))
    with pytest.raises(ConflictError, match="running container"):
        docker_engine.remove_container("c")


def test_a_missing_volume_or_container_is_no_error(api: EngineApi, docker_engine: Engine) -> None:
    api.on("DELETE /volumes/v", Reply(204), refusal(404, "no such volume"))
    api.on("POST /containers/c/rename", Reply(204), refusal(404, "No such container: c"))
    for _ in range(2):
        docker_engine.remove_volume("v")
        docker_engine.rename_container("c", "n")
    assert api.requests[1].query == {"name": "n"}
    api.on("DELETE /volumes/v", refusal(409, "volume is in use"))
    api.on("POST /containers/c/rename", refusal(409, "the name n is already in use"))
    with pytest.raises(ConflictError, match="volume is in use"):
        docker_engine.remove_volume("v")
    with pytest.raises(ConflictError, match="already in use"):
        docker_engine.rename_container("c", "n")


def test_a_committed_image_has_the_configuration_of_its_model(
    api: EngineApi, docker_engine: Engine
) -> None:
    like = Image(
        ID, labels={"a": "1"}, environment=("P=x",), command=("bash",), volumes=("/v",), user=""
    )
    api.on("POST /commit", Reply(201, {"Id": OTHER.removeprefix("sha256:")}))
    made = docker_engine.commit("c", "r", "t", like, {"b": "2"}, message="why")
    assert made == OTHER
    request = api.sent("POST /commit")
    assert request.query == {"container": "c", "repo": "r", "tag": "t", "comment": "why"}
    assert request.json == {
        "Cmd": ["bash"],
        "Entrypoint": [],
        "User": "root",
        "WorkingDir": "",
        "Env": ["P=x"],
        "Labels": {"a": "1", "b": "2"},
        "Volumes": {"/v": {}},
    }


@pytest.mark.parametrize("answer", [None, []])
def test_a_container_that_changed_nothing_has_no_changes(
    api: EngineApi, docker_engine: Engine, answer: object
) -> None:
    api.on("GET /containers/c/changes", answer)
    assert docker_engine.changes("c") == []


def test_changes_are_sorted_by_path(api: EngineApi, docker_engine: Engine) -> None:
    found = [{"Path": "/z", "Kind": 2}, {"Path": "/a", "Kind": 1}, {"Path": "/b", "Kind": 0}]
    api.on("GET /containers/c/changes", found)
    assert docker_engine.changes("c") == [
        Change("/a", "added"),
        Change("/b", "changed"),
        Change("/z", "deleted"),
    ]


def test_a_directory_is_read_and_written_as_an_archive(
    api: EngineApi, docker_engine: Engine
) -> None:
    content = archive(**{"d/f": b"1" * 5000})
    path = {"X-Docker-Container-Path-Stat": base64.b64encode(b'{"name":"d"}').decode()}
    api.on("GET /containers/c/archive", Reply(200, [content[:700], content[700:]], path))
    api.on("PUT /containers/c/archive", Reply(200))
    docker_engine.write_directory("c", "/e", docker_engine.read_directory("c", "/d"))
    assert api.sent("GET /containers/c/archive").query == {"path": "/d"}
    written = api.sent("PUT /containers/c/archive")
    assert (written.query["path"], written.body) == ("/e", content)
    api.on("PUT /containers/c/archive", refusal(404, "Could not find the file /e"))
    with pytest.raises(NotFoundError, match="Could not find the file /e"):
        docker_engine.write_directory("c", "/e", [content])


def test_a_file_of_any_size_is_streamed(api: EngineApi, docker_engine: Engine) -> None:
    content = archive(f=b"12345" * 200_000)
    path = {"X-Docker-Container-Path-Stat": base64.b64encode(b'{"name":"f"}').decode()}
    api.on("GET /containers/c/archive", Reply(200, content, path))
    assert b"".join(docker_engine.stream_file("c", "/f")) == b"12345" * 200_000


def test_what_still_runs_in_a_container_is_told_from_what_has_ended(
    api: EngineApi, docker_engine: Engine
) -> None:
    state = {"Running": True, "StartedAt": "2026-01-02T03:04:05Z"}
    api.on("GET /containers/c/json", {"State": state, "ExecIDs": ["e1", "e2", "e3"]})
    runs = {"Running": True, "ProcessConfig": {"entrypoint": "top", "arguments": ["-b"]}}
    api.on("GET /exec/e1/json", runs)
    api.on("GET /exec/e2/json", {"Running": False})
    api.on("GET /exec/e3/json", refusal(404, "No such exec instance: e3"))
    found = docker_engine.activity("c")
    assert found == Activity(started=1767323045, commands=(("top", "-b"),))


def test_processes_are_the_last_column(api: EngineApi, docker_engine: Engine) -> None:
    api.on(
        "GET /containers/c/top", {"Processes": [["root", "1", "bash -c bash"], ["x", "2", "top"]]}
    )
    assert docker_engine.processes("c") == ["bash -c bash", "top"]
    api.on("GET /containers/c/top", {"Processes": None})  # it is ending
    assert docker_engine.processes("c") == []


def test_a_command_runs_in_a_container_as_a_user(api: EngineApi, docker_engine: Engine) -> None:
    api.on("POST /containers/c/exec", Reply(201, {"Id": "e1"}))
    api.on("POST /exec/e1/start", Reply(200, [frame(1, b"out\n") + frame(2, b"err \xff")]))
    api.on("GET /exec/e1/json", {"ExitCode": 3})
    assert docker_engine.exec_run("c", ("ls", "-l"), "1:2") == (3, "out\nerr \ufffd")
    made = api.sent("POST /containers/c/exec").json
    assert (made["Cmd"], made["User"]) == (["ls", "-l"], "1:2")


def test_a_detached_command_is_not_waited_for(api: EngineApi, docker_engine: Engine) -> None:
    api.on("POST /containers/c/exec", Reply(201, {"Id": "e1"}))
    api.on("POST /exec/e1/start", Reply(200))
    docker_engine.exec_detached("c", ("sleep", "9"), "1:2")
    assert api.sent("POST /exec/e1/start").json == {"Detach": True}


@pytest.mark.parametrize(
    "answer",
    [
        refusal(404, "No such container: c"),
        refusal(409, "not running"),
        Reply(200, {}),
        Reply(200, b""),
    ],
)
def test_a_container_that_has_ended_uses_nothing(
    api: EngineApi, docker_engine: Engine, answer: Reply
) -> None:
    api.on("GET /containers/c/stats", answer)
    assert docker_engine.stats("c") is None


def test_containers_and_images_are_streamed_out(api: EngineApi, docker_engine: Engine) -> None:
    api.on("GET /containers/c/export", Reply(200, [b"file ", b"system"]))
    api.on("GET /images/a:1/get", Reply(200, [b"image"]))
    assert b"".join(docker_engine.export("c")) == b"file system"
    assert b"".join(docker_engine.save_image("a:1")) == b"image"
    api.on("GET /images/a:1/get", refusal(404, "No such image: a:1"))
    with pytest.raises(ImageNotFoundError, match="a:1"):
        list(docker_engine.save_image("a:1"))


def test_an_archive_becomes_an_image_with_labels(api: EngineApi, docker_engine: Engine) -> None:
    api.on("GET /images/r:t/json", refusal(404, "No such image: r:t"))
    api.on("POST /images/create", Reply(200, json.dumps({"status": ID}).encode()))
    labels = {"k": 'a "b"'}
    assert docker_engine.import_image([b"one ", b"two"], "r", "t", labels=labels) == ID
    request = api.sent("POST /images/create")
    assert request.body == b"one two"
    assert (request.query["repo"], request.query["tag"]) == ("r", "t")
    assert request.query["changes"] == r'LABEL "k"="a \"b\""'


@pytest.mark.parametrize(
    ("before", "after", "is_removed"), [(None, ID, True), (OTHER, ID, True), (ID, ID, False)]
)
def test_an_import_that_fails_leaves_no_image_of_its_own(
    api: EngineApi, docker_engine: Engine, before: str | None, after: str, is_removed: bool
) -> None:
    """containerd's image store keeps, and tags, even what it could not unpack."""
    missing = refusal(404, "No such image: r:t")
    api.on("GET /info", {})
    api.on("GET /images/r:t/json", {"Id": before} if before else missing, {"Id": after})
    api.on("POST /images/create", {"errorDetail": {}, "error": "archive/tar: invalid header"})
    api.on("DELETE /images/r:t", [])
    with pytest.raises(EngineError, match=r"could not import.*invalid header"):
        docker_engine.import_image([b"no archive"], "r", "t")
    assert ("DELETE /images/r:t" in api.calls) == is_removed


def test_the_reason_of_a_failed_import_is_kept_if_the_engine_goes_away(
    api: EngineApi, docker_engine: Engine
) -> None:
    missing = refusal(404, "No such image: r:t")
    api.on("GET /images/r:t/json", missing, Reply(200, b"{", breaks_off=True))
    api.on("POST /images/create", refusal(500, "no space left on device"))
    with pytest.raises(EngineError, match="no space left on device"):
        docker_engine.import_image([b"x"], "r", "t")


def test_the_steps_of_an_image_are_newest_first(api: EngineApi, docker_engine: Engine) -> None:
    api.on("GET /info", {})
    steps = [{"CreatedBy": "RUN x", "Size": 5, "Comment": None}, {"Comment": "why"}]
    api.on(f"GET /images/{ID}/history", steps)
    assert docker_engine.history(ID) == [Layer("RUN x", 5), Layer("", 0, "why")]
    assert docker_engine.image_size(Image(ID, size=9)) == 9
    api.on(f"GET /images/{ID}/history", refusal(404, f"No such image: {ID}"))
    assert docker_engine.history(ID) == []


def test_the_size_of_an_image_in_containerds_store_is_that_of_its_layers(
    api: EngineApi, docker_engine: Engine
) -> None:
    api.on("GET /info", CONTAINERD)
    api.on(f"GET /images/{ID}/history", [{"Size": 5}, {"Size": 2}])
    assert docker_engine.image_size(Image(ID, size=100)) == 7


def test_shared_sizes_are_never_negative(api: EngineApi, docker_engine: Engine) -> None:
    api.on(
        "GET /system/df", {"Images": [{"Id": ID, "SharedSize": -1}, {"Id": OTHER, "SharedSize": 4}]}
    )
    assert docker_engine.shared_sizes() == {ID: 0, OTHER: 4}
    assert api.requests[-1].query == {"type": "image"}
    api.on("GET /system/df", {"Images": None})
    assert docker_engine.shared_sizes() == {}


GONE = refusal(404, "NotFound: content digest sha256:6cbc: not found")
"""What Docker 28 with containerd's store answers while someone removes an image."""


@pytest.mark.parametrize(
    ("path", "answer", "listed"),
    [
        ("/images/json", [], lambda engine: engine.find_images()),
        ("/containers/json", [], lambda engine: engine.containers(sizes=True)),
        ("/system/df", {}, lambda engine: engine.shared_sizes()),
    ],
)
def test_a_list_is_asked_for_again_while_images_are_removed(
    api: EngineApi,
    docker_engine: Engine,
    path: str,
    answer: object,
    listed: Callable[[Engine], object],
) -> None:
    api.on(f"GET {path}", GONE, GONE, answer)
    assert not listed(docker_engine)
    assert api.calls == [f"GET {path}"] * 3
    api.on(f"GET {path}", GONE)
    with pytest.raises(NotFoundError, match="content digest"):
        listed(docker_engine)


def test_an_image_that_is_being_removed_is_none(api: EngineApi, docker_engine: Engine) -> None:
    api.on("GET /images/x/json", GONE)
    assert docker_engine.image("x") is None
    api.on(f"GET /images/{ID}/history", GONE)
    assert docker_engine.history(ID) == []


def test_what_a_container_needs_on_the_host_is_read(api: EngineApi, docker_engine: Engine) -> None:
    host = {
        "Binds": ["/w:/workspace", "volume:/v", "/ro:/r:ro"],
        "Mounts": [{"Type": "bind", "Source": "/a:b", "Target": "/c"}, {"Type": "tmpfs"}],
        "Devices": [{"PathOnHost": "/dev/snd"}],
    }
    api.on("GET /containers/c/json", {"HostConfig": host, "State": {"Pid": 12}})
    found = docker_engine.mounts_and_devices("c")
    assert found.devices == ("/dev/snd",)
    assert found.mounts == ("/w", "/ro", "/a:b")
    assert found.targets["/a:b"] == "/c"
    assert found.process == 12
    assert not found.is_privileged
    api.on("GET /containers/c/json", {"HostConfig": {"Privileged": True}})
    assert docker_engine.mounts_and_devices("c").is_privileged


def test_the_engine_says_what_it_is(api: EngineApi, docker_engine: Engine) -> None:
    api.on("GET /version", {"MinAPIVersion": "1.24"})
    api.on("GET /info", {"ServerVersion": "24.0.9", **CONTAINERD})
    docker_engine.ping()
    assert docker_engine.minimum_api() == "1.24"
    assert docker_engine.newest_api() == "1.43"
    info = docker_engine.info()
    assert (info.version, info.is_local) == ("24.0.9", True)
    assert info.containerd == "/run/containerd/containerd.sock"
    assert str(docker_engine) == "Docker/24.0 (linux), API 1.43"


def test_a_pull_sends_the_login_of_the_docker_client(
    api: EngineApi, docker_engine: Engine, tmp_path: Path
) -> None:
    login = base64.b64encode(b"alice:secret").decode()
    configuration = tmp_path / "home/.docker/config.json"
    configuration.parent.mkdir()
    configuration.write_text(json.dumps({"auths": {"host:5000": {"auth": login}}}))
    api.on("POST /images/create", Reply(200, [b'{"status":"Pulling"}\r\n{"status":"Done"}\r\n']))
    told: list[str] = []
    docker_engine.pull("host:5000/a@sha256:" + "c" * 64, told.append)
    assert told == ["Pulling", "Done"]
    request = api.sent("POST /images/create")
    assert request.query == {"fromImage": "host:5000/a", "tag": "sha256:" + "c" * 64}
    sent = json.loads(base64.urlsafe_b64decode(request.headers["X-Registry-Auth"]))
    assert (sent["username"], sent["password"]) == ("alice", "secret")
    api.on("POST /images/create", Reply(200, [b'{"status":"Pulling"}\r\n'], breaks_off=True))
    with pytest.raises(EngineUnreachableError, match="No Docker Engine answers"):
        docker_engine.pull("host:5000/a", told.append)


def test_a_pull_from_an_engine_that_goes_away_is_not_a_missing_image(
    api: EngineApi, docker_engine: Engine
) -> None:
    api.on("POST /images/create", Reply(200, [b'{"status":"Pulling"}\r\n'], breaks_off=True))
    with pytest.raises(EngineUnreachableError):
        docker_engine.pull("a:1", lambda text: None)


Use = Callable[[Engine], object]


@pytest.mark.parametrize(
    ("call", "use"),
    [
        ("POST /containers/create", lambda e: e.create_container(ContainerSpecification("n", "i"))),
        ("POST /containers/c/wait", lambda e: e.wait("c")),
        ("POST /commit", lambda e: e.commit("c", "r", "t", Image(ID), {})),
        ("POST /containers/c/exec", lambda e: e.exec_run("c", ("ls",), "")),
        ("GET /containers/c/json", lambda e: list(e.logs("c"))),
        ("GET /containers/c/top", lambda e: e.processes("c")),
        ("GET /containers/c/changes", lambda e: e.changes("c")),
        ("GET /images/i/history", lambda e: e.history("i")),
        ("GET /system/df", lambda e: e.shared_sizes()),
        ("GET /images/json", lambda e: e.find_images()),
        ("GET /containers/json", lambda e: e.containers()),
        ("GET /containers/c/archive", lambda e: e.read_file("c", "/f")),
        ("HEAD /containers/c/archive", lambda e: e.real_path("c", "/f")),
    ],
)
@pytest.mark.parametrize("answer", [{"Images": 5}, [1]])
def test_an_answer_of_another_form_is_the_engines_error(
    api: EngineApi, docker_engine: Engine, call: str, use: Use, answer: object
) -> None:
    api.on(call, answer)
    with pytest.raises(EngineError, match="Invalid answer"):
        use(docker_engine)


@pytest.mark.parametrize("status", [None, "x"])
def test_an_exit_status_that_is_no_number_is_the_engines_error(
    api: EngineApi, docker_engine: Engine, status: object
) -> None:
    api.on("POST /containers/c/exec", Reply(201, {"Id": "e1"}))
    api.on("POST /exec/e1/start", Reply(200, b""))
    api.on("GET /exec/e1/json", {"ExitCode": status})
    with pytest.raises(EngineError, match="Invalid answer"):
        docker_engine.exec_run("c", ("ls",), "")


def test_a_network_is_there_or_not(api: EngineApi, docker_engine: Engine) -> None:
    api.on("GET /networks/lab", {"Name": "lab"})
    api.on("GET /networks/none-such", refusal(404, "network none-such not found"))
    assert docker_engine.has_network("lab")
    assert not docker_engine.has_network("none-such")
