"""An engine of the test's own that dies in mid-work, or whose disk is full."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.base_images import BASE
from support.engine_proxy import recording
from support.image_commands import ImageUser, wait_for
from support.reliability import Counted, is_full, sized
from support.users import ROOT, User

from mlc_patched.engine.interface import Engine

sys.path.append(str(ROOT / "tools/bench"))
from engines import OwnEngine

pytestmark = pytest.mark.real_engine

DISK = 1200 * 1024**2
"""Bytes of the engine's disk: the base image takes 300 MB of it, one that is imported as many."""
ROOM = 8 * 1024**2
"""Bytes in which there is room for all but what is big."""
BIG = 24 * 1024**2
BUILDERS = {"classic": "0", "default": ""}
"""What DOCKER_BUILDKIT is to be for each."""


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
    """Start a create by the legacy flow."""
    argv = ("create", name, "Pytorch", "2.8.0", "-s")
    return user.start(user.tree / "bin/mlc", *argv, DOCKER_HOST=address)


def there(engine: OwnEngine) -> tuple[set[str], set[str]]:
    """Return the names of an engine's containers, and the ids and names of its images."""
    connected = engine.connect()
    found = connected.find_images() + connected.find_images(nameless=True)
    images = {name for each in found for name in (each.id, *each.references)}
    return {each.name for each in connected.containers()}, images


def runs_on_disk(engine: OwnEngine, prefix: str) -> bool:
    """Return whether a container runs, and its name is stored: an engine lists it before that."""
    for each in engine.data.glob("containers/*/config.v2.json"):
        with contextlib.suppress(FileNotFoundError):  # a step's container lives for a moment
            text = each.read_text()
            if f'"Name":"/{prefix}' in text and '"Running":true' in text:
                return True
    return False


def mlc(user: User, engine: OwnEngine, *argv: str) -> None:
    """Run a command that must succeed in the user's home."""
    done = user.mlc(*argv, cwd=user.home, DOCKER_HOST=engine.address)
    assert done.returncode == 0, done.stderr


def kill(engine: OwnEngine) -> None:
    """Kill an engine and see it gone."""
    assert engine.process is not None
    engine.process.send_signal(signal.SIGKILL)
    engine.process.wait()


def bring_back(engine: OwnEngine) -> None:
    """Start an engine that was killed."""
    # Its containerd died with it, and where no init reaps that, dockerd takes it for alive.
    (engine.root / "exec/containerd/containerd.pid").unlink(missing_ok=True)
    engine.start()


@contextlib.contextmanager
def full_disk(engine: OwnEngine, room: int = 64 * 1024) -> Iterator[None]:
    """Have an engine's disk full but for some bytes, for as long as the block."""
    filler = engine.data / "filler"
    free = shutil.disk_usage(engine.data).free
    call("fallocate", "-l", str(free - room), str(filler))
    try:
        yield
    finally:
        filler.unlink()


def assert_says_full(said: str) -> None:
    """Check that a message says that the disk is full, and what to do."""
    assert "The disk is full; nothing of this was kept" in said
    assert "mlc prune" in said


@pytest.mark.promise("disk-full", "again")
def test_a_full_disk_in_a_create_is_reported_and_leaves_nothing(
    alice: User, own: OwnEngine, counted: Counted
) -> None:
    before = there(own)
    with full_disk(own):
        command = create(alice, "n", own.address)
        said, _ = command.communicate(timeout=60)
    counted("disks filled")
    assert command.returncode == 1, said
    assert_says_full(said)
    assert there(own) == before
    command = create(alice, "n", own.address)
    said, _ = command.communicate(timeout=60)
    assert command.returncode == 0, said
    mlc(alice, own, "remove", "n", "-f", "-s")
    assert there(own) == before


@pytest.mark.promise("disk-full", "build-atomic", "again")
@pytest.mark.parametrize("builder", BUILDERS if is_full() else ["default"])
@pytest.mark.parametrize(
    "command", ["image-create", "image-update"] if is_full() else ["image-create"]
)
def test_a_full_disk_in_a_build(
    commands: ImageUser, own: OwnEngine, command: str, builder: str, counted: Counted
) -> None:
    environ = {"DOCKER_HOST": own.address, "DOCKER_BUILDKIT": BUILDERS[builder]}
    # Not what another case has left in the builder's cache.
    step = f"RUN head -c {BIG} /dev/urandom >/{command}-{builder}"
    source = commands.user.file("source/Dockerfile", f"FROM {BASE}\nRUN echo one\n")
    argv = {
        "image-create": ("demo", "--dockerfile", source, "-y", "--force"),
        "image-update": ("demo", "-y"),
    }
    others = there(own)
    commands.run("image-create", *argv["image-create"], **environ)
    text, before = commands.dockerfile("demo").read_text(), there(own)
    image = own.connect().image(commands.image("demo"))
    edited = source if command == "image-create" else commands.dockerfile("demo")
    edited.write_text(edited.read_text().replace("RUN echo one", step))
    with full_disk(own, ROOM):
        done = commands.run(command, *argv[command], ok=False, **environ)
    counted("disks filled")
    assert_says_full(done.stderr)
    assert f"failed at line 2 of the Dockerfile: {step}" in done.stderr
    assert there(own) == before
    assert own.connect().image(commands.image("demo")) == image
    if command == "image-create":
        assert commands.dockerfile("demo").read_text() == text
    commands.run(command, *argv[command], **environ)
    commands.run("image-retire", "demo", "-y", **environ)
    assert there(own) == others


