"""Parts c and f: the cost of many containers and images, and the limits of an engine."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

from creating import LABELLED, Sized, create, docker_create
from engines import OwnEngine
from images import docker
from people import ROOT, Person
from timing import Spread, interleaved, spread

from mlc_patched.context import Context
from mlc_patched.engine import address as engine_address
from mlc_patched.engine import socket as engine_socket
from mlc_patched.names import labels

DISK_USAGE = "docker images and docker system df"


def fill_containers(engine: OwnEngine, sized: Sized, person: Person, have: int, want: int) -> None:
    """Create containers of the user up to a number."""
    image = sized.own[person.uid]

    def make(number: int) -> None:
        arguments = docker_create(person, f"full{number}", image)
        docker(*arguments, address=engine.address)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(make, range(have, want)))


def look_ups(
    engine: OwnEngine, sized: Sized, person: Person, rounds: int
) -> dict[str, list[float]]:
    """Part c: return the seconds of each look-up with the current containers."""
    ours = engine.connect()
    context = Context(make_engine=lambda: ours)
    context.__dict__["account"] = person.account
    options = {"address": engine.address}

    def created() -> None:
        name = create(LABELLED, engine, sized, person)
        ours.remove_container(name)

    cases: dict[str, Callable[[], object]] = {
        "mlc list": lambda: person.mlc("list", **options),
        # The name does not exist: only start-up and look-up.
        "mlc open NAME": lambda: person.mlc("open", "no-such", "-s", statuses=(1,), **options),
        "mlc remove NAME": lambda: person.mlc("remove", "no-such", "-s", statuses=(1,), **options),
        "mlc complete containers": lambda: person.mlc("complete", "containers", **options),
        "the look-up alone": lambda: context.find("full0"),
        "docker ps -a": lambda: person.run("docker", "ps", "-a", **options),  # type: ignore[arg-type]
        "create and remove": created,
    }
    return interleaved(cases, rounds)


def measured_sizes(engine: OwnEngine, person: Person, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of the commands for which the engine measures its disk usage."""
    cases: dict[str, Callable[[], object]] = {
        "mlc list -a": lambda: person.mlc("list", "-a", address=engine.address),
        "image-list": lambda: person.run(ROOT / "bin/user/image-list", address=engine.address),
        DISK_USAGE: lambda: person.run(
            *("sh", "-c", "docker images && docker system df"), address=engine.address
        ),
        "mlc doctor": lambda: person.mlc("doctor", statuses=(0, 1), address=engine.address),
    }
    return interleaved(cases, rounds)


def sizes_of_answers(engine: OwnEngine, person: Person) -> dict[str, int]:
    """Return the size of the engine's answers to list and to a look-up, in bytes."""
    path = engine_address.resolve({"DOCKER_HOST": engine.address}).socket_path
    assert path is not None

    def answer(target: str) -> int:
        return len(engine_socket.ask(path, "GET", target).body)

    own = quote(json.dumps({"label": [f"{labels.OWNER}={person.login}"]}))
    return {
        "mlc list": answer(f"/containers/json?all=1&filters={own}"),
        "the look-up alone": answer(f"/containers/full0._.{person.uid}/json"),
    }


def flatness(
    empty: OwnEngine, full: OwnEngine, sized: tuple[Sized, Sized], person: Person, rounds: int
) -> dict[str, list[float]]:
    """Return the seconds of create on an empty engine and on a full one, side by side."""
    pairs = {"empty": (empty, sized[0]), "full": (full, sized[1])}
    found = {name: engine.connect() for name, (engine, _) in pairs.items()}

    def case(name: str) -> Callable[[], object]:
        return lambda: made.append((name, create(LABELLED, *pairs[name], person)))

    made: list[tuple[str, str]] = []

    def clear() -> None:
        while made:
            name, container = made.pop()
            found[name].remove_container(container)

    return interleaved({name: case(name) for name in pairs}, rounds, clear)


def restart(engine: OwnEngine) -> tuple[float, int]:
    """Restart an engine; return the seconds until it answers, and its memory then."""
    engine.stop()
    seconds = engine.start()
    return seconds, engine.memory()


def summary(seconds: dict[str, list[float]]) -> dict[str, Spread]:
    """Return what each case's measurements came to."""
    return {name: spread(values) for name, values in seconds.items()}
