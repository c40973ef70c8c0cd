"""Unit tests use no program of this machine but the shell's and git."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.aime_checkout import AimeCheckout, checkout, git, v2_files

from mlc_patched.patch import apply as patching


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


@pytest.fixture(scope="session")
def v2_template() -> Iterator[AimeCheckout]:
    """A checkout like that of AIME MLC 2.2.0, to be copied."""
    with checkout(v2_files("Pytorch, 2.8.0, [CUDA_ADA], hub/pytorch\n")) as made:
        git(made.remote.parent, "clone", "--quiet", str(made.remote), "author")  # see publish
        yield made


@pytest.fixture
def v2(
    v2_template: AimeCheckout, open_place: Path, monkeypatch: pytest.MonkeyPatch
) -> AimeCheckout:
    """The same, the test's own; nothing waits, and nothing is synced to disk."""
    monkeypatch.setattr(patching, "GRACE_SECONDS", 0)
    monkeypatch.setattr(os, "fsync", lambda file: None)
    old, new = v2_template.path.parent, open_place / "aime"
    shutil.copytree(old, new, symlinks=True)
    for place in (v2_template.path, old / "author"):
        config = new / place.name / ".git/config"
        config.write_text(config.read_text().replace(str(old), str(new)))
    return AimeCheckout(new / v2_template.path.name, new / v2_template.remote.name)


@pytest.fixture
def shell_program(v2: AimeCheckout) -> Path:
    """A program for patched checkouts that every user can read, and that a shell runs."""
    path = v2.path.parent / "mlc-patched.py"
    path.write_text("echo ours $*\n")
    path.chmod(0o644)
    return path
