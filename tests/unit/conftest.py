"""Unit tests use no program of this machine but the shell's and git."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def docker_stub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a `docker` command that always fails."""
    directory = tmp_path_factory.mktemp("bin")
    program = directory / "docker"
    program.write_text("#!/bin/sh\necho no unit test may use the Docker client >&2\nexit 1\n")
    program.chmod(0o755)
    return directory


@pytest.fixture(autouse=True)
def _no_docker_client(docker_stub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the stub on PATH: Docker clients exist only where a test makes one."""
    monkeypatch.setenv("PATH", f"{docker_stub}:{os.environ['PATH']}")
