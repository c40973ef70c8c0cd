"""What there is before and after a command: engines, the cluster, the registry and files."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

from mlc_patched.host import locks
from support.fakes.engine import FakeEngine, FakeImage

Rows = tuple[tuple[str, ...], ...]
_PASSING = re.compile(r"[0-9a-f]{8,}|\d{4}-\d\d-\d\d(?:[-T][\d:]+Z?(?:-\d+)?)?")
"""What differs from run to run: random words, ids and dates, with a number where one is taken."""


@dataclass(frozen=True)
class State:
    """What there is: containers and images of the engines, services of the cluster, what the
    registry has, files of the user's. Each row begins with what tells it from another of the same
    name: an id, or the digest of a file's content.
    """

    containers: Rows
    images: Rows
    services: Rows
    pushed: Rows
    files: Rows

    def plain(self) -> State:
        """Return it without what differs from run to run."""
        return State(
            *(
                tuple(
                    sorted(
                        tuple(_PASSING.sub("*", word) for word in row[1:])
                        for row in getattr(self, each.name)
                    )
                )
                for each in fields(self)
            )
        )


def names(state: State, *, digests: bool = True) -> set[tuple[str, ...]]:
    """Return what there is by its names alone.

    Args:
        state: what there is.
        digests: images' names by digest, too. Of an engine that is gone one may stay; the image
            has its own besides, and without that it is one for prune, as any that is nameless.
    """
    rows = (*state.containers, *state.services, *state.pushed, *state.files)
    images = {tuple(name for name in each if digests or "@" not in name) for each in state.images}
    return {each[:1] for each in rows} | (images if digests else images - {()})


def without_those_of(state: State, before: State) -> State:
    """Return a state without the containers and images that another one has, under any name."""
    known = {row[0] for row in (*before.containers, *before.images)}
    return replace(
        state,
        containers=tuple(row for row in state.containers if row[0] not in known),
        images=tuple(row for row in state.images if row[0] not in known),
    )


def differences(wanted: State, found: State) -> str:
    """Return what differs in words."""
    words = []
    for each in fields(State):
        one, other = set(getattr(wanted, each.name)), set(getattr(found, each.name))
        words += [f"lacks {row}" for row in one - other]
        words += [f"has {row}" for row in other - one]
    return "; ".join(words)


def state_of(engines: Mapping[str, FakeEngine], directories: tuple[Path, Path]) -> State:
    """Return what there is.

    Args:
        engines: by what is put before the names of what they have; the first is the manager's.
        directories: the home, and the one of temporary files.
    """
    own = next(iter(engines.values()))
    containers, images = [], []
    for at, engine in engines.items():
        for each in engine.made.values():
            name, image = f"{at}{each.specification.name}", each.specification.image
            containers.append((each.id, name, each.state, image))
        for found in engine.images.values():
            if engine is own or not _is_swarms(found):
                images.append((found.image.id, *sorted(f"{at}{name}" for name in found.names)))
    services = [(each.id, each.name, each.image) for each, _ in own.swarm.made.values()]
    pushed = [(each.image.id, name) for name, each in own.registries.images.items()]
    files = _files(*directories)
    return State(*(tuple(sorted(each)) for each in (containers, images, services, pushed, files)))


def process_problems(home: Path, place: Path) -> Iterator[str]:
    """Yield what a command must not leave in its own process, nor in the file of locks.

    Args:
        home: where the file of locks is.
        place: below it are all files a command opens.
    """
    for path in home.rglob(locks.FILE):
        status = path.stat()
        if status.st_size > 16 or status.st_mode & 0o077:
            yield f"{path} has {status.st_size} bytes, and rights {status.st_mode:o}"
    for each in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            if (target := str(each.readlink())).startswith(str(place)):
                yield f"{target} is still open, and what was locked by it locked"
    if held := signal.pthread_sigmask(signal.SIG_BLOCK, ()):
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        yield f"signals are still held: {held}"


def _is_swarms(image: FakeImage) -> bool:
    """Whether Swarm got an image to a node, by its digest; it keeps what it got."""
    return not image.image.references and bool(image.digests)


def _files(home: Path, temporary: Path) -> Iterator[tuple[str, ...]]:
    for top in (home, temporary):
        for path in top.rglob("*"):
            name = str(path.relative_to(top.parent))
            # The one file of locks is there for good, and holds nothing of a command's (locks.py).
            if path.is_file() and path.name != locks.FILE:
                content = path.read_bytes()
                text = _text(content).replace(str(home.parent), "")
                yield hashlib.sha256(content).hexdigest(), name, text
            elif path.is_dir() and top == temporary:
                yield "", f"{name}{os.sep}", ""


def _text(content: bytes) -> str:
    """Return a file's text; of an archive, that it is none."""
    return "no text" if b"\0" in content else content.decode()
