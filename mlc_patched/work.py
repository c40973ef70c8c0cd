"""What a command makes only for as long as it works, and how it is told from what one that was
killed has left.

All of it is made under a lock and bears a word of that lock at the end of its name. So whoever
holds the lock next knows that nobody works on it any more, and takes it away before beginning.
Where there are no locks the word is a random one, and `mlc prune` goes by age.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import ConflictError

if TYPE_CHECKING:
    from .account import Account
    from .context import Context

SETUP, LOOK, VERIFY, STEP = "setup", "look", "verify", "step"
"""What a container that is there only meanwhile is for: an old flow's set-up, a look into an
image, the check of a new one, and a step of the classic builder."""
KINDS = (SETUP, LOOK, VERIFY, STEP)
_DIGITS = 12


@dataclass(frozen=True)
class Work:
    """What a command is at: the word of its lock, and whether it holds that alone."""

    word: str
    is_alone: bool = False


def random_work() -> Work:
    """Return the work of a command that holds no lock."""
    return Work(os.urandom(_DIGITS // 2).hex())


def passing_name(kind: str, account: Account, word: str) -> str:
    """Return the name of a container that is there only while a command works.

    Args:
        kind: one of KINDS.
        account: whose command it is.
        word: the word of its work.
    """
    return f"mlc-{kind}-{account.uid}-{word}"


@contextlib.contextmanager
def working(name: str, context: Context) -> Iterator[Work]:
    """Hold the caller's lock of a name, and have what is made meanwhile bear its word.

    Args:
        name: the name of a container in Docker, or another that a lock has (locks.py).
        context: who calls.
    """
    # Imported where it is used: `context` imports this module, and most commands hold no lock.
    import hashlib

    from .locks import exclusive

    with exclusive(context.account, name, context.report) as is_alone:
        digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGITS]
        before, context.work = context.work, Work(digest, True) if is_alone else random_work()
        try:
            yield context.work
        finally:
            context.work = before


def take_away_left(
    context: Context, images: Callable[[str], Iterable[str]] = lambda word: ()
) -> None:
    """Remove what a command that was killed at this same work has left in the engine.

    Args:
        context: the engine, and the work; one that is not held alone leaves nothing to know by.
        images: names that images bear meanwhile, by the word.

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
    for name in images(work.word):
        try:
            engine.remove_image(name)
        except ConflictError as error:
            report.warn(f"{name}, which a command that was killed had left, stays: {error}")
