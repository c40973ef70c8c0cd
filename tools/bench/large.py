"""Part j: containers into which much was written."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from itertools import count
from pathlib import Path

from creating import LABELLED, Sized, clear, create
from engines import OwnEngine
from images import docker
from people import ROOT, Person
from timing import interleaved

EXPORT, DOCKER_EXPORT = "mlc export", "docker export, by cat into a file"
SAVE, COMMIT = "container-retire --save", "docker commit and docker rm"


def seconds(
    engine: OwnEngine, sized: Sized, person: Person, size: int, rounds: int
) -> dict[str, list[float]]:
    """Return the seconds of exporting and of saving a container with a file of `size` bytes.

    Docker's commands do the same with an equal container.
    """
    address, ours = engine.address, engine.connect()
    numbers = count()
    waiting: list[str] = []

    def names() -> set[str]:
        return {name for image in ours.find_images() for name in image.references}

    kept = names()
    with tempfile.TemporaryDirectory(dir=person.home.parent) as place:
        content, written = Path(place, "content"), person.home / "written"
        with content.open("wb") as file:
            for _ in range(size // 1_000_000):
                file.write(os.urandom(1_000_000))

        def prepare() -> None:
            """Have a container for the next case, and nothing of the last one."""
            written.unlink(missing_ok=True)
            for name in names() - kept:
                ours.remove_image(name)
            if not waiting:
                waiting.append(create(LABELLED, engine, sized, person))
                docker("cp", str(content), f"{waiting[0]}:/content", address=address)

        def own(name: str) -> str:
            return name.partition("._.")[0]

        def save() -> None:
            tag = f"t{next(numbers)}"
            person.run(
                *(ROOT / "bin/user/container-retire", own(waiting.pop()), "--save", tag, "-y"),
                address=address,
            )

        def commit() -> None:
            name = waiting.pop()
            image = f"ds01-{person.uid}/large:t{next(numbers)}"
            person.run("docker", "commit", name, image, address=address)
            person.run("docker", "rm", name, address=address)

        cases: dict[str, Callable[[], object]] = {
            EXPORT: lambda: person.mlc("export", own(waiting[0]), str(written), address=address),
            DOCKER_EXPORT: lambda: person.run(
                *("sh", "-c", 'docker export "$1" | cat >"$2"', "-", waiting[0], str(written)),
                address=address,
            ),
            SAVE: save,
            COMMIT: commit,
        }
        prepare()
        found = interleaved(cases, rounds, prepare)
    clear(ours, [person])
    return found
