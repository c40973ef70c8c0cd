"""`legacy_flow = build` on the real engine: built once, then directly from the image."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.base_images import BARE, BASE
from support.engine_proxy import Recording
from support.engine_state import container_names, docker, image_ids, inspect
from support.reliability import Counted, sized
from support.users import User

pytestmark = pytest.mark.real_engine

SETTINGS = "[images]\nlegacy_flow = build\n"


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[str]:
    """A settings file that every user can read."""
    if Path("/etc/ds01/mlc.ini").exists():
        pytest.skip("this machine has settings of its own")
    path = Path(f"/var/tmp/{tmp_path.name}-{os.getpid()}-mlc.ini")
    path.write_text(SETTINGS)
    path.chmod(0o644)
    yield str(path)
    path.unlink()


@pytest.fixture
def builder(user: User, settings: str) -> Iterator[Callable[..., str]]:
    """Create containers of the user's with the setting; their images are gone after the test."""

    def create(name: str, framework: str = "Pytorch", version: str = "2.8.0", **env: str) -> str:
        made = user.mlc(
            "create", name, framework, version, "-g", "none", "-s", DS01_SETTINGS=settings, **env
        )
        assert made.returncode == 0, made.stderr
        return made.stdout + made.stderr

    yield create
    for name in docker("ps", "-a", "--format", "{{.Names}}").split():
        if name.endswith(f"._.{user.uid}"):
            docker("rm", "-f", name)
    for image in _images(user):
        docker("rmi", image)


def _images(user: User) -> list[str]:
    listed = docker("images", "--format", "{{.Repository}}:{{.Tag}}", f"mlc-account-{user.uid}")
    return listed.split()


def test_the_account_is_built_once_and_shared(
    user: User, builder: Callable[..., str], settings: str, engine_calls: Recording
) -> None:
    builder("first")
    (image,) = _images(user)
    before = image_ids()
    builder("second", DOCKER_HOST=engine_calls.address)
    assert [call.split()[0] for call in engine_calls.paths()] == ["GET", "GET", "POST", "GET"]
    assert image_ids() == before
    for name in ("first", "second"):
        found = inspect(user.tag(name))
        assert found["Image"] == inspect(image)["Id"]
        assert found["Config"]["Labels"]["aime.mlc.DS01_USER_SETUP"] == "image"
        assert found["Config"]["Labels"]["aime.mlc.FRAMEWORK"] == "Pytorch-2.8.0"
    shown = user.mlc("start", "second", "id -u; id -g; sudo -n id -u; pwd", "-s")
    assert shown.stdout.split()[:4] == [str(user.uid), str(user.gid), "0", "/workspace"]
    user.mlc("stop", "second", "-s")
    removed = user.mlc("remove", "second", "-s")
    assert removed.returncode == 0
    assert _images(user) == [image]
    assert user.mlc("remove", "first", "-s").returncode == 0
    assert _images(user) == [image]


@pytest.mark.parametrize("user", ["ldap", "alice"][: sized(1, 2)], indirect=True)
def test_one_layer_holds_the_account_and_what_was_missing(
    user: User, builder: Callable[..., str]
) -> None:
    builder("bare", "Bare", "1.0")
    (image,) = _images(user)
    layers, base = inspect(image)["RootFS"]["Layers"], inspect(BARE)["RootFS"]["Layers"]
    assert layers[: len(base)] == base
    assert len(layers) == len(base) + 1
    left = user.mlc("start", "bare", "ls /var/lib/apt/lists /var/cache/apt; ls -s /var/log", "-s")
    assert "Packages" not in left.stdout
    assert ".bin" not in left.stdout
    assert "git version" in user.mlc("start", "bare", "git --version", "-s").stdout


def test_prune_removes_what_a_newer_base_left(
    alice: User, settings: str, image_from: Callable[..., str]
) -> None:
    base, newer = image_from("echo 1 > /version"), image_from("echo 2 > /version")
    create = ("--image", base, "-g", "none", "-s")
    assert alice.mlc("create", "old", *create, DS01_SETTINGS=settings).returncode == 0
    (image,) = _images(alice)
    old_base = inspect(base)["Id"]
    assert alice.mlc("remove", "old", "-s").returncode == 0
    assert "There are no leftovers" in alice.mlc("prune", "-n").stdout
    docker("tag", newer, base)  # as a pull of a newer one does
    assert image in alice.mlc("prune", "-n").stdout
    assert alice.mlc("create", "new", *create, DS01_SETTINGS=settings).returncode == 0
    pruned = alice.mlc("prune", "-y")
    assert pruned.returncode == 0, pruned.stderr
    (current,) = _images(alice)
    assert current != image
    assert inspect(alice.tag("new"))["Image"] == inspect(current)["Id"]
    # Engines that know parents remove it; with containerd's store Docker sometimes does not.
    if old_base in image_ids():
        docker("rmi", old_base)  # it would fail if our image held it
    docker("rm", alice.tag("new"))
    docker("rmi", current)


@pytest.mark.promise("signal", "sigkill", "create-atomic")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_build_that_is_interrupted_leaves_nothing(
    alice: User,
    settings: str,
    image_from: Callable[..., str],
    number: signal.Signals,
    counted: Counted,
) -> None:
    """The engine ends a build and cleans up once its client has gone."""
    base = image_from(
        "printf '#!/bin/sh\\nsleep 60\\n' > /usr/sbin/useradd; chmod 755 /usr/sbin/useradd"
    )
    images, containers = image_ids(), container_names()
    command = alice.start(
        *(alice.tree / "bin/mlc", "create", "b", "--image", base, "-s"), DS01_SETTINGS=settings
    )
    _wait(lambda: "groupadd" in docker("ps", "--no-trunc", "--format", "{{.Command}}"))
    command.send_signal(number)
    counted("kills" if number == signal.SIGKILL else "signals sent")
    output, _ = command.communicate(timeout=30)
    assert command.returncode == (-9 if number == signal.SIGKILL else 128 + number), output
    if number == signal.SIGKILL:  # the marked step before the one that was killed
        _wait(lambda: container_names() == containers)
        assert alice.mlc("prune", "-y", "--older-than", "0").returncode == 0
    # Prune may have removed what another run of the tests had left.
    _wait(lambda: image_ids() <= images and container_names() == containers)


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, (image_ids(), container_names())
        time.sleep(0.05)


def test_a_build_that_fails_leaves_no_image(user: User, settings: str) -> None:
    broken = "mlc-test/broken-build:1"
    container = docker("create", BASE, "sh")
    docker("cp", "/bin/false", f"{container}:/usr/sbin/useradd")
    docker("commit", container, broken)
    docker("rm", container)
    before = image_ids()
    try:
        made = user.mlc("create", "b", "--image", broken, "-s", DS01_SETTINGS=settings)
        assert made.returncode == 1
        assert "could not be set up" in made.stderr
        assert image_ids() == before
        assert _images(user) == []
    finally:
        docker("rmi", broken)
