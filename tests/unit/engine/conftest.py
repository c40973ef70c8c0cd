"""Engines that answer as the tests say, for this program's real connections."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.engine_api import EngineApi, serving

from mlc_patched.engine.address import EngineAddress
from mlc_patched.engine.connect import connect
from mlc_patched.engine.interface import Engine


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineApi]:
    """An engine's API on a socket; the docker client of the user has no configuration."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    with serving(tmp_path / "engine.sock") as served:
        yield served


@pytest.fixture
def docker_engine(api: EngineApi) -> Engine:
    """Docker behind that API."""
    return connect(EngineAddress(api.address))


@pytest.fixture
def podman_engine(api: EngineApi) -> Engine:
    """Podman behind that API; its own version is only in the answer to /_ping."""
    api.ping["Libpod-API-Version"] = "5.8.0"
    return connect(EngineAddress(api.address))
