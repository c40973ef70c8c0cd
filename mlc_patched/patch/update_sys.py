"""update-sys: bring the checkout this program stands in up to date, by git."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..context import Context
from ..host.git import git


@dataclass(frozen=True)
class Updated:
    """The checkout, and the subjects of the changes that were taken, newest first.

    `declined` tells that there were changes and that they were not wanted.
    """

    checkout: str
    changes: tuple[str, ...]
    declined: bool = False


def update_sys(context: Context, start: Path, agree: Callable[[tuple[str, ...]], bool]) -> Updated:
    """Fetch the checkout's upstream, show what is new, and go forward to it.

    Args:
        context: hears what is done.
        start: the directory the program stands in.
        agree: is shown the changes and says whether to take them.

    Raises:
        MlcError: this is no git checkout, or git failed, with git's own words.
    """
    checkout = git(start, "rev-parse", "--show-toplevel")
    context.report.step(f"Asking for updates of {checkout}")
    git(Path(checkout), "fetch", "--quiet")
    log = git(Path(checkout), "log", "--format=%h %s", "HEAD..@{upstream}")
    changes = tuple(log.splitlines())
    if not changes:
        return Updated(checkout, ())
    if not agree(changes):
        return Updated(checkout, changes, declined=True)
    git(Path(checkout), "merge", "--ff-only", "--quiet", "@{upstream}")
    return Updated(checkout, changes)
