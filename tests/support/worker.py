"""The pytest worker that runs these tests, and its Docker Engine.

Workers that run at the same time are numbered: pytest-xdist's number, counted from MLC_TEST_SLOT.
Worker 0 uses the engine of the environment; each other one has an engine of its own, which
tools/engine.sh starts, and stops at the end.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COMMAND_ENGINE = "MLC_TEST_AT"
"""Set by `make engines`: the address that commands use. DOCKER_HOST is then a local socket of the
same engine, for the tests' own requests."""
OWNER = "MLC_TEST_OWNER"
"""Set by `make engines` for a rootless engine: the login of its only user."""
ONE_USER = "a rootless engine has one user"
"""Why a test is skipped there."""
IS_PARALLEL = "PYTEST_XDIST_WORKER" in os.environ
NUMBER = int(os.environ.get("MLC_TEST_SLOT") or 0) + int(
    os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
)


def is_product_run() -> bool:
    """Return whether `make engines` runs the tests, on an engine of its choice."""
    return COMMAND_ENGINE in os.environ


@contextlib.contextmanager
def own_engine() -> Iterator[None]:
    """Make this process and its children use the worker's engine, and start it if necessary.

    Worker 0, and every worker of `make engines`, keeps the engine of the environment.
    """
    if not NUMBER or is_product_run():
        yield
        return
    was_there = _engine("status").returncode == 0
    try:
        _succeeds("up")
        os.environ["DOCKER_HOST"] = _succeeds("address")
        subprocess.run([ROOT / "tools/base-images.sh"], capture_output=True, check=True)
        yield
    finally:
        if not was_there:
            _succeeds("down")


def _succeeds(action: str) -> str:
    done = _engine(action)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def _engine(action: str) -> subprocess.CompletedProcess[str]:
    argv = [ROOT / "tools/engine.sh", action, str(NUMBER)]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def engine_address() -> str:
    """Return the address of this worker's engine, in the form of DOCKER_HOST."""
    return os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
