"""`mlc wait`."""

from __future__ import annotations

import argparse

from ..output import print_json, say
from ..parser import TYPE_CHECKING, Parser, add_container_name, add_job, add_json

if TYPE_CHECKING:
    from ...context import Context

EXAMPLES = (
    "mlc wait my-project && mlc start my-project -d 'python evaluate.py'",
    "mlc wait my-project --job 3",
)


def add_arguments(command: Parser) -> None:
    add_container_name(command)
    add_job(command)
    add_json(command)


def run(arguments: argparse.Namespace, context: Context) -> int:
    from ...containers.background import cut_off, until_ended
    from ...containers.jobs import find_job
    from ...errors import interrupted
    from ..prompts import choose_container

    name = choose_container(arguments, context, "wait")
    _, job = find_job(name, arguments.job, context)
    try:
        job = until_ended(name, job, context)
    except KeyboardInterrupt as interrupt:
        raise interrupted(interrupt, *cut_off(name, job)) from None
    if arguments.json:
        print_json("job", job)
    else:
        say(f"[{name}] job {job.number}: {job.status}.")
    return 1 if job.exit_status is None else job.exit_status
