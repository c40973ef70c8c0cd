"""`mlc slurm-save`: what container-retire runs on the node of a Slurm job."""

from __future__ import annotations

import argparse

from ..output import print_json
from ..parser import TYPE_CHECKING, Parser, add_positional, add_switch

if TYPE_CHECKING:
    from ...context import Context

EXAMPLES = ("mlc slurm-save my-project v1     only container-retire calls it, on a node",)


def add_arguments(command: Parser) -> None:
    add_positional(command, "name", "name of the container", nargs=None)
    add_positional(command, "tag", "tag of the image; without it, nothing is saved")
    # Whoever reads it passes the warnings on, and takes the result or the error from the JSON.
    command.set_defaults(quiet=True, json=True)
    add_switch(command, "--is-taken", argparse.SUPPRESS)  # only say whether an image has the tag


def run(arguments: argparse.Namespace, context: Context) -> int:
    from ...containers.on_node import interrupted_with_input
    from ...containers.retire_cluster import check_here, is_tag_taken, save_here

    if not arguments.tag:
        check_here(arguments.name, context)
        return 0
    if arguments.is_taken:
        return print_json("is_taken", is_tag_taken(arguments.name, arguments.tag, context))
    with interrupted_with_input():
        saved = save_here(arguments.name, arguments.tag, context)
    return print_json("saved", saved)
