"""`mlc run`."""

from __future__ import annotations

import argparse

from ..output import print_json, print_names, say, show_fields
from ..parser import (
    TYPE_CHECKING,
    Parser,
    add_limits,
    add_machine_flags,
    add_option,
    add_output,
    add_placement,
    add_positional,
    limits,
    machine,
    placement,
)

if TYPE_CHECKING:
    from ...containers.batch import Submitted
    from ...context import Context

EXAMPLES = (
    "mlc run thesis -g 1 --time 8:00:00 -- python3 train.py",
    "mlc run thesis --array 0-3 -- bash -c 'python3 train.py --seed $SLURM_ARRAY_TASK_ID'",
    "mlc run thesis:kept --cpus 8 --memory 64g -- python3 prepare.py",
)


def add_arguments(command: Parser) -> None:
    add_positional(command, "project", "project, or PROJECT:TAG, whose image to use", "projects")
    add_positional(command, "command", "a program and its arguments, after --", nargs="*")
    add_machine_flags(command)
    add_limits(command)
    slurm = command.add_argument_group("with Slurm (without it, the command runs here)")
    add_option(slurm, "--array", "LIST", "run it once for each, e.g. 0-9 or 0-99%%4 (4 at once)")
    add_placement(slurm)
    add_output(command, "print the job's ID only")


def run(arguments: argparse.Namespace, context: Context) -> int:
    from ...cluster.choose import uses_slurm
    from ...cluster.interface import Placement
    from ...containers.batch import run_here, submit
    from ...errors import UsageError
    from ...plan.request import CreateRequest

    if not arguments.project or not arguments.command:
        raise UsageError("What should run?", "Use: mlc run PROJECT -- COMMAND…")
    options = CreateRequest("", **machine(arguments), **limits(arguments))
    where = Placement(**placement(arguments))
    what = (arguments.project, arguments.command, options, where, arguments.array, context)
    if not uses_slurm(context):
        if arguments.json or arguments.quiet:
            flag = "--json" if arguments.json else "-q"
            raise UsageError(
                f"{flag} is for Slurm only: without it the command runs here, and its output is "
                "all there is.",
                f"Leave out {flag}.",
            )
        return run_here(*what)
    return _say_submitted(submit(*what), arguments, context)


def _say_submitted(done: Submitted, arguments: argparse.Namespace, context: Context) -> int:
    from ...cluster.wait import look
    from ...errors import MlcError

    if arguments.json:
        return print_json("run", done)
    if arguments.quiet:
        return print_names([done.id])
    for text in done.notes:
        context.report.note(f"On the cluster: {text}.")
    try:
        state = "" if done.is_array else f", {look(done.id, done.name, context).state.status}"
    except MlcError:
        state = ""  # it has ended already
    say(f"[{done.name}] submitted as job {done.id}{state}.")
    show_fields(
        [
            ("Output", done.output),
            ("State", f"squeue --jobs {done.id} - also in: container-list"),
            ("Result", f"sacct --jobs {done.id} --format JobID,State,ExitCode"),
            ("End it", f"scancel {done.id}"),
        ]
    )
    return 0
