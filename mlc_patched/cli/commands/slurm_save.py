"""`mlc slurm-save`: what container-retire runs on the node of a Slurm job."""

from __future__ import annotations

import argparse

from ..output import print_json
from ..parser import TYPE_CHECKING, Parser, add_positional

if TYPE_CHECKING:
    from ...context import Context

EXAMPLES = ("mlc slurm-save my-project v1     only container-retire calls it, on a node",)


def add_arguments(command: Parser) -> None:
    add_positional(command, "name", "name of the container", nargs=None)
    add_positional(command, "tag", "tag of the image; without it, nothing is saved")


def run(arguments: argparse.Namespace, context: Context) -> int:
    from ...containers.retire_cluster import check_here, save_here

    if not arguments.tag:
        check_here(arguments.name, context)
        return 0
    return print_json("saved", save_here(arguments.name, arguments.tag, context))
