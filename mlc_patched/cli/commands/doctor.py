"""`mlc doctor`."""

from __future__ import annotations

import argparse

from ..output import print_json, say
from ..parser import TYPE_CHECKING, Parser, add_json, add_no_questions, add_switch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...context import Context
    from ...maintenance.checks import Finding

EXAMPLES = (
    "mlc doctor                           one page; exit code 1 if something is broken",
    "mlc doctor --repair                  fix what is safe to fix, after showing it",
    "mlc doctor --node                    on a node of Slurm's",
)


def add_arguments(command: Parser) -> None:
    add_switch(command, "--repair", "fix what is safe to fix")
    add_switch(command, "--node", "also check what jobs of Slurm need on this host")
    add_json(command)
    add_no_questions(command)


def run(arguments: argparse.Namespace, context: Context) -> int:
    from ...maintenance.checks import Health
    from ...maintenance.doctor import doctor, repair
    from ..prompts import confirm

    findings = doctor(context, is_node=arguments.node)
    repairs = [each for each in findings if each.repair is not None]
    if arguments.json and not arguments.repair:
        print_json("findings", findings)
    elif not arguments.json:
        _page(findings)
    if arguments.repair:
        if repairs:
            for each in repairs:
                words = each.repair.words if each.repair else ""
                context.report.note(f"Would fix {each.name}: {words}")
            confirm(arguments, f"Fix these {len(repairs)} problems?", default=True, flag="-y")
            repair(repairs, context)
            findings = doctor(context, is_node=arguments.node)
        if arguments.json:
            print_json("findings", findings)
        elif repairs:
            say("After the repair:")
            _page(findings)
        else:
            context.report.note("There is nothing that can be fixed automatically.")
    return int(any(each.health is Health.BROKEN for each in findings))


def _page(findings: Sequence[Finding]) -> None:
    for each in findings:
        say(f"{each.health.value:8} {each.name}: {each.text}")
        if each.remedy:
            say(f"{'':8}   fix: {each.remedy}")
