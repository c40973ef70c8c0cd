"""The flags that say which engine is meant; every command that asks one has them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

CONTEXT = "docker_context"
"""What `arguments` calls the value of --context; where it was not given, there is none."""
AS = "as_ids"
"""Likewise of --as."""
_FLAGS = {"--context": CONTEXT, "--as": AS}


def add_engine_flags(command: argparse.ArgumentParser) -> None:
    """Add them to a parser."""
    flags = command.add_argument_group("which engine")
    flags.add_argument(
        "--context",
        dest=CONTEXT,
        metavar="NAME",
        default=argparse.SUPPRESS,
        help="that of this Docker context, for this command (see: docker context ls)",
    )
    flags.add_argument(
        "--as",
        dest=AS,
        metavar="UID:GID",
        default=argparse.SUPPRESS,
        help="your ids on its host, where they are others than here; else MLC_AS",
    )


def leading(argv: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Take the flags off that stand before the command, as the docker client's do.

    Returns:
        Their values by their names in `arguments`, and the rest; a flag without a value is
        left for the parser to complain about.
    """
    found: dict[str, str] = {}
    rest = list(argv)
    while rest:
        flag, equals, value = rest[0].partition("=")
        if flag not in _FLAGS or (not equals and len(rest) < 2):
            break
        found[_FLAGS[flag]] = value if equals else rest[1]
        del rest[: 1 if equals else 2]
    return found, rest
