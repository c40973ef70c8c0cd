"""The installed programs and their argparse parsers: what completion and manual pages are made of.

.venv/bin/python tools/commands.py      prints their names, one on a line
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mlc_patched.cli.dispatch import COMMANDS
from mlc_patched.cli.parser import Parser, command_parser, top_parser

BIN = Path(__file__).resolve().parents[1] / "bin"
LISTED = [command for command in COMMANDS.values() if command.is_listed]


def programs() -> dict[str, Parser]:
    """Return the parsers of the programs in bin other than `mlc`, by file name."""
    found = {}
    for file in sorted((*BIN.glob("mlc-*"), *BIN.glob("user/*"))):
        name = file.name
        command = COMMANDS.get(name) or COMMANDS[name.removeprefix("mlc-")]
        found[name] = command_parser(command)
        found[name].prog = name
    return found


def with_subcommands() -> Parser:
    """Return a parser of `mlc` with the parsers of its commands in it.

    The program itself makes only the parser of the command that is called.
    """
    top = Parser(prog="mlc", description=top_parser().description)
    for action in flags(top_parser()):
        top._add_action(action)
    commands = top.add_subparsers(dest="command", metavar="command")
    for command in LISTED:
        parser = command_parser(command)
        added = commands.add_parser(
            command.name,
            help=parser.description,
            description=parser.description,
            add_help=False,
        )
        for action in parser._actions:
            added._add_action(action)
    return top


def flags(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Return the flags of a parser other than -h."""
    return [each for each in parser._actions if each.option_strings and each.dest != "help"]


if __name__ == "__main__":
    print("mlc", *programs(), sep="\n")
