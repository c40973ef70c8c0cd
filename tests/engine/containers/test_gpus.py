"""GPUs of the real engine: the usual request, CDI devices, and what it cannot serve."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.engine_requests import ask
from support.engine_state import docker, inspect, nothing_left
from support.users import User

from mlc_patched.engine.interface import DOCKER, PODMAN, Engine

pytestmark = pytest.mark.real_engine

KIND = f"mlc-test-{os.getpid()}.example/gpu"
NAMES = ("0", "0:1", "all")
SPECIFICATION = {
    "cdiVersion": "0.5.0",
    "kind": KIND,
    "devices": [
        {
            "name": name,
            "containerEdits": {
                "mounts": [
                    {
                        "hostPath": "/etc/hostname",
                        "containerPath": f"/mlc-device-{number}",
                        "options": ["ro", "rbind"],
                    },
                ],
            },
        }
        for number, name in enumerate(NAMES)
    ],
}


def has_cdi(engine: Engine) -> bool:
    """Return whether the engine can give devices by CDI, by what its version promises."""
    major, minor = (int(part) for part in engine.info().version.split(".")[:2])
    if engine.product == PODMAN:
        return (major, minor) >= (5, 4)
    return bool(ask("GET", "/info").get("CDISpecDirs"))


@pytest.fixture
def devices(engine: Engine) -> Iterator[str]:
    """Describe devices of a vendor of our own, and return their kind."""
    directory = Path((ask("GET", "/info").get("CDISpecDirs") or ["/etc/cdi"])[0])
    made = not directory.exists()
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / f"mlc-test-{os.getpid()}.json"
    file.write_text(json.dumps(SPECIFICATION))
    yield KIND
    file.unlink()
    if made:
        directory.rmdir()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("prefix", ["device=", ""])
def test_a_device_by_cdi_name_is_in_the_container(
    engine: Engine, alice: User, labelled, devices: str, name: str, prefix: str
) -> None:
    image, request = labelled(alice), f"{prefix}{devices}={name}"
    if not has_cdi(engine):
        with nothing_left():
            done = alice.mlc("create", "it", "--image", image, "-s", "-g", request)
        assert done.returncode == 1
        assert "no CDI devices" in done.stderr or "ignores device requests" in done.stderr
        assert "nvidia-ctk cdi generate" in done.stderr
        return
    done = alice.mlc("create", "it", "--image", image, "-s", "-g", request)
    assert done.returncode == 0, done.stderr
    tag = alice.tag("it")
    if engine.product == DOCKER:
        (sent,) = inspect(tag)["HostConfig"]["DeviceRequests"]
        assert (sent["Driver"], sent["DeviceIDs"]) == ("cdi", [f"{devices}={name}"])
    docker("start", tag)
    inside = docker("exec", tag, "ls", "/").split()
    assert [f"mlc-device-{NAMES.index(name)}"] == [each for each in inside if "device" in each]


def test_a_device_that_is_not_there_is_refused_before_anything_is_made(
    engine: Engine, alice: User, labelled, devices: str
) -> None:
    image = labelled(alice)
    with nothing_left():
        done = alice.mlc("create", "it", "--image", image, "-s", "-g", f"{devices}=7")
    assert done.returncode == 1
    assert f"{devices}=7" in done.stderr or not has_cdi(engine)
    assert "ready" not in done.stdout


def test_the_usual_request_reaches_an_engine_that_serves_it_and_no_other(
    engine: Engine, alice: User, labelled
) -> None:
    image = labelled(alice)
    if engine.product == DOCKER and "MLC_TEST_NO_HOOK" not in os.environ:
        assert alice.mlc("create", "it", "--image", image, "-s", "-g", "all").returncode == 0
        (sent,) = inspect(alice.tag("it"))["HostConfig"]["DeviceRequests"]
        assert (sent["Driver"], sent["Count"]) == ("", -1)
        return
    if engine.product == PODMAN and has_cdi(
        engine
    ):  # tests/support/podman_service.py describes some
        assert alice.mlc("create", "it", "--image", image, "-s", "-g", "all").returncode == 0
        docker("start", alice.tag("it"))
        assert "mlc-gpu-all" in docker("exec", alice.tag("it"), "ls", "/").split()
        return
    with nothing_left():
        done = alice.mlc("create", "it", "--image", image, "-s", "-g", "all")
    assert done.returncode == 1
    assert "cannot give a container the GPUs all" in done.stderr
    assert "nvidia-container-toolkit" in done.stderr
