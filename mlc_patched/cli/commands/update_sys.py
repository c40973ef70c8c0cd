"""`mlc update-sys`."""

from __future__ import annotations

import argparse

from ..output import say
from ..parser import Parser, add_force, add_switch

TYPE_CHECKING = False  # typing itself takes 4 ms to import, a fifth of `mlc -h`
if TYPE_CHECKING:
    from ...context import Context

EXAMPLES = ("sudo mlc update-sys",)


def add_arguments(command: Parser) -> None:
    add_force(command)
    add_switch(command, "-Y --yes", argparse.SUPPRESS)


def run(arguments: argparse.Namespace, context: Context) -> int:
    from pathlib import Path

    from ...patch.update import update_sys
    from ..prompts import confirm

    def ask(changes: tuple[str, ...]) -> None:
        say("New commits:")
        for change in changes:
            say(f"  {change}")
        confirm(arguments, "Update now?")

    updated = update_sys(context.program or Path(__file__), context.report, ask)
    if count := len(updated.changes):
        say(f"{updated.checkout}: updated, {count} new commit{'s'[: count != 1]}.")
    else:
        say(f"{updated.checkout} is up to date.")
    return 0
