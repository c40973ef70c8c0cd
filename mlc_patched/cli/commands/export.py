"""`mlc export`."""

from __future__ import annotations

import argparse

from ..dispatch import TYPE_CHECKING
from ..output import print_json, say
from ..parser import (
    Parser,
    add_container_name,
    add_force,
    add_json,
    add_positional,
    add_script,
)

if TYPE_CHECKING:
    from ...context import Context

EXAMPLES = (
    "mlc export my-project",
    "mlc export my-project /backup/my-project.mlc.tar",
)


def add_arguments(command: Parser) -> None:
    add_container_name(command)
    add_positional(command, "file", "the file to write (default: NAME.mlc.tar)", "files")
    add_force(command, "replace a file that exists")
    add_script(command)
    add_json(command)


def run(arguments: argparse.Namespace, context: Context) -> int:
    from ...containers.export import export
    from ...errors import UsageError
    from ...units import size_in_words
    from ..prompts import choose_container

    if arguments.file == "-":
        raise UsageError(
            "mlc export cannot write to standard output.",
            "Name a file: mlc export NAME FILE - or for one that is called '-': ./-",
        )
    name = choose_container(arguments, context, "export")
    exported = export(name, arguments.file, force=arguments.force, context=context)
    if arguments.json:
        return print_json("exported", exported)
    say(f"[{name}] exported to {exported.file} ({size_in_words(exported.size)}).")
    return 0
