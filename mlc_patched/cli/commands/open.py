"""`mlc open`."""

from __future__ import annotations

import argparse

from ..output import say
from ..parser import TYPE_CHECKING, Parser, add_container_name, add_script

if TYPE_CHECKING:
    from ...context import Context

EXAMPLES = ("mlc open my-project",)


def add_arguments(command: Parser) -> None:
    add_container_name(command)
    add_script(command)


def run(arguments: argparse.Namespace, context: Context) -> int:
    from ...containers.open import open_shell
    from ..prompts import choose_container

    opened = open_shell(choose_container(arguments, context, "open"), context=context)
    if opened.is_reported:
        return opened.exit_status
    if opened.was_removed:
        say(f"[{opened.name}] was removed while the shell was open.")
    elif opened.left_running:
        say(f"[{opened.name}] left running: {opened.left_running}.")
    else:
        say(f"[{opened.name}] stopped.")
    if opened.to_keep:
        context.report.note(opened.to_keep)
    return opened.exit_status
