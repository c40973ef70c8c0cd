"""`mlc import`."""

from __future__ import annotations

import argparse

from ..output import print_json, print_names, say
from ..parser import (
    TYPE_CHECKING,
    Parser,
    add_machine_flags,
    add_output,
    add_positional,
    add_script,
    machine,
)

if TYPE_CHECKING:
    from typing import Any

    from ...containers.import_ import ImportRequest
    from ...context import Context

EXAMPLES = (
    "mlc import my-project.mlc.tar",
    "mlc import my-project.mlc.tar copy -w ~/copy",
)


def add_arguments(command: Parser) -> None:
    add_positional(command, "file", "a file that mlc export wrote", "files", nargs=None)
    add_positional(command, "container_name", "name of the container (default: the exported one's)")
    add_machine_flags(command, aime=True)
    add_output(command, "print the container's name only")
    add_script(command)


def _answers(request: ImportRequest, yes: bool, context: Context) -> dict[str, Any]:
    """Ask whether directories that are not below the home are mounted, unless the answer is yes."""
    from ...containers.import_ import directories_to_accept
    from ..prompts import ask_yes_no

    accepted, left_out = [], {}
    for field, path in directories_to_accept(request, context).items():
        say(f"The archive wants {path} of this host mounted as /{field}.")
        if yes or ask_yes_no("It is not below your home. Mount it?", default=False):
            accepted.append(path)
        else:
            left_out[field] = "-"
    return {"accepted": frozenset(accepted), **left_out}


def run(arguments: argparse.Namespace, context: Context) -> int:
    from ...containers.import_ import ImportRequest, import_
    from ...lean import replace
    from ..prompts import may_ask

    request = ImportRequest(arguments.file, arguments.container_name, **machine(arguments))
    if arguments.yes or may_ask(arguments, "script"):
        request = replace(request, **_answers(request, arguments.yes, context))
    created = import_(request, context)
    if arguments.json:
        return print_json("container", created)
    if arguments.quiet:
        return print_names([created.name])
    say(f"[{created.name}] ready. Open it with: mlc open {created.name}")
    return 0
