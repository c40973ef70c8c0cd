"""The API version that is used with an engine, and what becomes of its failures."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Generator
from pathlib import Path

import pytest
from support.engine_api import EngineApi, Reply, refusal

from mlc_patched.engine import connection
from mlc_patched.engine.address import EngineAddress
from mlc_patched.engine.connect import connect as connect_engine
from mlc_patched.engine.connection import NEWEST_API, EngineConnection
from mlc_patched.engine.http import Answer
from mlc_patched.engine.interface import Engine
from mlc_patched.errors import (
    ConflictError,
    EngineError,
    EngineUnreachableError,
    ImageNotFoundError,
    NoAccessError,
    NotFoundError,
)


def connect(
    monkeypatch: pytest.MonkeyPatch, ping: dict[str, str], version: dict[str, str]
) -> tuple[EngineConnection, list[str]]:
    """Connect to an engine with these headers of /_ping and this answer to /version."""
    asked: list[str] = []

    def send(method: str, target: str, *_: object, **__: object) -> Answer:
        asked.append(f"{method} {target}")
        body = json.dumps(version).encode() if target == "/version" else b"OK"
        return Answer(200, ping, body)

    monkeypatch.setattr(EngineConnection, "_transport", lambda self: send)
    return EngineConnection(EngineAddress()), asked


@pytest.mark.parametrize(
    ("ping", "minimum", "used"),
    [
        ({"api-version": "1.41"}, "1.12", "1.41"),  # Docker 20.10
        ({"api-version": "1.51"}, "1.44", "1.51"),  # Docker 28.5
        ({"api-version": "1.60"}, "1.44", NEWEST_API),  # newer than any we know
        ({"api-version": "1.60"}, "1.55", "1.55"),  # and it refuses ours
        ({"api-version": "1.9"}, "1.9", "1.9"),  # numbers, not text
        ({}, "1.44", NEWEST_API),
    ],
)
def test_the_api_version_is_the_newest_that_both_have(
    monkeypatch: pytest.MonkeyPatch, ping: dict[str, str], minimum: str, used: str
) -> None:
    engine, asked = connect(monkeypatch, ping, {"MinAPIVersion": minimum})
    engine.ask("GET", "/info")
    assert asked[-1] == f"GET /v{used}/info"


def test_only_an_engine_that_is_newer_than_we_know_is_asked_for_its_minimum(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, asked = connect(monkeypatch, {"api-version": NEWEST_API}, {"MinAPIVersion": "1.44"})
    assert asked == ["GET /_ping"]


def test_an_engine_with_another_major_version_needs_a_newer_program(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "__version__", "0.1.0")
    with pytest.raises(EngineError) as failure:
        connect(monkeypatch, {"api-version": "2.3"}, {"MinAPIVersion": "2.0"})
    assert failure.value.message == (
        f"mlc-patched 0.1.0 is too old for this engine: it uses version {NEWEST_API} of the "
        "Docker Engine API, and the engine needs 2.0 or newer."
    )
    assert failure.value.hint == "Install a newer mlc-patched."


@pytest.mark.parametrize(("offered", "minimum"), [("x", "1.44"), ("1.60", "1.x")])
def test_a_version_that_is_no_number_is_an_error_of_the_engine(
    monkeypatch: pytest.MonkeyPatch, offered: str, minimum: str
) -> None:
    with pytest.raises(EngineError, match="Invalid answer"):
        connect(monkeypatch, {"api-version": offered}, {"MinAPIVersion": minimum})


@pytest.mark.parametrize("answer", [[], "text", None])
def test_an_invalid_version_is_an_error_of_the_engine(
    monkeypatch: pytest.MonkeyPatch, answer: object
) -> None:
    engine, _ = connect(monkeypatch, {"api-version": "1.44"}, answer)  # type: ignore[arg-type]
    with pytest.raises(EngineError, match="Invalid answer"):
        engine.minimum_api  # noqa: B018


def test_an_engine_that_does_not_answer_is_named_with_what_to_check(tmp_path: Path) -> None:
    url = f"unix://{tmp_path}/no.sock"
    with pytest.raises(EngineUnreachableError) as caught:
        EngineConnection(EngineAddress(url))
    assert caught.value.message.startswith(f"No Docker Engine answers at {url}: ")
    assert caught.value.hint == ("Is it running (systemctl status docker)? Is DOCKER_HOST correct?")


def test_a_user_who_may_not_open_the_socket_is_told_the_group(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def dial(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("mlc_patched.engine.socket.dial", dial)
    with pytest.raises(NoAccessError, match="usermod -aG docker"):
        EngineConnection(EngineAddress())


HTML = b"<html><body><h1>403 Forbidden</h1>\nForbidden by administrative rules.</body></html>"


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (404, b"", ""),
        (404, b"404 page not found\n", ": 404 page not found"),
        (403, HTML, ""),
        (502, b"", ""),
        (302, b"", ""),
        (500, b"{}", ""),
    ],
)
def test_a_server_that_is_not_an_engine_is_named_with_its_status(
    monkeypatch: pytest.MonkeyPatch, status: int, body: bytes, said: str
) -> None:
    answer = Answer(status, {}, body)
    monkeypatch.setattr(EngineConnection, "_transport", lambda self: lambda *_, **__: answer)
    with pytest.raises(EngineUnreachableError) as caught:
        EngineConnection(EngineAddress("tcp://host:8080"))
    assert caught.value.message == (
        "No Docker Engine answers at tcp://host:8080: another server or a proxy answered "
        f"with HTTP status {status}{said}."
    )
    assert "docker --host tcp://host:8080 version" in caught.value.hint


def test_an_engine_that_needs_tls_is_not_taken_for_another_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # As Go's server, which Docker's engine is, answers a request without TLS.
    answer = Answer(400, {}, b"Client sent an HTTP request to an HTTPS server.\n")
    monkeypatch.setattr(EngineConnection, "_transport", lambda self: lambda *_, **__: answer)
    with pytest.raises(EngineUnreachableError) as caught:
        EngineConnection(EngineAddress("tcp://host:2376"))
    assert caught.value.message == (
        "No Docker Engine answers at tcp://host:2376 without TLS: Client sent an HTTP request to "
        "an HTTPS server."
    )
    assert "DOCKER_TLS_VERIFY=1" in caught.value.hint


def test_an_engine_that_refuses_the_first_request_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer = Answer(403, {}, b'{"message": "authorization denied by plugin x"}')
    monkeypatch.setattr(EngineConnection, "_transport", lambda self: lambda *_, **__: answer)
    with pytest.raises(EngineError, match=r"^The Docker Engine refused: authorization denied"):
        EngineConnection(EngineAddress())


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b'{"message": "plain text "}', "plain text"),
        (b"plain text\n", "HTTP status {status} from {address}: plain text"),
        (b"", "HTTP status {status} from {address}"),
        (b'{"message": ""}', "HTTP status {status} from {address}"),
        (HTML, "HTTP status {status} from {address}"),
    ],
)
@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_refusal_without_the_engines_reason_has_status_and_address(
    api: EngineApi, docker_engine: Engine, body: bytes, why: str, status: int
) -> None:
    api.on("GET /info", Reply(status, body))
    with pytest.raises(NotFoundError if status == 404 else EngineError) as caught:
        docker_engine.info()
    expected = why.format(status=status, address=api.address)
    assert caught.value.message.removeprefix("The Docker Engine refused: ") == expected


@pytest.mark.parametrize(
    ("status", "error"), [(404, ImageNotFoundError), (409, ConflictError), (500, EngineError)]
)
def test_refusals_of_streams_are_the_same_errors(
    api: EngineApi, docker_engine: Engine, status: int, error: type[Exception]
) -> None:
    api.on("GET /images/a/get", refusal(status, "image a is missing or busy"))
    with pytest.raises(EngineError, match="image a is missing or busy") as caught:
        list(docker_engine.save_image("a"))
    assert type(caught.value) is error


def test_a_stream_that_breaks_off_is_an_unreachable_engine(
    api: EngineApi, docker_engine: Engine
) -> None:
    api.on("GET /containers/c/export", Reply(200, [b"half"], breaks_off=True))
    with pytest.raises(EngineUnreachableError, match="No Docker Engine answers"):
        list(docker_engine.export("c"))


def test_a_request_that_is_not_answered_has_a_limit(api: EngineApi) -> None:
    is_over = threading.Event()

    def hang(_: object) -> Reply:
        is_over.wait(60)
        return Reply()

    api.on("GET /info", hang)
    engine = EngineConnection(EngineAddress(api.address))
    with pytest.raises(EngineError, match="did not answer within 0 seconds"):
        engine.ask("GET", "/info", seconds=0.01)
    is_over.set()


@pytest.mark.parametrize("begins", [False, True])
def test_a_stream_that_does_not_go_on_has_a_limit(
    api: EngineApi, docker_engine: Engine, monkeypatch: pytest.MonkeyPatch, begins: bool
) -> None:
    monkeypatch.setattr(connection, "LONGEST_SECONDS", 0.05)
    is_over = threading.Event()

    def pieces() -> Generator[bytes, None, None]:
        yield b'{"status":"Pushing"}\r\n'
        is_over.wait(60)

    def hang(_: object) -> Reply:
        if not begins:
            is_over.wait(60)
        return Reply(200, pieces())

    api.on("POST /images/host/a/push", hang)
    with pytest.raises(EngineError, match="did not answer within") as caught:
        docker_engine.registry().push("host/a", lambda text: None)
    assert not isinstance(caught.value, EngineUnreachableError)
    is_over.set()


@pytest.mark.parametrize("is_users", [False, True])
def test_an_engine_of_the_users_choice_gets_no_login_of_roots(
    api: EngineApi, tmp_path: Path, is_users: bool
) -> None:
    configuration = tmp_path / "home/.docker/config.json"
    configuration.parent.mkdir()
    login = {"auth": base64.b64encode(b"root:secret").decode()}
    configuration.write_text(
        json.dumps({"auths": {"host:5000": login}, "HttpHeaders": {"X-Token": "secret"}})
    )
    digest = "sha256:" + "d" * 64
    api.on("POST /images/host:5000/a/push", {"aux": {"Digest": digest}})
    api.on("POST /images/create", {"status": "Done"})
    address = EngineAddress(api.address, is_users=is_users)
    assert EngineConnection(address).may_log_in == (not is_users)
    engine = connect_engine(address)
    engine.pull("host:5000/a", lambda text: None)
    engine.registry().push("host:5000/a", lambda text: None)
    for request in api.requests:
        sent = {name.lower(): value for name, value in request.headers.items()}
        login_sent = json.loads(base64.urlsafe_b64decode(sent.get("x-registry-auth", "e30=")))
        assert (login_sent.get("password") == "secret") == (not is_users)
        assert ("x-token" in sent) == (not is_users)
