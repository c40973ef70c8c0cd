"""Parts a and b: the seconds and the disk space of creating a container."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

from engines import OwnEngine
from images import label
from people import PYTHON, Person, settings_for_builds
from timing import interleaved

from mlc_patched.engine.docker import DockerEngine
from mlc_patched.names.images import account_image

LABELLED = "mlc, labelled image"
BUILT = "mlc, legacy_flow = build"
LEGACY = "mlc, legacy flow"
DOCKER = "docker create"
FAST = (LABELLED, BUILT, DOCKER)
FLOWS = (*FAST, LEGACY)
BARE_PYTHON = "python -c pass"
IMPORT_DOCKER = "python -c 'import docker'"
_numbers = count()


@dataclass(frozen=True)
class Sized:
    """A base on an engine: its size in words, its name, and each user's labelled image of it."""

    words: str
    base: str
    own: dict[int, str]


def prepare(engine: OwnEngine, base: str, words: str, persons: Sequence[Person]) -> Sized:
    """Build each user's labelled image of a base."""
    project = words.replace(" ", "").replace(".", "-").lower()
    own = {person.uid: label(engine.connect(), base, person, project) for person in persons}
    return Sized(words, base, own)


def create(flow: str, engine: OwnEngine, sized: Sized, person: Person) -> str:
    """Create a container with one of the flows, and return its name in Docker."""
    name = f"bench{next(_numbers)}"
    own = sized.own[person.uid]
    options: dict[str, str] = {"address": engine.address}
    if flow == DOCKER:
        person.run("docker", *docker_create(person, name, own), **options)  # type: ignore[arg-type]
    else:
        image = own if flow == LABELLED else sized.base
        if flow == BUILT:
            options["DS01_SETTINGS"] = settings_for_builds(person)
        person.mlc("create", name, "--image", image, "-g", "none", "-s", **options)
    return f"{name}._.{person.uid}"


def docker_create(person: Person, name: str, image: str) -> tuple[str, ...]:
    """Return the arguments with which `docker create` creates the same container."""
    return (
        *("create", "-it", f"--name={name}._.{person.uid}", f"--user={person.uid}:{person.uid}"),
        *(f"--label=aime.mlc={person.login}", f"--label=aime.mlc.NAME={name}"),
        "--label=aime.mlc.DS01_HOST_DEVICES=-",
        *(f"--volume={person.home}/workspace:/workspace", "--workdir=/workspace"),
        *("--network=host", "--ipc=host", "--privileged", "--group-add=video", "--group-add=sudo"),
        *("--ulimit=memlock=-1", "--ulimit=stack=67108864", image, "bash", "-c", "bash"),
    )


def clear(engine: DockerEngine, persons: Sequence[Person]) -> None:
    """Remove the users' containers, and the images committed for them."""
    uids = {str(person.uid) for person in persons}
    for container in engine.containers(labels=("aime.mlc",)):
        if container.name.rpartition("._.")[2] in uids:
            engine.remove_container(container.id, force=True)
    for image in engine.find_images():
        for name in image.references:
            if name.rpartition("._.")[2] in uids:
                engine.remove_image(name)


def forget_builds(engine: DockerEngine, sized: Sequence[Sized], persons: Sequence[Person]) -> None:
    """Remove the images made with legacy_flow = build."""
    for each in sized:
        base = engine.image(each.base)
        for person in persons:
            if base is not None:
                engine.remove_image(":".join(account_image(base.id, person.uid)))


def seconds(
    engine: OwnEngine,
    sized: Sequence[Sized],
    persons: Sequence[Person],
    rounds: int,
    flows: Sequence[str],
) -> dict[str, dict[str, list[float]]]:
    """Part a: return the seconds of each flow, by size and user, and of Python itself.

    Each round has every flow for every size and user.
    """
    ours = engine.connect()
    cases: dict[str, Callable[[], object]] = {
        f"python | {BARE_PYTHON}": lambda: persons[0].run(PYTHON, "-c", "pass"),
        f"python | {IMPORT_DOCKER}": lambda: persons[0].run(PYTHON, "-c", "import docker"),
    }
    for each in sized:
        for person in persons:
            for flow in flows:
                where = f"{each.words}, UID {person.uid}"
                cases[f"{where} | {flow}"] = _case(flow, engine, each, person)
    found: dict[str, dict[str, list[float]]] = {}
    for name, values in interleaved(cases, rounds, lambda: clear(ours, persons)).items():
        where, _, flow = name.partition(" | ")
        found.setdefault(where, {})[flow] = values
    return found


def _case(flow: str, engine: OwnEngine, sized: Sized, person: Person) -> Callable[[], object]:
    return lambda: create(flow, engine, sized, person)


def first_builds(
    engine: OwnEngine, sized: Sequence[Sized], persons: Sequence[Person]
) -> list[float]:
    """Return the seconds of the first create with legacy_flow = build, by base and user."""
    ours = engine.connect()
    taken = []
    for each in sized:
        for person in persons:
            forget_builds(ours, [each], [person])
            begin = time.perf_counter()
            create(BUILT, engine, each, person)
            taken.append(time.perf_counter() - begin)
    clear(ours, persons)
    return taken


def disk(
    engine: OwnEngine, sized: Sized, person: Person, counts: Sequence[int]
) -> dict[str, dict[int, int]]:
    """Part b: return the bytes that the containers of each flow add, by their number."""
    ours = engine.connect()
    added: dict[str, dict[int, int]] = {}
    for flow in FLOWS:
        clear(ours, [person])
        if flow == BUILT:
            forget_builds(ours, [sized], [person])
        before, made = engine.disk(), 0
        added[flow] = {}
        for wanted in counts:
            while made < wanted:
                create(flow, engine, sized, person)
                made += 1
            added[flow][wanted] = engine.disk() - before
    clear(ours, [person])
    return added
