"""Where Podman's answers differ from Docker's."""

from __future__ import annotations

import pytest

from mlc_patched.engine.answers import info_of, is_podman_conflict
from mlc_patched.engine.interface import Image
from mlc_patched.engine.podman import (
    _matches,
    configuration_changes,
    familiar,
    rootless_body,
    without_shm_size,
)
from mlc_patched.engine.specification import ContainerSpecification, Ulimit, container_body


@pytest.mark.parametrize(
    ("reported", "typed"),
    [
        ("localhost/mlc-test/base:x", "mlc-test/base:x"),
        ("docker.io/library/debian:12", "debian:12"),
        ("docker.io/ds01-1001/thesis:latest", "ds01-1001/thesis:latest"),
        ("registry.example:5000/a/b:c", "registry.example:5000/a/b:c"),
        ("localhost:5000/a:b", "localhost:5000/a:b"),
    ],
)
def test_prefixes_that_podman_adds_are_removed(reported: str, typed: str) -> None:
    assert familiar(reported) == typed


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("ds01-1001/*", True),
        ("ds01-1001/thesis", True),
        ("ds01-1001/thesis:latest", True),
        ("ds01-1001/th*:l*", True),
        ("*/thesis", True),
        ("*", False),
        ("ds01-100/*", False),
        ("*/ds01-1001/*", False),
        ("ds01-1001/thesis:other", False),
    ],
)
def test_patterns_match_as_in_docker(pattern: str, matches: bool) -> None:
    assert _matches("ds01-1001/thesis:latest", ["nothing", pattern]) is matches


def test_conflicts_are_recognised_by_their_message() -> None:
    for words in (
        'the container name "x" is already in use by 7359. You have to remove that container',
        "can only kill running containers. 8d53 is in state stopped: container state improper",
        'unable to delete image "35bf" by ID with more than one tag ([a b]): please force removal',
        "updating container config table with new configuration for container a42: "
        "UNIQUE constraint failed: ContainerConfig.Name",
    ):
        assert is_podman_conflict(words)
    assert not is_podman_conflict("no space left on device")


def test_a_configuration_is_converted_to_instructions() -> None:
    like = Image("i", environment=("A=b c", "P=x=y"), command=("sh", "-c", 'a "b"'), user="")
    assert configuration_changes(like, {"k e": 'v "w"'}) == [
        'CMD ["sh", "-c", "a \\"b\\""]',
        "ENTRYPOINT []",
        "USER root",
        "WORKDIR /",
        'ENV A="b c"',
        'ENV P="x=y"',
        'LABEL "k e"="v \\"w\\""',
    ]


def test_podman_is_recognised_by_its_info() -> None:
    found = {
        "ServerVersion": "4.3.1",
        "BuildahVersion": "1.28.2",
        "SecurityOptions": ["name=seccomp,profile=default"],
        "Rootless": True,
    }
    info = info_of(found, is_local=True)
    assert (info.product, info.is_rootless) == ("Podman", True)
    for options, is_rootless in ((["name=seccomp"], False), (["name=rootless"], True)):
        info = info_of({"ServerVersion": "28.0", "SecurityOptions": options}, is_local=True)
        assert (info.product, info.is_rootless) == ("Docker Engine", is_rootless)


@pytest.mark.parametrize(("ipc", "size"), [("host", 0), ("", 8), ("private", 8)])
def test_the_size_of_the_hosts_shared_memory_is_left_out(ipc: str, size: int) -> None:
    body = container_body(ContainerSpecification("n", "i", ipc=ipc, shm_size=8))
    assert without_shm_size(body)["HostConfig"]["ShmSize"] == size
    assert body["HostConfig"]["ShmSize"] == 8


@pytest.mark.parametrize(
    ("user", "mode"),
    [("1001:2001", "keep-id:uid=1001,gid=2001"), ("", None), ("0:0", None), ("root", None)],
)
def test_a_rootless_engine_keeps_the_ids_of_the_account(user: str, mode: str | None) -> None:
    limits = (Ulimit("memlock", -1), Ulimit("stack", 64))
    body = container_body(ContainerSpecification("n", "i", user=user, ulimits=limits))
    host = rootless_body(body)["HostConfig"]
    assert host.get("UsernsMode") == mode
    assert [each["Name"] for each in host["Ulimits"]] == ["stack"]
    assert len(body["HostConfig"]["Ulimits"]) == 2
