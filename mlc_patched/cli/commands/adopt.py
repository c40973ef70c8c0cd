"""The command lines of the administrators' commands, without what carries them out."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from ..errors import shown
from .dispatch import ADMIN
from .edge import command_parser

_HOURS_DIGITS = 9


def parser(name: str) -> argparse.ArgumentParser:
    """Return the parser of `mlc adopt`, `mlc doctor` or `mlc prune`."""
    examples, add = _PARSERS[name]
    summary = ADMIN[name]
    description = f"{summary[0].upper()}{summary[1:]}."
    command = command_parser(f"mlc {name}", description, examples)
    add(command)
    command.add_argument("--json", action="store_true", help="print JSON")
    command.add_argument("-y", "-Y", "--yes", action="store_true", help="do not ask")
    command.add_argument("-s", "--script", action="store_true", help="never ask anything")
    command.set_defaults(command=name)
    return command


def _add_adopt(command: argparse.ArgumentParser) -> None:
    command.add_argument("container_names", nargs="*", metavar="NAME", help="containers of yours")
    command.add_argument("--all", action="store_true", help="all containers of yours")
    command.add_argument("--project", help="name of the image (default: the container's)")
    command.add_argument("-n", "--dry-run", action="store_true", help="only say what would be done")


def _add_doctor(command: argparse.ArgumentParser) -> None:
    command.add_argument("--repair", action="store_true", help="mend what can be mended safely")


def _add_prune(command: argparse.ArgumentParser) -> None:
    command.add_argument("-n", "--dry-run", action="store_true", help="only say what would go")
    command.add_argument(
        "--all-users", action="store_true", help="what is left of every user (root alone)"
    )
    command.add_argument(
        "--previous", action="store_true", help="the images from before the last update, too"
    )
    command.add_argument(
        "--unused",
        action="store_true",
        help="images of legacy_flow = build that no container uses, too; create builds them anew",
    )
    command.add_argument(
        "--aime", action="store_true", help="committed images without our labels, too: AIME's"
    )
    command.add_argument(
        "--older-than",
        type=_hours,
        default=24,
        metavar="HOURS",
        help="age from which what a killed command made is a left-over (default: 24)",
    )


def _hours(text: str) -> int:
    # A count of seconds above it is none to the clock either.
    if not (text.isascii() and text.isdigit() and len(text) <= _HOURS_DIGITS):
        raise argparse.ArgumentTypeError(
            f"{shown(text)} is no number of hours. Say for instance: 24"
        )
    return int(text)


_PARSERS: dict[str, tuple[tuple[str, ...], Callable[[argparse.ArgumentParser], None]]] = {
    "adopt": (
        (
            "mlc adopt my-project                 label the image it was made from",
            "mlc adopt --all --dry-run            what there is to adopt",
        ),
        _add_adopt,
    ),
    "doctor": (
        (
            "mlc doctor                           one page; exit code 1 if something is broken",
            "mlc doctor --repair                  mend what is safe, after showing it",
        ),
        _add_doctor,
    ),
    "prune": (
        (
            "mlc prune --dry-run                  what is left over, and what it would free",
            "sudo mlc prune --all-users -y        of every user",
            "mlc prune --previous --aime          with more kinds of left-overs",
        ),
        _add_prune,
    ),
}
