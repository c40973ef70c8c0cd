"""Containers that ran when their server or its engine went down, and starting them again."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator, Sequence

from ..context import Context
from ..engine.interface import Container
from ..errors import ConflictError, NotFoundError
from ..lean import TYPE_CHECKING, dataclass
from ..names import labels
from ..names.containers import short_name

if TYPE_CHECKING:
    from .jobs import Job

_NEWS_SECONDS = 7 * 86400
"""How long after the boot lists mention such containers."""
_SHUTDOWN_SECONDS = 20 * 60
"""The longest that a server takes from stopping its containers to booting again."""
_FOUND_DEAD = 255
"""The exit status of containers that the engine finds dead when it starts."""
_ENDED_BY_OTHERS = re.compile(r"Exited \((?:137|143|255)\)")
"""Of `mlc stop` it is 129, as that hangs up the container's terminal."""


@dataclass(frozen=True)
class Interrupted:
    """A container that ran when its server went down, and the jobs that ran in it."""

    name: str
    container: Container
    jobs: tuple[Job, ...]


def interrupted(
    found: Sequence[Container], context: Context, *, is_news: bool = False
) -> list[Interrupted]:
    """Return those of the caller's containers that ran when this server last went down.

    Nothing is known of remote servers. An engine call for each stopped container that `mlc stop`
    did not stop, and one for each that is returned; with `is_news`, only within a week of the boot.
    """
    stopped = [
        each
        for each in found
        if context.owns(each.name, each.labels[labels.OWNER])
        and not each.labels.get(labels.JOB)  # what Slurm ran is Slurm's to start
        and not each.is_running
        and _ENDED_BY_OTHERS.match(each.status)
    ]
    if not stopped or not context.address.is_local:
        return []
    from ..host.hardware import boot_time

    booted = boot_time()
    if booted is None or (is_news and time.time() - booted > _NEWS_SECONDS):
        return []
    return list(_interrupted(stopped, booted, context))


def all_interrupted(context: Context) -> list[Interrupted]:
    """Return the caller's containers that ran when this server last went down.

    Raises NotFoundError if there is none.
    """
    found = interrupted(context.containers(), context)
    if not found:
        raise NotFoundError(
            "None of your containers ran when this server last went down.",
            "Start one with: mlc start NAME",
        )
    return found


def _interrupted(
    stopped: Sequence[Container], booted: float, context: Context
) -> Iterator[Interrupted]:
    from .jobs import STOPPED, jobs_or_warning

    for each in stopped:
        with contextlib.suppress(ConflictError, NotFoundError):  # it has just been removed
            activity = context.engine.activity(each.id)
            ended, started = activity.ended or 0, activity.started or 0
            was_stopped = booted - _SHUTDOWN_SECONDS <= ended <= booted
            was_found_dead = activity.exit_status == _FOUND_DEAD and started < booted <= ended
            if was_stopped or was_found_dead:
                jobs = [job for job in jobs_or_warning(each, context) if job.state == STOPPED]
                last = tuple(job for job in jobs if job.started >= int(started))
                yield Interrupted(short_name(each.name), each, last)
