"""The installed commands and their argparse parsers: what completion and manual pages are made of.

.venv/bin/python tools/commands.py      prints their names, one on a line
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from mlc_patched.cli import arguments
from mlc_patched.cli.dispatch import ADMIN, parser_of
from mlc_patched.cli.engine_arguments import add_engine_flags

BIN = Path(__file__).resolve().parents[1] / "bin"


def verbs() -> dict[str, argparse.ArgumentParser]:
    """Return the parsers of the commands that are called `mlc NAME`."""
    found = arguments.verbs()
    for name in ADMIN:
        found[name] = parser_of(name)
    return found


def programs() -> dict[str, argparse.ArgumentParser]:
    """Return the parsers of the programs of their own besides `mlc`, by the files in bin."""
    found = {}
    mlc = verbs()
    for file in sorted((*BIN.glob("mlc-*"), *BIN.glob("user/*"))):
        verb = file.name.removeprefix("mlc-")
        if file.name.startswith("mlc-") and verb in mlc:
            found[file.name] = mlc[verb]
            found[file.name].prog = file.name
        else:
            found[file.name] = parser_of(file.name)
    return found


def top(parsers: Mapping[str, argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Return a parser of `mlc` with the verbs' own parsers in it.

    The program's own makes a verb's parser only when the verb is called.
    """
    real = arguments.parser()
    made = argparse.ArgumentParser(
        prog="mlc",
        description=real.description,
        epilog=real.epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("-v", "--version", action="version", version="")
    add_engine_flags(made)
    commands = made.add_subparsers(dest="command", metavar="command")
    for name, parser in parsers.items():
        added = commands.add_parser(name, help=parser.description, add_help=False)
        added.description = parser.description
        for action in parser._actions:
            added._add_action(action)
    return made


if __name__ == "__main__":
    print("mlc", *programs(), sep="\n")
