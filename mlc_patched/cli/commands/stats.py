"""`mlc stats`."""

from __future__ import annotations

import argparse

from ..output import print_json, show
from ..parser import TYPE_CHECKING, Parser, add_json, add_switch

if TYPE_CHECKING:
    from ...context import Context
    from ..output import Column

EXAMPLES = ("mlc stats", "mlc stats --own", "mlc stats --json")


def add_arguments(command: Parser) -> None:
    add_switch(command, "-o --own", "only your own containers")
    add_switch(command, "-au --all_users", argparse.SUPPRESS)  # before 1.0 not the default
    add_json(command)


def run(arguments: argparse.Namespace, context: Context) -> int:
    from ...containers.stats import stats
    from ...units import size_in_words

    measured = stats(all_users=not arguments.own, context=context)
    if arguments.json:
        return print_json("containers", measured)
    is_shared = any(not context.owns(each.tag, each.user) for each in measured)
    columns: list[Column] = [
        ("CONTAINER", True, lambda each: f"[{each.name}]"),
        ("CPU %", True, lambda each: f"{each.usage.cpu_percent:.2f}%"),
        (
            "MEMORY / LIMIT",
            True,
            lambda each: " / ".join(
                map(size_in_words, (each.usage.memory, each.usage.memory_limit))
            ),
        ),
        ("MEMORY %", True, lambda each: f"{each.usage.memory_percent:.2f}%"),
        ("PIDS", True, lambda each: str(each.usage.processes)),
        ("USER", is_shared, lambda each: each.user),
    ]
    show(columns, measured)
    if not measured:
        context.report.note("No containers are running.")
    return 0
