"""The images for the measurements: bases of three sizes, and each user's labelled images."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import IO

from engines import OwnEngine
from people import Person

from mlc_patched.context import Context
from mlc_patched.engine.docker import DockerEngine
from mlc_patched.images.account.build import build_with_account

BARE = "mlc-test/bare:bookworm"
BASE = "mlc-test/base:bookworm"
SMALL = "mlc-bench/small:latest"
AS_MEASURED = "mlc-bench/of-414-mb:latest"
"""About the size of the base for which AIME's mlc took 3.5 s and 161 MB."""
AS_MEASURED_PACKAGES = ("cmake", "git-lfs", "python3-pil", "swig")
GIGABYTE = 10**9
_BLOCK = 1 << 20


class _Padding(io.RawIOBase):
    """A number of bytes that no file system can compress."""

    def __init__(self, size: int) -> None:
        self._left, self._block = size, os.urandom(_BLOCK)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        size = min(len(buffer), self._left, _BLOCK)
        buffer[:size] = self._block[:size]
        self._left -= size
        return size


def docker(*arguments: str, address: str = "", **options: object) -> str:
    """Run Docker's client as root and return its output."""
    host = ["--host", address] if address else []
    done = subprocess.run(
        ["docker", *host, *arguments],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
        **options,  # type: ignore[call-overload]
    )
    return str(done.stdout).strip()


def make_small() -> None:
    """Build an image of 0.2 GB with sudo and git on the machine's engine."""
    _install(BARE, SMALL, ("ca-certificates", "git", "sudo"))


def make_as_measured() -> None:
    """Build an image of about 414 MB on the machine's engine: BASE with more packages."""
    _install(BASE, AS_MEASURED, AS_MEASURED_PACKAGES)


def _install(base: str, name: str, packages: Sequence[str]) -> None:
    dockerfile = (
        f"FROM {base}\nRUN apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install "
        f"-qq -y --no-install-recommends {' '.join(packages)} && apt-get clean "
        "&& rm -rf /var/lib/apt/lists/*\n"
    )
    command = ("build", "--quiet", "--network=host", "--force-rm", "--tag", name, "-")
    docker(*command, input=dockerfile, env={**os.environ, "DOCKER_BUILDKIT": "0"})


def copy(engine: OwnEngine, name: str) -> None:
    """Copy an image from the machine's engine to one of ours."""
    save = subprocess.Popen(["docker", "save", name], stdout=subprocess.PIPE)
    docker("load", "--quiet", address=engine.address, stdin=save.stdout)
    if save.wait() != 0:
        raise RuntimeError(f"docker save {name} failed")


def enlarge(engine: OwnEngine, size: int, name: str) -> None:
    """Make an image with one layer: the small image, padded to a size."""
    small = engine.connect().image(SMALL)
    assert small is not None
    container = docker("create", SMALL, "true", address=engine.address)
    export = subprocess.Popen(
        ["docker", "--host", engine.address, "export", container], stdout=subprocess.PIPE
    )
    load = subprocess.Popen(
        ["docker", "--host", engine.address, "import", "--change=CMD bash", "-", name],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    assert export.stdout is not None
    assert load.stdin is not None
    _copy(export.stdout, load.stdin, size - small.size)
    load.stdin.close()
    if export.wait() != 0 or load.wait() != 0:
        raise RuntimeError(f"{name} could not be made")
    docker("rm", container, address=engine.address)


def _copy(source: IO[bytes], target: IO[bytes], padding: int) -> None:
    with (
        tarfile.open(fileobj=source, mode="r|") as old,
        tarfile.open(fileobj=target, mode="w|") as new,
    ):
        for member in old:
            new.addfile(member, old.extractfile(member) if member.isreg() else None)
        extra = tarfile.TarInfo("padding")
        extra.size = max(padding, 0)
        new.addfile(extra, _Padding(extra.size))


def label(engine: DockerEngine, base: str, person: Person, project: str) -> str:
    """Build a user's labelled image of a base, and return its name."""
    found = engine.image(base)
    assert found is not None
    context = Context(make_engine=lambda: engine)
    context.__dict__["account"] = person.account
    made = build_with_account(found, base, context)
    name = f"ds01-{person.uid}/{project}"
    engine.tag_image(made.id, name, "latest")
    engine.remove_image(made.references[0])
    return f"{name}:latest"


def fill_images(engine: OwnEngine, count: int) -> None:
    """Make this number of images, each with its own name and configuration."""
    container = docker("create", SMALL, "true", address=engine.address)

    def commit(number: int) -> None:
        names = (container, f"mlc-bench/filler:{number}")
        docker("commit", f"--change=LABEL number={number}", *names, address=engine.address)

    with ThreadPoolExecutor(4) as threads:  # filling is not measured
        list(threads.map(commit, range(count)))
    docker("rm", container, address=engine.address)
