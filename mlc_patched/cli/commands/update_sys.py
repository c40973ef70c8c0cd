"""`mlc update-sys`."""

from __future__ import annotations

import argparse

from ..output import print_json, say
from ..parser import TYPE_CHECKING, Parser, add_force, add_json, add_switch

if TYPE_CHECKING:
    from ...context import Context

EXAMPLES = ("sudo mlc update-sys",)


def add_arguments(command: Parser) -> None:
    add_force(command)
    add_switch(command, "-Y --yes", argparse.SUPPRESS)
    add_json(command)


def run(arguments: argparse.Namespace, context: Context) -> int:
    from ...patch.update import update_sys
    from ..prompts import confirm

    _become_owner(arguments, context)

    def ask(changes: tuple[str, ...]) -> None:
        # With --json, standard output is for the result alone.
        tell = context.report.note if arguments.json else say
        tell("New commits:")
        for change in changes:
            tell(f"  {change}")
        confirm(arguments, "Update now?", default=True, unattended=False, piped=True)

    updated = update_sys(context.program or __file__, context.report, ask)
    if arguments.json:
        return print_json("updated", updated)
    if count := len(updated.changes):
        say(f"{updated.checkout}: updated, {count} new commit{'s'[: count != 1]}.")
    else:
        say(f"{updated.checkout} is up to date.")
    return 0


def _become_owner(arguments: argparse.Namespace, context: Context) -> None:
    """Run this command again with sudo if the checkout belongs to root and the caller does not.

    AIME's mlc calls sudo for git, too. Only a terminal can ask for a password.
    """
    import os
    from pathlib import Path
    from shutil import which

    from ...errors import NotAllowedError
    from ...patch.layout import checkout_of
    from ...patch.update import place_in_git
    from ..prompts import on_terminal

    program = context.program or __file__
    patched = checkout_of(program)
    checkout = patched or place_in_git(program)
    if os.geteuid() == 0 or checkout.stat().st_uid != 0:
        return
    own = (
        [str(patched / "mlc-update-sys")]
        if patched
        else [str(Path(program).absolute()), "update-sys"]
    )
    own += ["-f"] if arguments.force or arguments.yes else []
    own += ["--json"] if arguments.json else []
    sudo = which("sudo")
    if sudo is None or not on_terminal():
        raise NotAllowedError(
            f"{checkout} belongs to root, so you cannot update it.",
            f"Run it as an administrator: sudo {' '.join(own)}",
        )
    context.report.note(f"{checkout} belongs to root: running sudo {' '.join(own)}")
    os.execv(sudo, [sudo, *own])  # noqa: S606 - no shell is wanted
