"""Registries, reached through an engine's API."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from support.engine_api import EngineApi, Reply, refusal

from mlc_patched.engine.interface import Engine
from mlc_patched.engine.registry import RegistryError
from mlc_patched.errors import (
    ClientConfigurationError,
    EngineError,
    EngineUnreachableError,
    ImageNotFoundError,
)

NAME = "host:5000/ds01-1001/thesis"
PUSH = f"POST /images/{NAME}/push"
INSPECT = f"GET /distribution/{NAME}:latest/json"
DIGEST = "sha256:" + "d" * 64


def log_in(home: Path, **configuration: object) -> None:
    file = home / ".docker/config.json"
    file.parent.mkdir()
    auth = base64.b64encode(b"alice:secret").decode()
    file.write_text(json.dumps({"auths": {"host:5000": {"auth": auth}}, **configuration}))


def events(*found: object) -> Reply:
    return Reply(200, [json.dumps(each).encode() + b"\r\n" for each in found])


def test_a_push_returns_the_digest_and_sends_the_login(
    api: EngineApi, docker_engine: Engine, tmp_path: Path
) -> None:
    log_in(tmp_path / "home")
    detail = {"current": 5_000_000, "total": 10_000_000}
    api.on(
        PUSH,
        events(
            {"status": "Pushing", "id": "a", "progressDetail": detail},
            {"progressDetail": {}, "aux": {"Tag": "latest", "Digest": DIGEST, "Size": 9}},
        ),
    )
    told: list[str] = []
    assert docker_engine.registry().push(NAME, told.append) == DIGEST
    assert told[0] == "Pushing: 5 of 10 MB so far"
    request = api.sent(PUSH)
    assert request.query == {"tag": "latest"}
    sent = json.loads(base64.urlsafe_b64decode(request.headers["X-Registry-Auth"]))
    assert (sent["username"], sent["password"]) == ("alice", "secret")


@pytest.mark.parametrize(
    ("reply", "error", "words"),
    [
        (events({"error": "no basic auth credentials"}), RegistryError, "docker login host:5000"),
        (events({"status": "Pushed"}), RegistryError, "it reported no digest"),
        (refusal(500, "Get host: no such host."), RegistryError, "no such host. The engine cannot"),
        (refusal(404, "No such image: x"), ImageNotFoundError, "No such image"),
        (
            refusal(404, f"An image does not exist locally with the tag: {NAME}"),
            ImageNotFoundError,
            "does not exist locally",
        ),
        (refusal(404, f"{NAME} does not exist locally"), ImageNotFoundError, "does not exist"),
        (
            Reply(200, [b'{"status":"Pushing"}\r\n'], breaks_off=True),
            EngineUnreachableError,
            "No Docker Engine answers",
        ),
    ],
)
def test_a_push_that_fails_says_why(
    api: EngineApi, docker_engine: Engine, reply: Reply, error: type[Exception], words: str
) -> None:
    api.on(PUSH, reply)
    with pytest.raises(EngineError) as caught:
        docker_engine.registry().push(f"{NAME}:latest", lambda text: None)
    assert type(caught.value) is error
    assert words in str(caught.value)


def test_the_digest_of_an_image_in_its_registry_is_found(
    api: EngineApi, docker_engine: Engine
) -> None:
    api.on(INSPECT, {"Descriptor": {"digest": DIGEST}, "Platforms": []})
    assert docker_engine.registry().digest(f"{NAME}:latest") == DIGEST


@pytest.mark.parametrize("why", ["manifest unknown: manifest unknown", "Not Found", "name unknown"])
def test_an_image_that_the_registry_lacks_has_no_digest(
    api: EngineApi, docker_engine: Engine, why: str
) -> None:
    for status in (404, 500):
        api.on(INSPECT, refusal(status, why))
        assert docker_engine.registry().digest(f"{NAME}:latest") is None


@pytest.mark.parametrize(
    ("reply", "error", "words"),
    [
        (refusal(403, "denied: requested access"), RegistryError, "docker login host:5000"),
        (Reply(200, {"Descriptor": {}}), EngineError, "Invalid answer"),
        (Reply(200, b"{", breaks_off=True), EngineUnreachableError, "No Docker Engine answers"),
    ],
)
def test_a_registry_that_does_not_answer_is_not_one_without_the_image(
    api: EngineApi, docker_engine: Engine, reply: Reply, error: type[Exception], words: str
) -> None:
    api.on(INSPECT, reply)
    with pytest.raises(EngineError) as caught:
        docker_engine.registry().digest(f"{NAME}:latest")
    assert type(caught.value) is error
    assert words in str(caught.value)


def test_a_credential_helper_that_is_missing_is_not_the_registrys_fault(
    api: EngineApi, docker_engine: Engine, tmp_path: Path
) -> None:
    log_in(tmp_path / "home", credsStore="mlc-test-missing")
    for ask in (
        lambda: docker_engine.registry().digest(f"{NAME}:latest"),
        lambda: docker_engine.registry().push(NAME, lambda text: None),
    ):
        with pytest.raises(ClientConfigurationError, match="mlc-test-missing"):
            ask()
    assert api.requests == []
