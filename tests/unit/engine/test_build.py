"""Builds through an engine's API: what is sent, and what is made of the output."""

from __future__ import annotations

import io
import json
import os
import tarfile
import threading
from collections.abc import Generator
from pathlib import Path

import pytest
from support.engine_api import EngineApi, Reply, Request, refusal

from mlc_patched.engine.build_context import DOCKERFILE, BuildOptions
from mlc_patched.engine.interface import Engine
from mlc_patched.errors import EngineError, EngineUnreachableError
from mlc_patched.host.account import Account

ID = "sha256:" + "a" * 64


def output(*events: object) -> Reply:
    return Reply(200, [json.dumps(each).encode() + b"\r\n" for each in events])


def build(
    engine: Engine, told: list[str] | None = None, options: BuildOptions | None = None
) -> str:
    """Build `FROM x` as `a:1`, with its output in `told`."""
    heard: list[str] = [] if told is None else told
    labels = {"k": 'v "w"'}
    return engine.build("FROM x\n", "a:1", labels=labels, progress=heard.append, options=options)


def files_of(request: Request) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(request.body)) as tar:
        found = {each.name: tar.extractfile(each) for each in tar if each.isreg()}
        return {name: file.read() for name, file in found.items() if file is not None}


@pytest.fixture
def options(tmp_path: Path) -> BuildOptions:
    """A build context with a file, an argument and two secrets."""
    context = tmp_path / "context"
    context.mkdir()
    (context / "file").write_text("content")
    account = Account("alice", os.getuid(), os.getgid(), str(tmp_path))
    return BuildOptions(
        account, str(context), {"A": "1"}, {"index": "https://u:p@host", "pins": "x==1"}, "none"
    )


@pytest.mark.parametrize("buildkit", [False, True])
def test_buildkit_builds_on_request(
    api: EngineApi, docker_engine: Engine, options: BuildOptions, buildkit: bool
) -> None:
    traced = {"id": "moby.buildkit.trace", "aux": "AAAA"}
    api.on("POST /build", output(traced, {"id": "moby.image.id", "aux": {"ID": ID}}))
    api.on("GET /images/a:1/json", {"Id": ID})
    made = docker_engine.build(
        "FROM x\n", "a:1", labels={}, progress=pytest.fail, options=options, buildkit=buildkit
    )
    assert made == ID
    (request,) = [each for each in api.requests if each.path == "/build"]
    assert request.query.get("version") == ("2" if buildkit else None)
    assert "secrets" in request.query


def test_a_dockerfile_alone_is_built_without_context_and_cache(
    api: EngineApi, docker_engine: Engine
) -> None:
    api.on("POST /build", output({"stream": "Step 1/1 : FROM x\n"}))
    api.on("GET /images/a:1/json", {"Id": ID})
    assert build(docker_engine) == ID
    request = api.sent("POST /build")
    assert (request.query["t"], request.query["networkmode"]) == ("a:1", "host")
    assert json.loads(request.query["labels"]) == {"k": 'v "w"'}
    assert request.query["nocache"] == "True"
    assert list(files_of(request).values()) == [b"FROM x\n"]


def test_a_context_is_sent_with_arguments_and_secrets(
    api: EngineApi, docker_engine: Engine, options: BuildOptions
) -> None:
    api.on("POST /build", output({"stream": "done\n"}))
    api.on("GET /images/a:1/json", {"Id": ID})
    api.on("GET /containers/c/export", Reply(200, b""))
    build(docker_engine, options=options)
    request = api.sent("POST /build")
    assert (request.query["dockerfile"], request.query["networkmode"]) == (DOCKERFILE, "none")
    assert json.loads(request.query["buildargs"]) == {"A": "1"}
    assert request.query["nocache"] == "False"
    assert "https://u:p@host" not in str(request.query)
    found = files_of(request)
    assert (found["file"], found[DOCKERFILE]) == (b"content", b"FROM x\n")
    sources = dict(
        (part.partition("=")[2] for part in each.split(","))
        for each in json.loads(request.query["secrets"])
    )
    assert {name: found[source].decode() for name, source in sources.items()} == options.secrets
    list(docker_engine.export("c"))
    assert api.requests[-1].query == {}, "secrets are for builds alone"


def test_output_is_passed_on_line_by_line(api: EngineApi, docker_engine: Engine) -> None:
    api.on(
        "POST /build",
        output(
            {"stream": "Step 1/2 : FROM x"},
            {"stream": "\n"},
            {"status": "Pulling"},
            {"stream": " ---> a\n\nRunning \r\nin"},
            {"aux": {"ID": ID}},
            {"stream": " b"},
        ),
    )
    api.on("GET /images/a:1/json", {"Id": ID})
    told: list[str] = []
    build(docker_engine, told)
    assert told == ["Step 1/2 : FROM x", " ---> a", "Running", "in b"]


@pytest.mark.parametrize("unfinished", ["half a line", ""])
def test_a_build_that_fails_ends_with_the_reason(
    api: EngineApi, docker_engine: Engine, unfinished: str
) -> None:
    events = [{"stream": f"line {number}\n"} for number in range(40)]
    failure = {"error": "The command returned a non-zero code: 1\nsecond line"}
    api.on("POST /build", output(*events, {"stream": unfinished}, failure))
    told: list[str] = []
    with pytest.raises(EngineError) as caught:
        build(docker_engine, told)
    end = [unfinished] if unfinished else []
    end += ["The command returned a non-zero code: 1", "second line"]
    assert told[40:] == end
    lines = caught.value.message.splitlines()
    assert (len(lines), lines[-len(end) :]) == (30, end)
    assert api.calls == ["POST /build"], "there is no image to look for"


def test_a_build_that_the_engine_refuses_says_why(api: EngineApi, docker_engine: Engine) -> None:
    api.on("POST /build", refusal(400, "dockerfile parse error line 1: unknown instruction"))
    with pytest.raises(EngineError, match="unknown instruction"):
        build(docker_engine)


def test_a_build_that_breaks_off_is_no_success(api: EngineApi, docker_engine: Engine) -> None:
    api.on("POST /build", Reply(200, [b'{"stream":"Step 1/2"}\r\n'], breaks_off=True))
    with pytest.raises(EngineUnreachableError, match="No Docker Engine answers"):
        build(docker_engine)


def test_a_build_without_an_image_is_no_success(api: EngineApi, docker_engine: Engine) -> None:
    api.on("POST /build", output({"stream": "Successfully built\n"}))
    api.on("GET /images/a:1/json", refusal(404, "No such image: a:1"))
    with pytest.raises(EngineError, match="there is no image a:1"):
        build(docker_engine)


def test_an_interrupt_disconnects_so_that_the_engine_stops_the_build(
    api: EngineApi, docker_engine: Engine
) -> None:
    is_disconnected = threading.Event()

    def endless() -> Generator[bytes, None, None]:
        try:
            while True:
                yield b'{"stream":"%s\\n"}\r\n' % (b"x" * 10_000)
        finally:
            is_disconnected.set()

    def interrupt(line: str) -> None:
        raise KeyboardInterrupt

    api.on("POST /build", lambda request: Reply(200, endless()))
    with pytest.raises(KeyboardInterrupt) as caught:
        docker_engine.build("FROM x\n", "a:1", labels={}, progress=interrupt)
    assert is_disconnected.wait(10), "while the exception still holds all objects"
    assert caught.value.args == ()
