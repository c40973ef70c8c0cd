"""`mlc config`."""

from __future__ import annotations

import argparse

from ..output import print_json, table
from ..parser import TYPE_CHECKING, Parser, add_json

if TYPE_CHECKING:
    from ...context import Context

EXAMPLES = (
    "mlc config",
    "mlc config --json      for scripts",
)


def add_arguments(command: Parser) -> None:
    add_json(command)


def run(arguments: argparse.Namespace, context: Context) -> int:
    from ...maintenance.config import config

    found = config(context)
    if arguments.json:
        return print_json("settings", found)
    table(
        ("SETTING", "VALUE", "FROM"),
        [(each.setting, each.value or "-", each.origin) for each in found],
    )
    return 0
