"""`mlc logs`."""

from __future__ import annotations

import argparse

from ..output import write
from ..parser import TYPE_CHECKING, Parser, add_container_name, add_job, add_option, add_switch

if TYPE_CHECKING:
    from ...context import Context

EXAMPLES = (
    "mlc logs my-project              all of the last job's output",
    "mlc logs my-project -f           and what follows, until it ends",
    "mlc logs my-project -n 20        the last lines",
    "mlc logs my-project --job 3      of another job",
)


def add_arguments(command: Parser) -> None:
    add_container_name(command)
    add_switch(command, "-f --follow", "go on until the job ends")
    add_option(command, "-n --tail", "LINES", "only the last lines", type=int)
    add_job(command)


def run(arguments: argparse.Namespace, context: Context) -> int:
    from ...containers.background import cut_off, follow, last_output, output_of
    from ...containers.jobs import RUNNING, find_job
    from ...errors import INTERRUPTED, NotFoundError, Terminated, UsageError, interrupted
    from ..prompts import choose_container

    lines = arguments.tail
    if lines is not None and lines < 0:
        raise UsageError("-n takes a number of lines.")
    name = choose_container(arguments, context, "logs")
    container, job = find_job(name, arguments.job, context)
    if arguments.follow and job.state == RUNNING:
        try:
            job = follow(name, job, context, lines)
        except KeyboardInterrupt as interrupt:
            if not isinstance(interrupt, Terminated):  # Ctrl-C is the usual way to end it
                return INTERRUPTED
            raise interrupted(interrupt, *cut_off(name, job, follows=True)) from None
        how = job.status.removeprefix("ended, ")
        context.report.note(f"[{name}] job {job.number} has ended: {how}.")
        return 0
    if lines is not None:
        write([last_output(container, job, lines, context)])
        return 0
    try:
        write(output_of(container, job, context))
    except NotFoundError as error:
        raise NotFoundError(
            f"The output of job {job.number} is no longer in {name}: {job.output}"
        ) from error
    return 0
