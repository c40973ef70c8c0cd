"""The state before and after a command: engines, the cluster, the registry and files."""

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
from mlc_patched.images import base, verified
from support.fakes.engine import FakeEngine, FakeImage

Rows = tuple[tuple[str, ...], ...]
_PASSING = re.compile(r"[0-9a-f]{8,}|\d{4}-\d\d-\d\d(?:[-T][\d:]+Z?(?:-\d+)?)?")
"""What differs between runs: random tokens, IDs, and dates with an optional number."""


@dataclass(frozen=True)
class State:
    """Containers and images of the engines, services of the cluster, images of the registry, files
    of the user. Each row starts with what identifies it: an ID, or the digest of a file's content.
    """

    containers: Rows
    images: Rows
    services: Rows
    pushed: Rows
    files: Rows

    def plain(self) -> State:
        """Return it without what differs between runs."""
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
    """Return the names in a state.

    Args:
        state: the state.
        digests: include names by digest. Such a name may remain on an engine that was gone. If it
            is the image's only name, the image has no name for prune either.
    """
    rows = (*state.containers, *state.services, *state.pushed, *state.files)
    images = {tuple(name for name in each if digests or "@" not in name) for each in state.images}
    return {each[:1] for each in rows} | (images if digests else images - {()})


def without_those_of(state: State, before: State) -> State:
    """Return a state without the containers and images of an earlier state, under any name."""
    known = {row[0] for row in (*before.containers, *before.images)}
    return replace(
        state,
        containers=tuple(row for row in state.containers if row[0] not in known),
        images=tuple(row for row in state.images if row[0] not in known),
    )


def differences(wanted: State, found: State) -> str:
    """Return the differences as text."""
    words = []
    for each in fields(State):
        one, other = set(getattr(wanted, each.name)), set(getattr(found, each.name))
        words += [f"lacks {row}" for row in one - other]
        words += [f"has {row}" for row in other - one]
    return "; ".join(words)


def state_of(engines: Mapping[str, FakeEngine], directories: tuple[Path, Path]) -> State:
    """Return everything that exists.

    Args:
        engines: by the prefix for the names of their containers and images; the manager's first.
        directories: the home, and the directory of temporary files.
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
    """Yield what a command must not leave in its process or in the lock file.

    Args:
        home: contains the lock file.
        place: contains all files that a command opens.
    """
    for path in home.rglob(locks.FILE):
        status = path.stat()
        if status.st_size > 16 or status.st_mode & 0o077:
            yield f"{path} has {status.st_size} bytes, and rights {status.st_mode:o}"
    for each in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            if (target := str(each.readlink())).startswith(str(place)):
                yield f"{target} is still open, and still holds its locks"
    if held := signal.pthread_sigmask(signal.SIG_BLOCK, ()):
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        yield f"signals are still blocked: {held}"


def _is_swarms(image: FakeImage) -> bool:
    """Whether Swarm pulled an image to a node, by its digest; Swarm keeps such images."""
    return not image.image.references and bool(image.digests)


_PERMANENT = {locks.FILE, verified.VERIFIED.file, base.LOOKED_INTO.file}
"""Files that no command removes, and no command's content is in."""


def _files(home: Path, temporary: Path) -> Iterator[tuple[str, ...]]:
    for top in (home, temporary):
        for path in top.rglob("*"):
            name = str(path.relative_to(top.parent))
            if path.is_file() and path.name not in _PERMANENT:
                content = path.read_bytes()
                text = _text(content).replace(str(home.parent), "")
                yield hashlib.sha256(content).hexdigest(), name, text
            elif path.is_dir() and top == temporary:
                yield "", f"{name}{os.sep}", ""


def _text(content: bytes) -> str:
    """Return a file's text, or `no text` for an archive."""
    return "no text" if b"\0" in content else content.decode()
