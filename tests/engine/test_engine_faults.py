"""An engine of the test's own that dies in mid-work, or whose disk is full."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import BASE
from recording import recording
from reliability import Counted
from users import ROOT, User

from mlc_patched.engine import Engine

sys.path.append(str(ROOT / "tools/bench"))
from engines import OwnEngine

pytestmark = pytest.mark.engine

DISK = 700 * 1024**2
"""Bytes of the engine's disk: the base image takes 300 MB of it."""


@pytest.fixture(scope="module")
def own(engine: Engine) -> Iterator[OwnEngine]:
    """An engine whose data root is a small disk, with the base image in it."""
    root = Path(tempfile.mkdtemp(prefix="mlc-test-engine-", dir="/var/tmp"))
    root.chmod(0o711)
    disk, made = root / "disk", OwnEngine(root)
    with disk.open("wb") as file:
        file.truncate(DISK)
    made.data.mkdir()
    call("mkfs.ext4", "-q", "-m", "0", str(disk))
    call("mount", "-o", "loop", str(disk), str(made.data))
    try:
        made.start()
        saved = subprocess.Popen(["docker", "save", BASE], stdout=subprocess.PIPE)
        subprocess.run(["docker", "-H", made.address, "load", "-q"], stdin=saved.stdout, check=True)
        assert saved.wait() == 0
        yield made
    finally:
        made.stop()
        mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        for mount in sorted((each for each in mounts if each.startswith(f"{root}/")), reverse=True):
            subprocess.run(["umount", mount], check=False)
        shutil.rmtree(root)


def call(*argv: str) -> None:
    """Run a program that must succeed."""
    subprocess.run(argv, check=True, capture_output=True)


def create(user: User, name: str, address: str) -> subprocess.Popen[str]:
    """Start a create by the old flow."""
    argv = ("create", name, "Pytorch", "2.8.0", "-s")
    return user.start(user.tree / "bin/mlc", *argv, DOCKER_HOST=address)


def there(engine: OwnEngine) -> tuple[set[str], set[str]]:
    """Return the names of an engine's containers and images."""
    connected = engine.connect()
    images = {name for each in connected.find_images() for name in each.references}
    return {each.name for each in connected.containers()}, images


def remove(user: User, name: str, address: str) -> None:
    """Remove a container."""
    done = user.mlc("remove", name, "-f", "-s", DOCKER_HOST=address)
    assert done.returncode == 0, done.stderr


@pytest.mark.promise("disk-full", "again")
def test_a_full_disk(alice: User, own: OwnEngine, counted: Counted) -> None:
    before = there(own)
    filler = own.data / "filler"
    free = shutil.disk_usage(own.data).free
    call("fallocate", "-l", str(free - 64 * 1024), str(filler))
    counted("disks filled")
    command = create(alice, "n", own.address)
    said, _ = command.communicate(timeout=60)
    assert command.returncode == 1, said
    assert "The disk is full; nothing of this was kept" in said
    assert "mlc prune" in said
    filler.unlink()
    assert there(own) == before
    command = create(alice, "n", own.address)
    said, _ = command.communicate(timeout=60)
    assert command.returncode == 0, said
    remove(alice, "n", own.address)
    assert there(own) == before


@pytest.mark.promise("engine-killed", "again")
@pytest.mark.parametrize("request_", ["POST /containers/.*/start", "POST /commit"])
def test_an_engine_that_is_killed_in_the_set_up(
    alice: User, own: OwnEngine, request_: str, counted: Counted
) -> None:
    before = there(own)

    def kill() -> None:
        assert own.process is not None
        own.process.send_signal(signal.SIGKILL)
        own.process.wait()

    with recording(own.address.removeprefix("unix://")) as record:
        record.before[request_] = kill
        command = create(alice, "n", record.address)
        said, _ = command.communicate(timeout=60)
    assert not record.before
    assert command.returncode == 1, said
    assert "No Docker Engine answers" in said
    # Its containerd died with it, and where no init reaps that, dockerd takes it for alive.
    (own.root / "exec/containerd/containerd.pid").unlink(missing_ok=True)
    own.start()
    counted("engine restarts")
    command = create(alice, "n", own.address)
    said, _ = command.communicate(timeout=60)
    assert command.returncode == 0, said
    remove(alice, "n", own.address)
    done = alice.mlc("prune", "-y", "--older-than", "0", DOCKER_HOST=own.address)
    assert done.returncode == 0, done.stderr
    assert there(own) == before
