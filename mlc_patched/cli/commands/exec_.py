"""`mlc exec`."""

from __future__ import annotations

import argparse

from ..parser import TYPE_CHECKING, Parser, add_container_name, add_positional

if TYPE_CHECKING:
    from ...context import Context

EXAMPLES = (
    "mlc exec my-project -- python train.py --epochs 3",
    "mlc exec my-project -- bash -lc 'nvidia-smi | head'",
)


def add_arguments(command: Parser) -> None:
    add_container_name(command)
    add_positional(
        command, "command", "a program and its arguments, after --", nargs=argparse.REMAINDER
    )


def run(arguments: argparse.Namespace, context: Context) -> int:
    from ...containers.start import execute
    from ...errors import UsageError

    if not arguments.container_name or not arguments.command:
        raise UsageError("What should run where?", "Use: mlc exec NAME -- COMMAND…")
    return execute(arguments.container_name, arguments.command, context=context)
