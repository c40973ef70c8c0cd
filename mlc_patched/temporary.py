"""What a command makes only for as long as it works, and how it is told from what one that was
killed has left.

Containers, images and directories of that kind are made under a lock, and their names end in a word
of that lock. So whoever holds the lock next knows that nobody works on them any more, and takes
them away before beginning. Where there are no locks the word is a random one, and `mlc prune` goes
by age.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import ConflictError
from .names.projects import BUILDING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .context import Context
    from .host.account import Account

SETUP, LOOK, VERIFY, STEP = "setup", "look", "verify", "step"
"""What a container that is there only meanwhile is for: an old flow's set-up, a look into an
image, the check of a new one, and a step of the classic builder."""
KINDS = (SETUP, LOOK, VERIFY, STEP)
BUILD_PREFIX = "mlc-build-"
"""Beginning of the names of the private directories of builds."""
EDIT_PREFIX = "mlc-edit-"
"""Beginning of the names of the directories in which an editor has a Dockerfile."""
_DIGITS = 12


@dataclass(frozen=True)
class Work:
    """What a command is at: the word of its lock, and whether it holds that alone."""

    word: str
    is_alone: bool = False


_current: ContextVar[Work | None] = ContextVar("work", default=None)


def random_work() -> Work:
    """Return the work of a command that holds no lock."""
    return Work(os.urandom(_DIGITS // 2).hex())


def current_work() -> Work | None:
    """Return what this thread is at; None where it holds no lock."""
    return _current.get()


def passing_name(kind: str, account: Account, word: str) -> str:
    """Return the name of a container that is there only while a command works.

    Args:
        kind: one of KINDS.
        account: whose command it is.
        word: the word of its work.
    """
    return f"mlc-{kind}-{account.uid}-{word}"


def passing_image(repository: str, word: str) -> str:
    """Return the name an image has while it is made and checked.

    Args:
        repository: the one that it is made for.
        word: the word of the work.
    """
    return f"{repository}:{BUILDING}{word}"


def build_directory_prefix(word: str) -> str:
    """Return the beginning of the name of a build's directory; `word` is its lock's."""
    return f"{BUILD_PREFIX}{word}-"


def temporary_directory(environ: Mapping[str, str]) -> Path:
    """Return the directory of temporary files: TMPDIR's, else the system's."""
    import tempfile
    from pathlib import Path

    return Path(environ.get("TMPDIR") or tempfile.gettempdir())


@contextlib.contextmanager
def working(name: str, context: Context, *, waits: bool = True) -> Iterator[Work]:
    """Hold the caller's lock of a name, and have what is made meanwhile bear its word.

    Args:
        name: the name of a container in Docker, or another that a lock has (locks.py).
        context: who calls.
        waits: whether to wait for another command that holds it; else the word is a random one.
    """
    # Imported where it is used: `context` imports this module, and most commands hold no lock.
    import hashlib

    from .host.locks import exclusive

    with exclusive(context.account, name, context.report, waits=waits) as identity:
        digest = hashlib.sha256(identity + name.encode("utf-8", "surrogateescape")).hexdigest()
        work = Work(digest[:_DIGITS], True) if identity else random_work()
        before = _current.set(work)
        try:
            yield work
        finally:
            _current.reset(before)


def take_away_left(context: Context, image: str | None = None) -> None:
    """Remove what a command that was killed at this same work has left in the engine, and say so.

    Args:
        context: the engine, and the work; one that is not held alone leaves nothing to know by.
        image: the name that an image bears meanwhile, and others' beginning with it and a `-`.

    Raises:
        EngineError: the engine did not answer.
    """
    engine, work, report = context.engine, context.work, context.report
    if not work.is_alone:
        return
    names = [passing_name(kind, context.account, work.word) for kind in KINDS]
    for container in engine.containers(names=names):
        engine.remove_container(container.id, force=True)
        report.note(f"Removed {container.name}, which a command that was killed had left")
    for found in engine.find_images(names=(f"{image}*",)) if image else ():
        for name in found.references:
            if name != image and not name.startswith(f"{image}-"):
                continue
            try:
                engine.remove_image(name)
            except ConflictError as error:
                report.warn(f"{name}, which a command that was killed had left, stays: {error}")
            else:
                report.note(f"Removed {name}, which a command that was killed had left")
