"""`mlc start`."""

from __future__ import annotations

import argparse

from ..dispatch import TYPE_CHECKING
from ..output import say
from ..parser import Parser, add_container_name, add_positional, add_script, add_switch

if TYPE_CHECKING:
    from ...context import Context

EXAMPLES = (
    "mlc start my-project",
    "mlc start my-project 'python train.py --epochs 3'",
    "mlc start my-project -d 'python train.py'     in the background",
)


def add_arguments(command: Parser) -> None:
    add_container_name(command)
    add_positional(command, "execute_command", "a line for the container's bash, quoted")
    add_switch(command, "-d --detach", "do not wait for the command to end")
    add_script(command)


def run(arguments: argparse.Namespace, context: Context) -> int:
    from ...containers.start import start
    from ..prompts import choose_container

    name = choose_container(arguments, context, "start")
    line = (arguments.execute_command,) if arguments.execute_command else ()
    detach = arguments.detach and bool(line)
    started = start(name, line, detach=detach, context=context)
    if not line:
        state = "is already running" if started.was_running else "started"
        say(f"[{name}] {state}. Open a shell with: mlc open {name}")
    elif detach:
        say(f"[{name}] the command runs in the background. See: mlc stats")
    return started.exit_status
