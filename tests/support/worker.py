"""The pytest worker that runs these tests, and its Docker Engine.

Workers that run at the same time are numbered: pytest-xdist's number, counted from MLC_TEST_SLOT.
Worker 0 uses the engine of the environment; each other one has an engine of its own, which
tools/engine.sh starts.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COMMAND_ENGINE = "MLC_TEST_AT"
"""Set by `make engines`: the address that commands use. DOCKER_HOST is then a local socket of the
same engine, for the tests' own requests."""
IS_PARALLEL = "PYTEST_XDIST_WORKER" in os.environ
NUMBER = int(os.environ.get("MLC_TEST_SLOT") or 0) + int(
    os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
)


def is_product_run() -> bool:
    """Return whether `make engines` runs the tests, on an engine of its choice."""
    return COMMAND_ENGINE in os.environ


def use_own_engine() -> None:
    """Make this process and its children use the worker's engine, and start it if necessary.

    Worker 0, and every worker of `make engines`, keeps the engine of the environment.
    """
    if not NUMBER or is_product_run():
        return
    engine = [str(ROOT / "tools/engine.sh")]
    done = subprocess.run([*engine, "up", str(NUMBER)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    os.environ["DOCKER_HOST"] = subprocess.run(
        [*engine, "address", str(NUMBER)], capture_output=True, text=True, check=True
    ).stdout.strip()
    subprocess.run([str(ROOT / "tools/base-images.sh")], capture_output=True, check=True)


def engine_address() -> str:
    """Return the address of this worker's engine, in the form of DOCKER_HOST."""
    return os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
