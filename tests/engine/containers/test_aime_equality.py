"""`docker inspect` of our containers equals that of AIME's: both flows, all kinds of container."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from support import aime_containers as aime
from support.base_images import BASE
from support.devices import devices
from support.engine_state import inspect, is_podman
from support.users import User

pytestmark = pytest.mark.real_engine

OURS = "aime.mlc.DS01_"
EMPTY = (None, [], {}, "")
CUDA = ("--gpus=all", *aime.CUDA_FLAGS)


@dataclass(frozen=True)
class Case:
    """Our arguments and environment, and AIME's labels and flags for the same."""

    arguments: tuple[str, ...] = ()
    flags: tuple[str, ...] = CUDA
    labels: Mapping[str, str] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    framework: str = "Pytorch 2.8.0"


CASES = {
    "plain": Case(),
    "directories": Case(
        ("-w", "{home}/work space", "-d", "{home}/data", "-m", "{home}/models"),
        labels={
            "workspace": "{home}/work space",
            "data": "{home}/data",
            "models": "{home}/models",
        },
    ),
    "two GPUs": Case(("-g", "2"), ("--gpus=2", *aime.CUDA_FLAGS), {"gpus": "2"}),
    "one device": Case(
        ("-g", "device=0"), ("--gpus=device=0", *aime.CUDA_FLAGS), {"gpus": "device=0"}
    ),
    "two devices": Case(
        ("-g", "device=0,1"), ('--gpus="device=0,1"', *aime.CUDA_FLAGS), {"gpus": "device=0%2C1"}
    ),
    "MLC_ARCH": Case(
        labels={"architecture": "CUDA_AMPERE", "framework": "Pytorch-2.7.1"},
        environ={"MLC_ARCH": "CUDA_AMPERE"},
        framework="Pytorch 2.7.1",
    ),
    "-arch over MLC_ARCH": Case(
        ("-arch", "CUDA_ADA"),
        labels={"architecture": "CUDA_ADA", "framework": "Pytorch-2.7.1"},
        environ={"MLC_ARCH": "CUDA_AMPERE"},
        framework="Pytorch 2.7.1",
    ),
    "Tensorflow": Case(labels={"framework": "Tensorflow-2.16.1"}, framework="Tensorflow 2.16.1"),
    "ROCm": Case(
        flags=aime.ROCM_FLAGS,
        labels={"architecture": "ROCM6", "framework": "Pytorch-2.6.0"},
        environ={"MLC_ARCH": "ROCM6"},
        framework="Pytorch 2.6.0",
    ),
}


@pytest.fixture(scope="module", autouse=True)
def _devices() -> Iterator[None]:
    with devices("/dev/video0", "/dev/snd", "/dev/kfd", "/dev/dri"):
        yield


def compared(name: str) -> dict[str, Any]:
    """Return what of a container must be the same: all but its identity and our own labels."""
    found = inspect(name)
    config, host = found["Config"], found["HostConfig"]
    config["Labels"] = {
        key: value for key, value in config["Labels"].items() if not key.startswith(OURS)
    }
    config["Env"] = sorted(
        variable for variable in config["Env"] if not variable.startswith("MLC_CONTAINER_NAME=")
    )
    config.pop("Image")
    host.pop("ConsoleSize")  # of the terminal on which `docker create` was typed
    host["Binds"].sort()  # Docker's client gives them in any order; ours is tested below
    # Clients from 23.0 on write out the prefix of a capability's name.
    host["CapAdd"] = [each.removeprefix("CAP_") for each in host["CapAdd"] or ()]
    # Options that were not given are None, an empty list or missing, depending on the client.
    return {key: value for key, value in {**config, **host}.items() if value not in EMPTY}


def made_by_both(user: User, case: Case, image: str | None) -> tuple[dict[str, Any], ...]:
    """Make one container with our mlc, and one as AIME's from the image ours is made of."""
    if "--shm-size=8G" in case.flags and is_podman():
        pytest.skip("Podman refuses AIME's command: shared memory of the host's with a size")
    for directory in ("work space/", "data/", "models/"):
        user.file(directory)

    def filled(text: str) -> str:
        return text.format(home=user.home)

    arguments = [filled(each) for each in case.arguments]
    if image:
        arguments += ["--image", image]
    done = user.mlc("create", "same", *case.framework.split(), *arguments, "-s", **case.environ)
    assert done.returncode == 0, done.stderr
    labels = aime.labels(user, "same", **{key: filled(text) for key, text in case.labels.items()})
    made_from = inspect(user.tag("same"))["Image"]
    twin = aime.create(user, user.tag("twin"), made_from, labels, case.flags)
    return compared(user.tag("same")), compared(twin)


@pytest.mark.this_host
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_by_the_legacy_flow(alice: User, case: Case) -> None:
    ours, aimes = made_by_both(alice, case, None)
    assert ours == aimes


@pytest.mark.this_host
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_from_a_labelled_image(ldap_user: User, labelled, case: Case) -> None:
    ours, aimes = made_by_both(ldap_user, case, labelled(ldap_user))
    assert ours == aimes


@pytest.mark.this_host
def test_the_values_are_those_of_the_documentation(user: User) -> None:
    """The comparison above would miss a common error: here the values of docs/contracts.md."""
    done = user.mlc("create", "said", "Pytorch", "2.8.0", "-s")
    assert done.returncode == 0, done.stderr
    found = inspect(user.tag("said"))
    config, host = found["Config"], found["HostConfig"]
    assert config["Cmd"] == ["bash", "-c", "bash"]
    assert (config["WorkingDir"], config["User"]) == ("/workspace", f"{user.uid}:{user.gid}")
    assert config["Tty"] is config["OpenStdin"] is True
    binds = [f"{user.workspace}:/workspace", f"{aime.X11}:{aime.X11}"]
    assert host["Binds"] == (sorted(binds) if is_podman() else binds)
    assert (host["NetworkMode"], host["IpcMode"], host["Privileged"]) == ("host", "host", True)
    assert host["GroupAdd"] == ["video", "sudo"]
    if not is_podman():  # to it, a privileged container has all devices, and GPUs come by CDI
        assert [each["PathOnHost"] for each in host["Devices"]] == ["/dev/snd", "/dev/video0"]
        assert [each["Count"] for each in host["DeviceRequests"]] == [-1]
    limits = {
        each["Name"].removeprefix("RLIMIT_").lower(): (each["Soft"], each["Hard"])
        for each in host["Ulimits"]
    }
    assert limits == {"memlock": (-1, -1), "stack": (67108864, 67108864)}
    assert {
        key: value for key, value in config["Labels"].items() if not key.startswith(OURS)
    } == aime.labels(user, "said")
    assert config["Image"] == f"{BASE.partition(':')[0]}:{user.tag('said')}"


def test_labels_that_aime_lacks_are_ours(user: User, labelled) -> None:
    image = labelled(user)
    assert user.mlc("create", "said", "--image", image, "-s").returncode == 0
    labels = inspect(user.tag("said"))["Config"]["Labels"]
    assert {key: value for key, value in labels.items() if key.startswith(OURS)}.items() >= {
        "aime.mlc.DS01_USER_SETUP": "image",
        "aime.mlc.DS01_IMAGE": inspect(image)["Id"],
    }.items()
    assert labels["aime.mlc.FRAMEWORK"] == "custom-latest"
