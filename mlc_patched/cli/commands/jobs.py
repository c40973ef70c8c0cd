"""`mlc jobs`."""

from __future__ import annotations

import argparse

from ..output import NOTHING, print_json, show
from ..parser import TYPE_CHECKING, Parser, add_container_name, add_json

if TYPE_CHECKING:
    from ...containers.jobs import Job
    from ...context import Context
    from ..output import Column

EXAMPLES = ("mlc jobs my-project", "mlc jobs my-project --json")


def add_arguments(command: Parser) -> None:
    add_container_name(command)
    add_json(command)


def run(arguments: argparse.Namespace, context: Context) -> int:
    import time

    from ...containers.jobs import jobs_of
    from ...units import duration_in_words
    from ..prompts import choose_container

    name = choose_container(arguments, context, "jobs")
    found = jobs_of(context.get(name), context)
    if arguments.json:
        return print_json("jobs", found)
    now = time.time()

    def ended(job: Job) -> str:
        return NOTHING if job.ended is None else f"{duration_in_words(now - job.ended)} ago"

    columns: list[Column] = [
        ("JOB", True, lambda job: str(job.number)),
        ("STATUS", True, lambda job: job.status),
        ("STARTED", True, lambda job: f"{duration_in_words(now - job.started)} ago"),
        ("ENDED", True, ended),
        ("COMMAND", True, lambda job: job.command),
    ]
    show(columns, found)
    if not found:
        context.report.note(f"No jobs. Start one with: mlc start {name} -d 'COMMAND'")
    return 0
