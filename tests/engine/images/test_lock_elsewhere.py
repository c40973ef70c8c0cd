"""A lock builds the same on another engine, by another builder, and from a registry's base."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from support import registry, worker
from support.base_images import BASE
from support.engine_state import docker
from support.image_commands import FREEZE, ImageUser, frozen, lock_of
from support.remote_engine import call, copy_images

from mlc_patched.images.versions.lockfile import render

pytestmark = pytest.mark.real_engine

OF_BASE = r"""
info=/usr/local/lib/python3.11/dist-packages/mlc_of_base-{0}.dist-info && mkdir -p $info
printf 'Metadata-Version: 2.1\nName: mlc-of-base\nVersion: {0}\n' >$info/METADATA
"""


@pytest.fixture
def plain_engine(commands: ImageUser) -> Iterator[str]:
    """The address of an engine of this machine's own version with the base: the tests' one, or
    another if they use a newer one, or Podman."""
    here = worker.engine_address()
    own = call("dockerd", "--version")
    if f" {docker('version', '--format', '{{.Server.Version}}')}," in own:
        yield here
        return
    tool, number = worker.ROOT / "tools/engine.sh", str(130 + worker.NUMBER % 10)
    call(tool, "up", number)
    try:
        address = call(tool, "address", number)
        copy_images(here, address, BASE)
        # Podman adds a registry to the name.
        call("docker", "-H", address, "tag", call("docker", "-H", address, "images", "-q"), BASE)
        yield address
    finally:
        call(tool, "down", number)


def test_a_lock_gives_the_same_on_another_engine_by_another_builder(
    commands: ImageUser, plain_engine: str
) -> None:
    """By the classic builder of this machine's Docker, then by the tests' engine.

    `make test` has one engine for both; tools/modern-tests.sh and `make engines` have two.
    """
    it, first = commands, {"DOCKER_HOST": plain_engine, "DOCKER_BUILDKIT": "0"}
    flags = ("--base", BASE, "-p", "idna<3.8", "six<1.17", "--apt", "python3-apt")
    it.run("image-create", "demo", *flags, "-y", **first)
    in_first = ("-H", plain_engine, "run", "--rm", "--network=host", "--entrypoint", "bash")
    before = docker(*in_first, it.image("demo"), "-c", FREEZE)
    lock = lock_of(it)
    # apt's is not in the index, which does not keep the others from having a source.
    sources = {each.name: bool(each.source) for each in lock.packages}
    assert (sources["idna"], sources["six"], sources["python-apt"]) == (True, True, False)
    # The Dockerfile allows more by now.
    text = lock.dockerfile.replace('"idna<3.8"', "idna").replace('"six<1.17"', "six")
    copy = it.user.file("source/copy.lock", render(replace(lock, dockerfile=text)))
    it.run("image-create", "same", "--from", copy, "-y")
    assert frozen(it, "same") == before
    assert lock_of(it, "same").packages == lock.packages


def push_base(name: str, version: str) -> str:
    """Have a registry, and the engine, give a name to a base with a package in a version; return
    its digest."""
    container = docker(
        "create", "--network=host", "--entrypoint=", BASE, "sh", "-ec", OF_BASE.format(version)
    )
    docker("start", "-a", container)
    docker("commit", "--change=CMD bash", container, name)
    docker("rm", container)
    docker("push", name)
    return docker("inspect", "--format", "{{index .RepoDigests 0}}", name)


def test_pull_moves_a_base_with_what_comes_with_it_and_a_lock_brings_it_back(
    commands: ImageUser,
) -> None:
    it = commands
    with registry.serving() as address:
        base = f"{address}/mlc/base:1"
        old = push_base(base, "1")
        it.run("image-create", "demo", "--base", base, "-p", "idna<3.8", "-y")
        # The Dockerfile allows more by now.
        path = it.dockerfile("demo").with_name("demo.lock")
        text = lock_of(it).dockerfile.replace('"idna<3.8"', "idna")
        it.dockerfile("demo").write_text(text)
        path.write_text(render(replace(lock_of(it), dockerfile=text)))
        first, before = it.user.file("source/first.lock", path.read_text()), frozen(it)
        new = push_base(base, "2")
        docker("rmi", base)
        done = it.run("image-update", "demo", "--pull", "-y")
        moved = [each.rpartition(":")[2][:12] for each in (old, new)]
        assert f"The base {base} moves: {moved[0]} -> {moved[1]}" in done.stderr
        assert "mlc-of-base 1 -> 2" in done.stdout
        assert frozen(it) == before.replace("mlc-of-base==1", "mlc-of-base==2")
        assert lock_of(it).base.digest == new
        it.run("image-retire", "demo", "--force", "-y")
        docker("rmi", "-f", old, check=False)
        done = it.run("image-create", "same", "--from", first, "-y")
        assert f"Pulling {old}, the base of the last build" in done.stderr
        assert frozen(it, "same") == before
        it.run("image-retire", "same", "--force", "-y")
        docker("rmi", "-f", base, old, new, check=False)
