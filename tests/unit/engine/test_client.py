"""The Docker client: a script here that reports a version."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.fakes.engine import FakeEngine

from mlc_patched.engine.client import (
    ClientVersion,
    buildx_too_old,
    fitting_client,
    too_old,
    version_of,
)
from mlc_patched.errors import EngineError

Client = Callable[..., dict[str, str]]


@pytest.fixture
def client(tmp_path: Path) -> Client:
    """Put a client on PATH that reports these versions; return the environment."""

    def make(version: str, api: str, buildx: str = "") -> dict[str, str]:
        path = tmp_path / "docker"
        path.write_text(
            "#!/bin/sh\n"
            f'[ "$1" = version ] && {{ echo "{version} {api}"; echo refused >&2; exit 1; }}\n'
            f'[ "$1" = buildx ] && [ -n "{buildx}" ] && echo "{buildx}"\n'
        )
        path.chmod(0o755)
        return {"PATH": str(tmp_path)}

    return make


def test_a_client_the_engine_accepts_is_used(client: Client, tmp_path: Path) -> None:
    engine = FakeEngine()
    engine.oldest_api = "1.44"
    path = fitting_client(client("28.5.2", "1.51"), "a shell", engine)
    assert path == str(tmp_path / "docker")


def test_a_client_below_the_engines_minimum_is_refused_with_both_versions(client: Client) -> None:
    engine = FakeEngine()
    engine.oldest_api = "1.44"
    with pytest.raises(EngineError) as failure:
        fitting_client(client("20.10.24", "1.41"), "a shell", engine)
    assert "version 20.10.24 has the Docker Engine API 1.41" in failure.value.message
    assert "needs 1.44 or newer" in failure.value.message
    assert "docker-ce-cli" in failure.value.hint
    assert "99.0" in failure.value.hint  # the engine's version


@pytest.mark.parametrize(
    ("set_to", "minimum", "is_refused"),
    [
        ("1.41", "1.44", True),
        ("1.5", "1.24", True),  # also where every client is accepted, which is then not asked
        ("none", "1.24", True),
        ("1.44", "1.44", False),
        ("", "1.44", False),
    ],
)
def test_an_api_version_from_the_environment_that_the_engine_refuses_is_named(
    client: Client, set_to: str, minimum: str, is_refused: bool
) -> None:
    engine = FakeEngine()
    engine.oldest_api = minimum
    environ = {**client("28.5.2", "1.51"), "DOCKER_API_VERSION": set_to}
    if not is_refused:
        assert fitting_client(environ, "a shell", engine)
        return
    with pytest.raises(EngineError) as failure:
        fitting_client(environ, "a shell", engine)
    assert failure.value.message == (
        f"DOCKER_API_VERSION is '{set_to}', and the engine needs version {minimum} of its API or "
        "newer."
    )
    assert failure.value.hint == "Unset it: unset DOCKER_API_VERSION"


def test_an_api_version_from_the_environment_that_is_too_new_is_named(client: Client) -> None:
    engine = FakeEngine()
    environ = {**client("28.5.2", "1.51"), "DOCKER_API_VERSION": "1.50"}
    assert fitting_client(environ, "a shell", engine)  # Podman
    engine.latest_api = "1.50"
    assert fitting_client(environ, "a shell", engine)
    engine.latest_api = "1.41"
    with pytest.raises(EngineError) as failure:
        fitting_client(environ, "a shell", engine)
    assert failure.value.message == (
        "DOCKER_API_VERSION is '1.50', and the engine has only version 1.41 of its API and older "
        "ones."
    )
    assert failure.value.hint == "Unset it: unset DOCKER_API_VERSION"


def test_an_engine_that_accepts_every_client_needs_no_look_at_it(client: Client) -> None:
    assert fitting_client(client("1.0", "1.2"), "a shell", FakeEngine())


def test_a_client_that_reports_no_version_is_not_refused(client: Client) -> None:
    engine = FakeEngine()
    engine.oldest_api = "1.44"
    assert fitting_client(client("", ""), "a shell", engine)


def test_without_a_client_the_purpose_and_the_package_are_named(tmp_path: Path) -> None:
    with pytest.raises(EngineError) as failure:
        fitting_client({"PATH": str(tmp_path)}, "building an image", FakeEngine())
    assert "building an image needs it" in failure.value.message
    assert "apt-get install" in failure.value.hint


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("github.com/docker/buildx v0.29.1-desktop 1234", "0.29.1"),
        ("github.com/docker/buildx 0.12 abc", "0.12"),
        ("github.com/docker/buildx", "unknown"),
        ("", ""),
        ("docker: 'buildx' is not a docker command. 1.2", ""),
    ],
)
def test_the_version_of_buildx_is_read(
    client: Client, tmp_path: Path, said: str, version: str
) -> None:
    environ = client("28.5.2", "1.51", said)
    found = version_of(str(tmp_path / "docker"), environ, with_buildx=True)
    assert found == ClientVersion("28.5.2", "1.51", version)


@pytest.mark.parametrize(
    ("api", "minimum", "is_refused"),
    [("1.41", "1.44", True), ("1.44", "1.44", False), ("1.5", "1.44", True), ("", "1.44", False)],
)
def test_versions_are_compared_by_number(api: str, minimum: str, is_refused: bool) -> None:
    assert bool(too_old(ClientVersion("1", api), minimum)) == is_refused


@pytest.mark.parametrize(
    ("buildx", "minimum", "is_refused"),
    [
        ("0.12.1", "1.44", True),
        ("0.13.0", "1.44", False),
        ("0.12.1", "1.24", False),
        ("", "1.44", False),
    ],
)
def test_an_old_buildx_cannot_build_on_an_engine_with_a_minimum(
    buildx: str, minimum: str, is_refused: bool
) -> None:
    assert buildx_too_old(ClientVersion("28.5", "1.51", buildx), minimum) == is_refused
