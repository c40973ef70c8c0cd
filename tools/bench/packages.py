"""Part i: images with Python packages, by image-create and image-update, by one pip step, and by
plain `docker build` of what uv's guide for Docker recommends.

On the machine's own engine, as they need its network. `packages.py [--quick]` measures this alone.
The steps of Debian's packages and of uv are cached for all. Cold: no Python package is downloaded
yet (each user has caches of their own, and the base is a new one); warm: the same packages and
another one, after that.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from images import BASE, docker
from people import ROOT, Person, people
from report import machine, size, table
from updating import CERTIFICATES

from mlc_patched.engine.docker import DockerEngine
from mlc_patched.images.build.environment import CA_VARIABLE
from mlc_patched.images.dockerfile.by_pip import TOO_OLD, without_uv
from mlc_patched.images.dockerfile.package_steps import python_step
from mlc_patched.images.dockerfile.render import ImageRecipe, render

PROJECT = "bench-packages"
PACKAGES = (
    *("pandas", "scipy", "scikit-learn", "matplotlib", "jupyterlab", "ipywidgets"),
    *("transformers", "datasets"),
)
BEFORE, AFTER = "sniffio", "zipp"
FEW = ("idna", "attrs", "packaging", "toml")
MORE = "tabulate"
OURS, PIP, UV = "image-create, image-update", "one pip step", "uv's guide for Docker"
BUILDERS = {
    "BuildKit": {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DOCKER_BUILDKIT": "1"},
    "the classic builder": {"DOCKER_BUILDKIT": "0"},
}
USER = 64330
_INSTALL = (
    "site=$(python3 -c \"import sysconfig; print(sysconfig.get_path('purelib'))\"); "
    'size() { sudo du -sb --apparent-size "$site" | cut -f1; }; before=$(size); '
    f"sudo -E python3 -m uv pip install -q --break-system-packages --compile-bytecode {MORE} && "
    "echo $(($(size) - before))"
)


@dataclass(frozen=True)
class Way:
    """One way of building: seconds cold, warm and with one more package, the bytes that one added,
    and how many other versions it changed."""

    cold: float
    warm: float
    more: float
    added: int
    changed: int


@dataclass(frozen=True)
class Packages:
    """The ways by name, and the seconds and bytes of installing the one package by itself."""

    ways: dict[str, Way]
    seconds: float
    size: int


def measure(quick: bool) -> dict[str, Packages]:
    """Return the measurements by builder."""
    wanted = FEW if quick else PACKAGES
    return {name: _measured(wanted, name, USER + n) for n, name in enumerate(BUILDERS)}


def _measured(packages: tuple[str, ...], builder: str, uid: int) -> Packages:
    with people(uid) as (person,), tempfile.TemporaryDirectory() as place, _new_base() as base:
        ways = {OURS: _ours(person, packages, builder, base)}
        seconds, size = _alone(f"ds01-{uid}/{PROJECT}:latest", person)
        person.run(
            *(ROOT / "bin/user/image-retire", PROJECT, "--with-dockerfile", "--force", "-y"),
            statuses=(0, 1),
        )
        for name in (PIP, UV) if builder == "BuildKit" else (PIP,):
            ways[name] = _plain(name, packages, builder, base, Path(place))
        return Packages(ways, seconds, size)


@contextmanager
def _new_base() -> Iterator[str]:
    """Have a base on which nothing was built before."""
    name = f"mlc-bench/packages-base-{os.getpid()}:latest"
    text = f"FROM {BASE}\nRUN date +%s%N >/made\n"
    docker("build", "--quiet", "--no-cache", "--tag", name, "-", input=text)
    try:
        yield name
    finally:
        docker("rmi", name)


def _variables(builder: str) -> dict[str, str]:
    trust = {CA_VARIABLE: CERTIFICATES} if Path(CERTIFICATES).exists() else {}
    return {**BUILDERS[builder], **trust}


def _ours(person: Person, packages: tuple[str, ...], builder: str, base: str) -> Way:
    image = f"ds01-{person.uid}/{PROJECT}:latest"

    def run(name: str, *arguments: str) -> float:
        begin = time.perf_counter()
        argv: list[str | Path] = [ROOT / "bin/user" / name, PROJECT, *arguments, "-y"]
        person.run(*argv, address="", statuses=(0,), **_variables(builder))
        return time.perf_counter() - begin

    create = ("--base", base, "--force", "-p")
    run("image-create", *create, BEFORE)
    cold, warm = (
        run("image-create", *create, *packages),
        run("image-create", *create, *packages, AFTER),
    )
    before, size = _frozen(image), _size(image)
    more = run("image-update", "--add", MORE)
    return Way(cold, warm, more, _size(image) - size, _changed(before, _frozen(image)))


def _plain(name: str, packages: tuple[str, ...], builder: str, base: str, place: Path) -> Way:
    image = f"mlc-bench/packages-{os.getpid()}:latest"

    account = (f"DS01_USER_ID={USER}", f"DS01_GROUP_ID={USER}", "DS01_USERNAME=bench")
    flags = [word for argument in account for word in ("--build-arg", argument)]

    made = set()

    def build(wanted: tuple[str, ...]) -> float:
        (place / "Dockerfile").write_text(_dockerfile(name, wanted, base, place))
        context = ("--network=host", "--tag", image, *flags, str(place))
        begin = time.perf_counter()
        docker("build", *context, env={**os.environ, **BUILDERS[builder]})
        taken = time.perf_counter() - begin
        made.add(docker("image", "inspect", "--format", "{{.Id}}", image))
        return taken

    if Path(CERTIFICATES).exists():
        (place / "ca.crt").write_bytes(Path(CERTIFICATES).read_bytes())
    try:
        build((BEFORE,))
        cold, warm = build(packages), build((*packages, AFTER))
        before, size = _frozen(image), _size(image)
        more = build((*packages, AFTER, MORE))
        # Its layer replaces the former one: what it adds to the disk is all of it.
        added = sum(
            layer.size for layer in DockerEngine().history(image) if MORE in layer.created_by
        )
        return Way(cold, warm, more, added or _size(image) - size, _changed(before, _frozen(image)))
    finally:
        docker("rmi", *made, "--force")  # the former ones have no name by now


def _dockerfile(name: str, packages: tuple[str, ...], base: str, place: Path) -> str:
    """Return a Dockerfile with the same other steps as image-create writes."""
    recipe = ImageRecipe(PROJECT, base, "custom", (), tuple(sorted(packages)))
    text = render(recipe) if name == UV else without_uv(render(recipe), TOO_OLD)
    if (place / "ca.crt").exists():
        trust = "COPY ca.crt /ca.crt\nARG PIP_CERT=/ca.crt\nARG SSL_CERT_FILE=/ca.crt\n"
        text = text.replace("USER root\n", f"USER root\n{trust}", 1)
    mount = f"--mount=type=cache,id=mlc-bench-{os.getpid()},target=/root/.cache/uv"
    step = python_step(()).partition("RUN ")[2].partition("--no-cache")[0]
    return text.replace(f"RUN {step}--no-cache ", f"RUN {mount} {step}--link-mode copy ")


def _frozen(image: str) -> set[str]:
    freeze = ("-m", "pip", "freeze", "--all")
    return set(docker("run", "--rm", "--entrypoint", "python3", image, *freeze).splitlines())


def _changed(before: set[str], after: set[str]) -> int:
    return len(before - after)


def _size(image: str) -> int:
    engine = DockerEngine()
    found = engine.image(image)
    assert found is not None
    return engine.image_size(found)


def _alone(image: str, person: Person) -> tuple[float, int]:
    """Return the seconds and bytes of installing the package in an image of before."""
    former = image.replace(":latest", ":previous")
    mounts = ("-v", f"{CERTIFICATES}:/ca.crt:ro", "-e", "SSL_CERT_FILE=/ca.crt")
    begin = time.perf_counter()
    said = docker(
        *("run", "--rm", "--network=host", *mounts, "--entrypoint", "bash", former),
        *("-c", _INSTALL),
    )
    return time.perf_counter() - begin, int(said.split()[-1])


def section(found: dict[str, Packages], quick: bool) -> str:
    """Return the section of the page."""
    ours, pip = (found["BuildKit"].ways[name] for name in (OURS, PIP))
    parts = [
        f"With BuildKit, image-create takes {ours.cold:.0f} s where one pip step takes "
        f"{pip.cold:.0f}, and one more package {ours.more:.1f} s where the pip step takes "
        f"{pip.more:.0f}, as it installs all of them again. "
        f"Python packages on {BASE}: {' '.join(FEW if quick else PACKAGES)}; then {MORE}. The "
        "steps of Debian's packages and of uv are cached. Cold: nothing is downloaded yet; warm: "
        "the same packages and another one, with what was downloaded, where that is kept."
    ]
    for builder, each in found.items():
        rows = [
            (
                name,
                *(f"{seconds:.1f}" for seconds in (way.cold, way.warm, way.more)),
                f"{each.ways[PIP].cold / way.cold:.1f}x",
                size(way.added),
                str(way.changed),
            )
            for name, way in each.ways.items()
        ]
        headings = (
            *(builder, "cold, s", "warm, s", "one more, s", "pip's cold against it"),
            *("bytes of one more", "versions changed"),
        )
        alone = f"{MORE} alone takes {each.seconds:.1f} s and {size(each.size)} in a container."
        parts.append(f"{table(headings, rows)}\n{alone}")
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Measure this part alone, and print its section."""
    if os.geteuid() != 0:
        sys.exit("It runs commands as another user: run it as root.")
    quick = "--quick" in sys.argv[1:]
    about = machine()
    found: dict[str, Any] = measure(quick)
    print(table(("machine", ""), list(about.items())))
    print(section(found, quick))


if __name__ == "__main__":
    main()
