"""Which engine is used, compared with the docker client's choice."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from support.docker_contexts import CONTEXTS, make_contexts, use

from mlc_patched.engine.address import resolve

pytestmark = pytest.mark.real_engine
PATH = "/usr/local/bin:/usr/bin:/bin"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with Docker contexts."""
    make_contexts(tmp_path)
    return tmp_path


def client_resolves(environ: dict[str, str], chosen: str | None) -> tuple[str, str, bool]:
    """Return the context, address and SkipTLSVerify that the docker client uses."""
    flags = ["--context", chosen] if chosen else []
    name = subprocess.run(
        ["docker", *flags, "context", "show"],
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    done = subprocess.run(
        ["docker", *flags, "context", "inspect", *([name] if name else [])],
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    )
    endpoint = json.loads(done.stdout)[0]["Endpoints"]["docker"]
    return name, endpoint["Host"], endpoint["SkipTLSVerify"]


@pytest.mark.parametrize("chosen", [None, "far", "default"])
@pytest.mark.parametrize("current", [None, "tls", "default"])
@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"DOCKER_HOST": "tcp://1.2.3.4"},
        {"DOCKER_HOST": ""},
        {"DOCKER_CONTEXT": "careless"},
        {"DOCKER_CONTEXT": "default"},
        {"DOCKER_CONTEXT": ""},
        {"DOCKER_HOST": "unix:///x/y", "DOCKER_CONTEXT": "here"},
    ],
    ids=str,
)
def test_the_precedence_is_the_docker_client_s(
    home: Path, variables: dict[str, str], current: str | None, chosen: str | None
) -> None:
    if current:
        use(home, current)
    environ = {"HOME": str(home), "PATH": PATH, **variables}
    found = resolve(environ, chosen)
    name, host, careless = client_resolves(environ, chosen)
    assert (found.context, found.url) == (name, host)
    assert bool(found.tls and not found.tls.verify) == careless


@pytest.mark.parametrize("name", [*CONTEXTS, "default"])
def test_the_client_s_environment_selects_the_same_engine(home: Path, name: str) -> None:
    use(home, "careless")
    environ = {"HOME": str(home), "PATH": PATH}
    for variables in ({}, {"DOCKER_HOST": "unix:///x"}, {"DOCKER_HOST": ""}):
        ours = resolve({**environ, **variables}, name)
        for_client = ours.client_environment({**environ, **variables})
        assert client_resolves(for_client, None)[:2] == (ours.context, ours.url)
