"""The engine and the users that a run of the tests has to itself.

Runs that go on at the same time have each a slot: pytest-xdist's worker number, from
MLC_TEST_SLOT on. Slot 0 uses the engine of the environment; another slot has an engine of its own,
started by tools/engine.sh, and users with names and ids of their own.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
AT = "MLC_TEST_AT"
"""Set by `make engines`: the address that commands use, where DOCKER_HOST is a socket of the same
engine that the tests look by."""
SLOT = int(os.environ.get("MLC_TEST_SLOT") or 0) + int(
    os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
)
_END = str(SLOT or "")
ALICE = f"mlc-alice{_END}"
ALICE_IDS = (1001 + 10 * SLOT, 2001 + 10 * SLOT)
"""The UID from which on a free one is taken, and the GID."""
CAROL = f"mlc-carol{_END}"
CAROL_IDS = (1003 + 10 * SLOT, 2003 + 10 * SLOT)
FAR = f"mlc-far{_END}"
FAR_ID = 3_000_001 + 10 * SLOT
LDAP_LOGIN = f"h.baker{_END}@hertie-school.lan"
LDAP_ACCOUNT = f"h-baker{_END}-at-hertie-school-lan"
LDAP_ID = 1722830498 + 10 * SLOT
CAROL_LDAP_LOGIN = f"c.arol{_END}@hertie-school.lan"
CAROL_LDAP_ID = 1722830503 + 10 * SLOT


def use_own_engine() -> None:
    """Have this process and all it starts use the slot's engine; slot 0 keeps what it has."""
    if not SLOT or AT in os.environ:
        return
    engine = [str(ROOT / "tools/engine.sh")]
    done = subprocess.run([*engine, "up", str(SLOT)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    os.environ["DOCKER_HOST"] = subprocess.run(
        [*engine, "address", str(SLOT)], capture_output=True, text=True, check=True
    ).stdout.strip()
    subprocess.run([str(ROOT / "tools/base-images.sh")], capture_output=True, check=True)


def engine_address() -> str:
    """Return where the engine of this run is, as DOCKER_HOST has it."""
    return os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
