"""`mlc stop`."""

from __future__ import annotations

import argparse

from ..output import say
from ..parser import (
    TYPE_CHECKING,
    Parser,
    add_container_names,
    add_force,
    add_json,
    add_missing_ok,
    add_script,
)

if TYPE_CHECKING:
    from ...containers.stop import Stopped
    from ...context import Context

EXAMPLES = (
    "mlc stop my-project -f",
    "mlc stop train evaluate -f --missing-ok      several; fine if they are not there",
)


def add_arguments(command: Parser) -> None:
    add_container_names(command)
    add_force(command)
    add_missing_ok(command)
    add_script(command)
    add_json(command)


def run(arguments: argparse.Namespace, context: Context) -> int:
    from ...containers.stop import stop
    from ..prompts import choose_containers, confirm
    from ..several import for_each, named

    names = choose_containers(arguments, context, "stop", running=True)
    # No question about a container that does not exist.
    found = {name: container for name in names if (container := context.find(name)) is not None}
    if found:
        if not (arguments.force or arguments.script or arguments.yes):
            from ...containers.processes import say_what_ends

            for container in found.values():
                say_what_ends(container, context)
        it = "it" if len(found) == 1 else "them"
        question = f"Stop {named([*found])}? Everything running in {it} will be ended."
        confirm(arguments, question, piped=True)

    def show(stopped: Stopped) -> None:
        say(f"[{stopped.name}] {'stopped' if stopped.was_running else 'was not running'}.")

    return for_each(
        names, lambda name: stop(name, context=context), show, arguments, context, "stopped"
    )
