"""`image-export`."""

from __future__ import annotations

import argparse

from ..output import print_json, say
from ..parser import (
    TYPE_CHECKING,
    Parser,
    add_force,
    add_image_of_project,
    add_json,
    add_option,
    add_positional,
    add_yes,
)

if TYPE_CHECKING:
    from ...context import Context

EXAMPLES = (
    "image-export thesis                                for Apptainer: thesis.tar, thesis.sbatch",
    "image-export thesis --for enroot -g 2 -w ~/thesis -d /scratch/imagenet",
    "image-export thesis --time 12:00:00 --partition gpu -- python3 train.py --epochs 90",
    "image-export thesis:kept -o /backup/kept.tar       another image of the project",
)
RUNTIMES = ("apptainer", "enroot")


def add_arguments(command: Parser) -> None:
    add_image_of_project(command)
    add_positional(
        command,
        "command",
        "what the job runs, after --, if sbatch is given nothing else (default: a shell)",
        nargs="*",
        metavar="COMMAND",
    )
    add_option(
        command,
        "--for",
        "RUNTIME",
        f"what the cluster has: {' (the default) or '.join(RUNTIMES)}",
        dest="runtime",
        choices=RUNTIMES,
        default=RUNTIMES[0],
    )
    add_option(
        command,
        "-o --output",
        "FILE",
        "the archive (default: PROJECT.tar); the job is beside it, with .sbatch for .tar",
        "files",
    )
    add_force(command, "replace files that exist")
    add_yes(command)
    add_json(command)
    job = command.add_argument_group("the job, with paths of the cluster")
    for name, text in (
        ("workspace", "mounted as /workspace (default: ~/workspace)"),
        ("data", "mounted as /data"),
        ("models", "mounted as /models"),
    ):
        add_option(job, f"-{name[0]} --{name}", "DIR", text, "directories")
    add_option(job, "-g --gpus", "N", "number of GPUs, or none (default: 1)")
    add_option(
        job,
        "-arch --architecture",
        "ARCH",
        "GPU architecture (default: MLC_ARCH, else this host's)",
        "architectures",
    )
    for flag, metavar, text in (
        ("--cpus", "N", "number of CPUs"),
        ("--memory", "SIZE", "memory, e.g. 64g"),
        ("--time", "TIME", "time limit as Slurm takes it, e.g. 2-00:00:00"),
        ("--partition", "NAME", "partition of the cluster"),
        ("--account", "NAME", "account to charge"),
        ("--qos", "NAME", "quality of service"),
    ):
        add_option(job, flag, metavar, text)


def run(arguments: argparse.Namespace, context: Context) -> int:
    from ...images.export import export_image
    from ...images.job_file import JobRequest
    from ...units import size_in_words
    from ..prompts import choose_project

    of_the_job = ("workspace", "data", "models", "gpus", "cpus", "memory")
    of_slurm = ("time", "partition", "account", "qos")
    request = JobRequest(
        arguments.runtime,
        **{name: getattr(arguments, name) for name in (*of_the_job, *of_slurm)},
        command=tuple(arguments.command),
    )
    exported = export_image(
        arguments.project or choose_project(arguments, context, "export"),
        request,
        context,
        architecture=arguments.architecture,
        file=arguments.output,
        force=arguments.force,
    )
    if arguments.json:
        return print_json("exported", exported)
    say(
        f"[{exported.project}] {exported.image} is in {exported.archive} "
        f"({size_in_words(exported.size)}), its job in {exported.job}.\n"
        f"Copy both to the cluster, and there:"
    )
    for line in exported.commands:
        say(f"  {line}")
    return 0
