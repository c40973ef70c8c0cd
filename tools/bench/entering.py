"""Part k: a container and its first commands, compared with distrobox (Debian's package)."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from creating import LABELLED, prepare
from engines import own_engine
from images import BASE, copy
from people import Person

DISTROBOX = "distrobox"
STEPS = ("create", "first command in it", "next command")
_NAME = "beside"
Case = Callable[[], object]


def seconds(place: Path, person: Person, rounds: int) -> dict[str, dict[str, list[float]]]:
    """Return the seconds of each step by program, from an engine with a network: distrobox installs
    packages when a container is first entered.

    Args:
        place: directory for the engine's files.
        person: who runs the commands.
        rounds: how often; each round makes and removes a container with both programs.
    """
    found = {step: {LABELLED: [], DISTROBOX: []} for step in STEPS}  # type: ignore[var-annotated]
    with own_engine(place, has_network=True) as engine:
        copy(engine, BASE)
        image = prepare(engine, BASE, "beside", [person]).own[person.uid]

        def mlc(*argv: str) -> Case:
            return lambda: person.mlc(*argv, address=engine.address)

        def distrobox(*argv: str) -> Case:
            return lambda: person.run(
                *("distrobox", *argv),
                address=engine.address,
                DBX_CONTAINER_MANAGER="docker",
                SHELL="/bin/bash",
                USER=f"u{person.uid}",
            )

        run = mlc("start", _NAME, "true")
        enter = distrobox("enter", "--no-tty", _NAME, "--", "true")
        programs = {
            LABELLED: (mlc("create", _NAME, "--image", image, "-g", "none", "-s"), run, run),
            DISTROBOX: (distrobox("create", "-Y", "-i", BASE, "-n", _NAME), enter, enter),
        }
        for number in range(rounds):
            for name in list(programs)[:: 1 if number % 2 else -1]:
                for step, case in zip(STEPS, programs[name], strict=True):
                    begin = time.perf_counter()
                    case()
                    found[step][name].append(time.perf_counter() - begin)
                for container in engine.connect().containers():
                    engine.connect().remove_container(container.id, force=True)
    return found
