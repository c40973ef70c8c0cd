"""`mlc slurm-job`: the batch step of every Slurm job that mlc submits."""

from __future__ import annotations

import argparse

from ..parser import TYPE_CHECKING, Parser

if TYPE_CHECKING:
    from ...context import Context

EXAMPLES = ("mlc slurm-job                    only Slurm calls it, on a node",)


def add_arguments(command: Parser) -> None:
    """It has none: what it runs is in the environment of the job, whose output is the command's."""
    command.set_defaults(quiet=True)


def run(arguments: argparse.Namespace, context: Context) -> int:
    from ...containers.slurm_job import run_job

    return run_job(context)
