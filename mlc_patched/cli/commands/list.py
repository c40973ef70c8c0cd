"""`mlc list`."""

from __future__ import annotations

import argparse

from ..output import below_home, job_in_words, print_json, print_names, say_interrupted, show
from ..parser import TYPE_CHECKING, Parser, add_output, add_switch

if TYPE_CHECKING:
    from ...context import Context
    from ..output import Column

EXAMPLES = (
    "mlc list            your containers",
    "mlc list -a         with sizes, directories and architecture",
    "mlc list -au        those of all users",
    "mlc list --json     for scripts",
)


def add_arguments(command: Parser) -> None:
    add_switch(command, "-a --all", "show every column")
    add_switch(command, "-au --all_users", "containers of all users")
    add_switch(command, "-arch --architecture", "show the architecture")
    add_switch(command, "-d --data", "show the data directory")
    add_switch(command, "-m --models", "show the models directory")
    add_switch(command, "-s --size", "show how much each has written")
    add_switch(command, "-w --workspace", "show the workspace")
    add_output(command)


def run(arguments: argparse.Namespace, context: Context) -> int:
    from ...containers.list import list_containers
    from ...units import size_in_words

    sizes = arguments.size or arguments.all
    found = list_containers(all_users=arguments.all_users, sizes=sizes, context=context)
    if arguments.json:
        return print_json("containers", found)
    if arguments.quiet:
        return print_names(each.tag if arguments.all_users else each.name for each in found)

    def short(path: str | None) -> str | None:
        return below_home(path, context.account.home)

    everything = arguments.all
    columns: list[Column] = [
        ("CONTAINER", True, lambda each: f"[{each.name}]"),
        ("FRAMEWORK", True, lambda each: each.framework),
        ("STATUS", True, lambda each: each.status),
        ("USER", everything or arguments.all_users, lambda each: each.user),
        ("SIZE", sizes, lambda each: size_in_words(each.size)),
        ("ARCHITECTURE", everything or arguments.architecture, lambda each: each.architecture),
        ("WORKSPACE", everything or arguments.workspace, lambda each: short(each.workspace)),
        ("DATA", everything or arguments.data, lambda each: short(each.data)),
        ("MODELS", everything or arguments.models, lambda each: short(each.models)),
    ]
    if not everything:  # as AIME's, where only -a puts SIZE and WORKSPACE first
        columns[4:] = [columns[at] for at in (5, 7, 8, 4, 6)]
    columns.append(("JOB", any(each.job for each in found), lambda each: job_in_words(each.job)))
    show(columns, found)
    say_interrupted(found, context.report)
    if not found:
        context.report.note("No containers. Create one with: mlc create")
    return 0
