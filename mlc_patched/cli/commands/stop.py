"""`mlc stop`."""

from __future__ import annotations

import argparse

from ..output import say
from ..parser import TYPE_CHECKING, Parser, add_container_name, add_force, add_script

if TYPE_CHECKING:
    from ...context import Context

EXAMPLES = ("mlc stop my-project -f",)


def add_arguments(command: Parser) -> None:
    add_container_name(command)
    add_force(command)
    add_script(command)


def run(arguments: argparse.Namespace, context: Context) -> int:
    from ...containers.stop import stop
    from ..prompts import choose_container, confirm

    name = choose_container(arguments, context, "stop", running=True)
    container = context.get(name)  # no question about a container that does not exist
    if not (arguments.force or arguments.script or arguments.yes):
        from ...containers.processes import say_what_ends

        say_what_ends(container, context)
    question = f"Stop the container {name}? Everything running in it will be ended."
    confirm(arguments, question, piped=True)
    stopped = stop(name, context=context)
    say(f"[{name}] {'stopped' if stopped.was_running else 'was not running'}.")
    return 0