@pytest.mark.promise("disk-full", "save-atomic", "again")
def test_a_full_disk_in_a_save(
    alice: User, own: OwnEngine, tmp_path: Path, counted: Counted
) -> None:
    others = there(own)
    mlc(alice, own, "create", "n", "Pytorch", "2.8.0", "-g", "none", "-s")
    big = tmp_path / "big"
    big.write_bytes(os.urandom(BIG))
    call("docker", "-H", own.address, "cp", str(big), f"{alice.tag('n')}:/big")
    before, image = there(own), f"ds01-{alice.uid}/n:kept"
    retire = (alice.tree / "bin/user/container-retire", "n", "--save=kept", "-y")
    with full_disk(own, ROOM):
        done = alice.run(*retire, DOCKER_HOST=own.address)
    counted("disks filled")
    assert done.returncode == 1
    assert_says_full(done.stderr)
    assert there(own) == before
    done = alice.run(*retire, DOCKER_HOST=own.address)
    assert done.returncode == 0, done.stderr
    assert image in there(own)[1]
    own.connect().remove_image(image)
    assert there(own) == others


@pytest.mark.promise("disk-full", "archive-atomic", "again")
def test_a_full_disk_in_an_import(alice: User, own: OwnEngine, counted: Counted) -> None:
    before, archive = there(own), alice.home / "n.mlc.tar"
    mlc(alice, own, "create", "n", "Pytorch", "2.8.0", "-s")
    mlc(alice, own, "export", "n", archive.name)
    mlc(alice, own, "remove", "n", "-s")
    assert there(own) == before
    argv = ("import", archive, "copy", "-s")
    with full_disk(own):
        done = alice.mlc(*argv, DOCKER_HOST=own.address)
    counted("disks filled")
    assert done.returncode == 1
    assert_says_full(done.stderr)
    assert there(own) == before
    done = alice.mlc(*argv, DOCKER_HOST=own.address)
    assert done.returncode == 0, done.stderr
    archive.unlink()
    mlc(alice, own, "remove", "copy", "-s")
    assert there(own) == before


CREATE = "mlc create n Pytorch 2.8.0 -g none -s"
SAVE = "container-retire n --save=kept -y"
IMPORT = "mlc import n.mlc.tar copy -s"
EXPORTED = (CREATE, "mlc export n n.mlc.tar -f", "mlc remove n -s")
ENGINE_KILLS = {
    (CREATE, "POST /containers/.*/start"): (),
    (CREATE, "POST /commit"): (),
    (SAVE, "POST /commit"): (CREATE,),
    (CREATE, "POST /containers/create.*n._"): (),
    (SAVE, "POST /images/.*/tag"): (CREATE,),
    (SAVE, "DELETE /containers/[0-9a-f]{64}"): (CREATE,),
    (IMPORT, "POST /images/create"): EXPORTED,
    (IMPORT, "POST /commit"): EXPORTED,
}
"""Commands, requests before which the engine is killed, and what the command needs."""
SMALL = 3
"""How many of them a small run does."""


def run(user: User, line: str, address: str) -> subprocess.CompletedProcess[str]:
    """Run a command line in the user's home."""
    name, *words = line.split()
    program = user.tree / ("bin/mlc" if name == "mlc" else f"bin/user/{name}")
    return user.run(program, *words, cwd=user.home, DOCKER_HOST=address)


@pytest.mark.promise("engine-killed", "again")
@pytest.mark.parametrize(
    ("line", "request_"),
    list(ENGINE_KILLS) if is_full() else list(ENGINE_KILLS)[:SMALL],
)
def test_an_engine_that_is_killed_at_a_request(
    alice: User, own: OwnEngine, line: str, request_: str, counted: Counted
) -> None:
    """The same command, once the engine is back, leaves nothing of the first one."""
    before = there(own)
    for each in ENGINE_KILLS[line, request_]:
        done = run(alice, each, own.address)
        assert done.returncode == 0, done.stderr
    with recording(own.address.removeprefix("unix://")) as record:
        record.before[request_] = lambda: kill(own)
        done = run(alice, line, record.address)
    assert not record.before
    assert done.returncode == 1, done.stderr
    assert "No Docker Engine answers" in done.stderr
    bring_back(own)
    counted("engine restarts")
    done = run(alice, line, own.address)
    assert done.returncode == 0, done.stderr
    own.connect().remove_image(f"ds01-{alice.uid}/n:kept")
    for name in ("n", "copy"):
        run(alice, f"mlc remove {name} -f -s", own.address)
    (alice.home / "n.mlc.tar").unlink(missing_ok=True)
    assert there(own) == before


