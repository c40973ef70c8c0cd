"""A configuration of the docker client that cannot be used: the file and why are named."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from mlc_patched.engine.address import EngineAddress
from mlc_patched.engine.client_configuration import sdk_client, without_logins
from mlc_patched.engine.connection import EngineConnection
from mlc_patched.engine.docker import DockerEngine
from mlc_patched.engine.docker_registry import EngineRegistry
from mlc_patched.engine.http import Answer
from mlc_patched.errors import ClientConfigurationError, EngineUnreachableError, ImageNotFoundError

IMAGE = "registry.example/x:1"
INVALID = {
    "a list": "[]",
    "a text": '"x"',
    "a number": "7",
    "auths is a list": '{"auths": [1]}',
    "a login is a number": '{"auths": {"registry.example": 7}}',
    "a login is not base64": '{"auths": {"registry.example": {"auth": "%%%"}}}',
    "a login is not ASCII": '{"auths": {"registry.example": {"auth": "é"}}}',
    "a login is binary": '{"auths": {"registry.example": {"auth": "//8="}}}',
    "a login has no password": '{"auths": {"registry.example": {"auth": "YQ=="}}}',
    "a login is a list": '{"auths": {"registry.example": {"auth": ["x"]}}}',
    "the store is a number": '{"credsStore": 7}',
    "the helpers are a list": '{"credHelpers": ["registry.example"]}',
    "a helper is a number": '{"credHelpers": {"registry.example": 7}}',
    "proxies are a list": '{"proxies": []}',
    "a proxy is a number": '{"proxies": {"default": 7}}',
    "headers are a list": '{"HttpHeaders": [1]}',
    "a header is a number": '{"HttpHeaders": {"x": 7}}',
    "a header has two lines": '{"HttpHeaders": {"x": "a\\nb"}}',
    "deep": "[" * 10**5,
    "a helper that is missing": '{"credsStore": "mlc-test-missing"}',
    "a helper for one registry that is missing": (
        '{"credHelpers": {"registry.example": "mlc-test-missing"}}'
    ),
    "a helper that fails": '{"credsStore": "mlc-test-fails"}',
    "a helper that talks": '{"credsStore": "mlc-test-talks"}',
    "a helper that is not a program": '{"credsStore": "mlc-test-text"}',
}


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The client's configuration, and some credential helpers on PATH."""
    for name, text in (
        ("fails", "#!/bin/sh\necho broken keyring\nexit 3\n"),
        ("talks", "#!/bin/sh\necho hello\n"),
        ("text", "no program\n"),
    ):
        helper = tmp_path / f"docker-credential-mlc-test-{name}"
        helper.write_text(text)
        helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return tmp_path / "config.json"


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> EngineConnection:
    """A connection to an engine that answers a ping, and nothing else."""
    monkeypatch.setattr(
        EngineConnection, "_transport", lambda _: lambda *_, **__: Answer(200, {}, b"OK")
    )
    return EngineConnection(EngineAddress("unix:///nowhere"))


def pull(connection: EngineConnection) -> None:
    DockerEngine(connection=connection).pull(IMAGE, print)


def push(connection: EngineConnection) -> None:
    EngineRegistry(connection).push(IMAGE, print)


def digest(connection: EngineConnection) -> None:
    EngineRegistry(connection).digest(IMAGE)


@pytest.mark.promise("input-refused")
@pytest.mark.parametrize("use", [pull, push, digest])
@pytest.mark.parametrize("text", INVALID.values(), ids=INVALID)
def test_a_configuration_that_cannot_be_used_is_named(
    text: str, use: Callable[[EngineConnection], None], file: Path, connection: EngineConnection
) -> None:
    file.write_text(text)
    with (
        warnings.catch_warnings(),
        pytest.raises((ClientConfigurationError, ImageNotFoundError)) as raised,
    ):
        warnings.simplefilter("error")
        use(connection)
    assert f"configuration {file} cannot be used" in str(raised.value)
    assert "No Docker Engine" not in str(raised.value)
    assert use is pull or isinstance(raised.value, ClientConfigurationError)


@pytest.mark.parametrize("kind", ["FIFO", "directory"])
def test_a_configuration_that_is_not_a_file_does_not_block(
    kind: str, file: Path, connection: EngineConnection
) -> None:
    file.mkdir() if kind == "directory" else os.mkfifo(file)
    with pytest.raises(ClientConfigurationError, match="is not a file"):
        push(connection)


def test_the_missing_helper_is_named(file: Path, connection: EngineConnection) -> None:
    file.write_text('{"credsStore": "mlc-test-missing"}')
    with pytest.raises(
        ClientConfigurationError, match="docker-credential-mlc-test-missing not installed"
    ):
        push(connection)


@pytest.mark.parametrize(
    "text", ["", "{", "{}", json.dumps({"auths": {"other.example": {}}}), '{"currentContext": 7}']
)
def test_a_configuration_without_a_login_is_none(
    text: str, file: Path, connection: EngineConnection
) -> None:
    file.write_text(text)
    with pytest.raises(EngineUnreachableError):  # the SDK's own request gets that far
        push(connection)


def test_an_engine_of_the_user_s_choice_gets_none_of_root_s_logins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from docker.auth import get_config_header

    (tmp_path / "config.json").write_text(
        json.dumps({"auths": {"r.invalid": {"auth": "YTpi"}}, "HttpHeaders": {"X-Secret": "s"}})
    )
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    client = sdk_client("unix:///x", "1.41", 5)
    assert get_config_header(client, "r.invalid")
    assert "HttpHeaders" in client._general_configs
    without_logins(client)
    assert not get_config_header(client, "r.invalid")
    assert "HttpHeaders" not in client._general_configs
