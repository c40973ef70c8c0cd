"""`mlc stats`."""

from __future__ import annotations

import argparse

from ..output import print_json, table
from ..parser import Parser, add_json, add_switch

TYPE_CHECKING = False  # typing itself takes 4 ms to import, a fifth of `mlc -h`
if TYPE_CHECKING:
    from ...context import Context

EXAMPLES = ("mlc stats", "mlc stats --json")


def add_arguments(command: Parser) -> None:
    add_switch(command, "-au --all_users", "containers of all users")
    add_json(command)


def run(arguments: argparse.Namespace, context: Context) -> int:
    from ...containers.stats import stats
    from ...units import size_in_words

    measured = stats(all_users=arguments.all_users, context=context)
    if arguments.json:
        return print_json("containers", measured)
    table(
        ("CONTAINER", "CPU %", "MEMORY / LIMIT", "MEMORY %", "PIDS"),
        [
            (
                f"[{each.name}]",
                f"{each.usage.cpu_percent:.2f}%",
                f"{size_in_words(each.usage.memory)} / {size_in_words(each.usage.memory_limit)}",
                f"{each.usage.memory_percent:.2f}%",
                str(each.usage.processes),
            )
            for each in measured
        ],
    )
    if not measured:
        context.report.note("No containers are running.")
    return 0
