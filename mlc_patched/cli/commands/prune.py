"""`mlc prune`."""

from __future__ import annotations

import argparse

from ...errors import MlcError, shown
from ..output import print_json, say, table
from ..parser import TYPE_CHECKING, Parser, add_json, add_no_questions, add_option, add_switch

if TYPE_CHECKING:
    from ...context import Context

EXAMPLES = (
    "mlc prune --dry-run                  leftovers, and how much it would free",
    "sudo mlc prune --all-users -y        of every user",
    "mlc prune --previous --aime          with more kinds of leftovers",
)
HOUR = 3600
_HOURS_DIGITS = 9  # more would be beyond what the system's clock can count in seconds


def add_arguments(command: Parser) -> None:
    add_switch(command, "-n --dry-run", "only say what would go")
    add_switch(command, "--all-users", "of every user (only as root)")
    add_switch(command, "--previous", "also the images from before the last update")
    add_switch(
        command,
        "--unused",
        "also images of legacy_flow = build that no container uses; create rebuilds them",
    )
    add_switch(command, "--aime", "also committed images without our labels: AIME's")
    add_option(
        command,
        "--older-than",
        "HOURS",
        "age from which what a killed command made is a leftover (default: 24)",
        type=_hours,
        default=24,
    )
    add_json(command)
    add_no_questions(command)


def _hours(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _HOURS_DIGITS):
        raise argparse.ArgumentTypeError(f"{shown(text)} is not a number of hours. For example: 24")
    return int(text)


def run(arguments: argparse.Namespace, context: Context) -> int:
    from ...maintenance.prune import find, prune
    from ...units import size_in_words
    from ..prompts import confirm

    found = find(
        context,
        all_users=arguments.all_users,
        previous=arguments.previous,
        unused=arguments.unused,
        aime=arguments.aime,
        older_than=arguments.older_than * HOUR,
    )
    if found.unlabelled:
        command = "mlc prune --all-users" if arguments.all_users else "mlc prune"
        context.report.note(
            f"{found.unlabelled} committed images without labels, as AIME's mlc makes them, are "
            f"not used by any container. See them with: {command} --aime --dry-run"
        )
    if not arguments.json and found.items:
        rows = [
            (each.kind.value, each.name, str(each.uid), size_in_words(each.frees))
            for each in found.items
        ]
        table(("LEFTOVER", "NAME", "UID", "FREES ALONE"), rows)
        say(f"Total: {size_in_words(found.frees)} of disk, shared layers counted once.")
    if arguments.dry_run or not found.items:
        if arguments.json:
            return print_json("left_over", found.items, frees=found.frees)
        if not found.items:
            say("There are no leftovers.")
        return 0
    confirm(arguments, _question(len(found.items)), flag="-y")
    pruned = prune(found, context)
    for kept in pruned.kept:
        context.report.note(f"Kept: {kept}")
    if arguments.json:
        print_json("removed", pruned.removed, kept=pruned.kept, frees=pruned.frees)
        return bool(pruned.failed)
    say(f"{len(pruned.removed)} removed.")
    if pruned.failed:
        raise MlcError(
            f"{pruned.failed} of {len(pruned.removed) + len(pruned.kept)} leftovers were not "
            "removed; see the messages above."
        )
    return 0


def _question(count: int) -> str:
    return "Remove it?" if count == 1 else f"Remove these {count} items?"
