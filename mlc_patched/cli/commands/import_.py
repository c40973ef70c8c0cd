"""`mlc import`."""

from __future__ import annotations

import argparse

from ..output import say
from ..parser import TYPE_CHECKING, Parser, add_machine_flags, add_positional, add_script, machine

if TYPE_CHECKING:
    from ...context import Context

EXAMPLES = (
    "mlc import my-project.mlc.tar",
    "mlc import my-project.mlc.tar copy -w ~/copy",
)


def add_arguments(command: Parser) -> None:
    add_positional(command, "file", "a file that mlc export wrote", "files", nargs=None)
    add_positional(command, "container_name", "name of the container (default: the exported one's)")
    add_machine_flags(command, aime=True)
    add_script(command)


def run(arguments: argparse.Namespace, context: Context) -> int:
    from ...containers.import_ import ImportRequest, import_

    request = ImportRequest(arguments.file, arguments.container_name, **machine(arguments))
    created = import_(request, context)
    say(f"[{created.name}] ready. Open it with: mlc open {created.name}")
    return 0