@pytest.mark.promise("engine-killed", "again")
def test_an_engine_that_is_killed_in_a_build_of_an_account(
    alice: User, own: OwnEngine, counted: Counted
) -> None:
    """`legacy_flow = build`: by the builder in the engine, whose steps are named, too."""
    others = there(own)
    slow = (
        f"FROM {BASE}\nRUN mv /usr/sbin/useradd /usr/sbin/real && printf "
        "'#!/bin/sh\\nsleep 4; exec /usr/sbin/real \"$@\"\\n' >/usr/sbin/useradd"
        " && chmod 755 /usr/sbin/useradd\nUSER 65534\n"
    )
    own.connect().build(slow, "mlc-test/slow:1", labels={}, progress=lambda line: None)
    settings = alice.file("mlc.ini", "[images]\nlegacy_flow = build\n")
    environ = {"DOCKER_HOST": own.address, "DS01_SETTINGS": str(settings)}
    argv = ("create", "n", "--image", "mlc-test/slow:1", "-g", "none", "-s")
    before = there(own)
    command = alice.start(alice.tree / "bin/mlc", *argv, **environ)
    step = f"mlc-step-{alice.uid}-"
    deadline = time.monotonic() + 60
    while not runs_on_disk(own, step):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    kill(own)
    said, _ = command.communicate(timeout=60)
    assert command.returncode == 1, said
    bring_back(own)
    counted("engine restarts")
    assert [name for name in there(own)[0] if name.startswith(step)]
    done = alice.mlc(*argv, **environ)
    assert done.returncode == 0, done.stderr
    assert alice.mlc("remove", "n", "-f", "-s", **environ).returncode == 0
    (account,) = (name for name in there(own)[1] if name.startswith("mlc-account-"))
    own.connect().remove_image(account)
    assert there(own) == before
    own.connect().remove_image("mlc-test/slow:1")
    assert there(own) == others


@pytest.mark.promise("engine-killed", "build-atomic", "again")
@pytest.mark.parametrize(
    ("builder", "then"),
    [("default", "again"), ("classic", "again"), ("classic", "prune")][: sized(1, 3)],
)
def test_an_engine_that_is_killed_in_a_build(
    commands: ImageUser, own: OwnEngine, builder: str, then: str, counted: Counted
) -> None:
    """The classic builder's steps stay, by name; the same command takes them away, or prune."""
    environ = {"DOCKER_HOST": own.address, "DOCKER_BUILDKIT": BUILDERS[builder]}
    source = commands.user.file("source/Dockerfile", f"FROM {BASE}\nRUN echo one\n")
    argv = ("image-create", "demo", "--dockerfile", source, "-y", "--force")
    others = there(own)
    commands.run(*argv, **environ)
    text, before = commands.dockerfile("demo").read_text(), there(own)
    image = own.connect().image(commands.image("demo"))
    source.write_text(f"FROM {BASE}\nRUN echo two\nRUN echo begun; sleep 30\n")
    program = commands.command(argv[0])
    command = commands.user.start(program, *argv[1:], **{**commands.environ, **environ})
    wait_for(command, "begun\n")
    kill(own)
    said, _ = command.communicate(timeout=60)
    assert command.returncode == 1, said
    assert "No Docker Engine answers" in said.splitlines()[-1]
    bring_back(own)
    counted("engine restarts")
    containers, images = (now - then for now, then in zip(there(own), before, strict=True))
    named = {name for name in containers | images if "sha256:" not in name}
    names = {re.sub(r"-[0-9a-f]{12}(-ca|-s1)?$", "", name) for name in named}
    uid = commands.user.uid
    left = {f"mlc-step-{uid}", f"ds01-{uid}/demo:mlc-build"} if builder == "classic" else set()
    assert names == left
    assert own.connect().image(commands.image("demo")) == image
    assert commands.dockerfile("demo").read_text() == text
    if then == "prune":
        mlc(commands.user, own, "prune", "-y", "--older-than", "0")
        assert there(own) == before
    source.write_text(f"FROM {BASE}\nRUN echo two\nRUN echo begun\n")
    done = commands.run(*argv, **environ)
    assert ("left behind by a killed command" in done.stderr) == (
        builder == "classic" and then == "again"
    )
    commands.run("image-retire", "demo", "-y", **environ)
    assert there(own) == others
