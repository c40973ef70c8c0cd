"""Unit tests use no program of this machine but the shell's and git."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def docker_stub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the commands `docker` and `sbatch`, which always fail."""
    directory = tmp_path_factory.mktemp("bin")
    program = directory / "docker"
    program.write_text("#!/bin/sh\necho no unit test may use the Docker client >&2\nexit 1\n")
    program.chmod(0o755)
    shutil.copy(program, directory / "sbatch")  # no unit test is on a cluster of Slurm's
    return directory


@pytest.fixture(autouse=True)
def _no_docker_client(docker_stub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the stub on PATH: Docker clients exist only where a test makes one."""
    monkeypatch.setenv("PATH", f"{docker_stub}:{os.environ['PATH']}")


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A directory that every user may enter, which pytest's own are not."""
    place = Path(tempfile.mkdtemp(prefix="mlc-test-", dir="/var/tmp")).resolve()
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)
