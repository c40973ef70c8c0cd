"""Parts e and g: image-update, and what the legacy flow adds to a base without sudo and git.

On the machine's own engine, as they need its network.
"""

from __future__ import annotations

import os
import shlex
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

from images import AS_MEASURED, AS_MEASURED_PACKAGES, BARE, BASE, docker, make_as_measured
from people import ROOT, Person
from timing import interleaved

from mlc_patched.engine.docker import DockerEngine
from mlc_patched.engine.interface import Image
from mlc_patched.images.build.environment import CA_VARIABLE, PIP_VARIABLES

PROJECT = "bench"
AIME_CREATE = "AIME's mlc create"
AIME_BASE = "mlc-bench/aime-base:latest"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
CACHED = "image-update"
UNCACHED = "image-update --no-cache"
_PACKAGES = (
    *("six", "idna", "toml", "zipp", "pytz", "iniconfig", "pluggy", "sniffio", "wheel"),
    *("certifi", "filelock", "packaging", "ptyprocess", "sortedcontainers"),
)
"""Small packages without dependencies, a different one for each update: one that was added
before would come from the cache."""


def update(person: Person, rounds: int) -> dict[str, list[float]]:
    """Part e: return the seconds of an image-update that adds a package, with and without the
    cache."""
    tool = ROOT / "bin/user"
    first = ("--base", BASE, "--apt", "less", "-p", "attrs", "-y")
    added: list[str] = []
    packages = cycle(_PACKAGES)

    def case(*flags: str) -> Callable[[], object]:
        def run() -> None:
            added.append(next(packages))
            more = ("--add", added[-1], *flags, "-y")
            person.run(tool / "image-update", PROJECT, *more, **_build_variables())

        return run

    def between() -> None:
        less = ("--remove", added.pop(), "-y")
        person.run(tool / "image-update", PROJECT, *less, **_build_variables())

    try:
        person.run(tool / "image-create", PROJECT, *first, **_build_variables())
        cases = {CACHED: case(), UNCACHED: case("--no-cache")}
        return interleaved(cases, rounds, between)
    finally:
        person.run(
            *(tool / "image-retire", PROJECT, "--with-dockerfile", "--force", "-y"),
            statuses=(0, 1),
        )


def _build_variables() -> dict[str, Any]:
    """Return the environment of a build: pip's settings, and a builder that is always there."""
    own = {name: os.environ[name] for name in PIP_VARIABLES if name in os.environ}
    if Path(CERTIFICATES).exists():
        own[CA_VARIABLE] = os.environ.get(CA_VARIABLE, CERTIFICATES)
    return {**own, "DOCKER_BUILDKIT": "0"}


AIME_STEPS = (
    "apt-get update -y && apt-get install -y sudo git && "
    "groupadd -g {uid} bench && useradd --no-log-init -m -s /bin/bash -u {uid} -g {uid} bench && "
    "passwd -d bench && echo 'bench ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/bench"
)
"""The steps of AIME's set-up, which leaves its package lists in the image."""


OF_THE_BASE = "of the base itself"
AIME = "AIME's steps"


@dataclass(frozen=True)
class Added:
    """The bytes that a way of adding an account adds to an image, and the seconds of one create
    with it."""

    size: int
    seconds: float | None = None


def bytes_added(person: Person) -> dict[str, dict[str, Added]]:
    """Part g: return what each way of adding an account adds to each base."""
    make_as_measured()
    try:
        return {
            f"Debian with Python, sudo, git, {', '.join(AS_MEASURED_PACKAGES)}": _bytes_added(
                AS_MEASURED, person
            ),
            "Debian with Python, sudo and git": _bytes_added(BASE, person),
            "Debian without sudo and git": _bytes_added(BARE, person),
        }
    finally:
        DockerEngine().remove_image(AS_MEASURED)


def _bytes_added(reference: str, person: Person) -> dict[str, Added]:
    engine = DockerEngine()
    base = engine.image(reference)
    assert base is not None
    added = {OF_THE_BASE: Added(base.size)}
    for name, settings in (("mlc, legacy flow", ""), ("mlc, legacy_flow = build", "build.ini")):
        more = {"DS01_SETTINGS": str(person.home.parent / settings)} if settings else {}
        tag = f"bytes._.{person.uid}"
        begin = time.perf_counter()
        person.mlc("create", "bytes", "--image", reference, "-g", "none", "-s", **more)
        seconds = time.perf_counter() - begin
        image = engine.image(docker("inspect", "--format={{.Image}}", tag))
        assert image is not None
        added[name] = Added(image.size - base.size, seconds)
        person.mlc("remove", "bytes", "-s")
        if settings:
            engine.remove_image(image.references[0])
    return {**added, AIME: _aimes_steps(engine, base, reference, person)}


def _aimes_steps(engine: DockerEngine, base: Image, reference: str, person: Person) -> Added:
    container, committed = f"mlc-bench-aime-{os.getpid()}", f"mlc-bench/aime:{person.uid}"
    script = AIME_STEPS.format(uid=person.uid)
    begin = time.perf_counter()
    try:
        docker("run", "--network=host", "--name", container, reference, "sh", "-ec", script)
        docker("commit", container, committed)
        engine.remove_container(container)
        docker("create", "--name", container, committed, "bash")
        seconds = time.perf_counter() - begin
        image = engine.image(committed)
        assert image is not None
        return Added(image.size - base.size, seconds)
    finally:
        engine.remove_container(container, force=True)
        engine.remove_image(committed)


def aime_creates(person: Person, checkout: Path, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of AIME's own create, from a copy of its checkout, and of ours.

    Its program needs a terminal, so `script` gives it one; its catalog gets an image of ours.
    """
    engine = DockerEngine()
    place, catalog = person.home.parent / "aime", person.home.parent / "ml_images.repo"
    shutil.copytree(checkout, place)
    catalog.write_text(f"Pytorch, 2.8.0, [CUDA_ADA], {AIME_BASE}\n")
    shutil.copy(catalog, place / catalog.name)
    for path in (place, *place.rglob("*"), catalog):
        path.chmod(path.stat().st_mode | 0o555 if path.is_dir() else path.stat().st_mode | 0o444)
    words = ("create", "aime", "Pytorch", "2.8.0", "-s", "-w", str(person.home / "workspace"))
    call = shlex.join(["python3", str(place / "mlc.py"), *words])
    tag = f"aime._.{person.uid}"
    variables: dict[str, Any] = {"MLC_ARCH": "CUDA_ADA", "MLC_CATALOG": str(catalog)}

    def clear() -> None:
        if not engine.containers(names=(tag,)):
            raise RuntimeError(f"no container {tag} was made")
        engine.remove_container(tag, force=True)
        engine.remove_image(f"{AIME_BASE.partition(':')[0]}:{tag}")

    docker("tag", BARE, AIME_BASE)
    cases: dict[str, Callable[[], object]] = {
        AIME_CREATE: lambda: person.run("script", "-qec", call, "/dev/null", **variables),
        "mlc create, legacy flow": lambda: person.mlc(*words, **variables),
    }
    try:
        return interleaved(cases, rounds, clear)
    finally:
        engine.remove_image(AIME_BASE)
