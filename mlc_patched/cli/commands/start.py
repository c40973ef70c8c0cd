"""`mlc start`."""

from __future__ import annotations

import argparse

from ..dispatch import TYPE_CHECKING
from ..output import say
from ..parser import Parser, add_container_name, add_positional, add_script, add_switch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...containers.jobs import Job
    from ...context import Context

EXAMPLES = (
    "mlc start my-project",
    "mlc start my-project 'python train.py --epochs 3'",
    "mlc start my-project -d 'python train.py'     in the background, as a job",
    "mlc start --all                               what ran when the server went down",
)

_FLAGS = ("-d", "--detach", "-s", "--script", "-y", "-Y", "--yes")


def add_arguments(command: Parser) -> None:
    add_container_name(command)
    add_positional(command, "execute_command", "a line for the container's bash, quoted")
    add_switch(command, "-d --detach", "run it in the background, as a job (see mlc jobs)")
    add_switch(command, "--all", "start your containers that ran when the server went down")
    add_script(command)
    command.explain = lambda argv: _unquoted(argv, command.prog)


def run(arguments: argparse.Namespace, context: Context) -> int:
    from ...containers.start import start
    from ..prompts import choose_container

    if arguments.all:
        return _start_all(arguments, context)
    name = choose_container(arguments, context, "start")
    line = arguments.execute_command or ()
    detach = arguments.detach and bool(line)
    started = start(name, line, detach=detach, context=context)
    if not line:
        state = "is already running" if started.was_running else "started"
        say(f"[{name}] {state}. Open a shell with: mlc open {name}")
    elif started.job is not None:
        _say_started(name, started.job, context)
    return started.exit_status


def _start_all(arguments: argparse.Namespace, context: Context) -> int:
    """Start what ran when the server went down, and say which jobs ended with that."""
    import shlex

    from ...containers.interrupted import all_interrupted
    from ...containers.start import start
    from ...errors import MlcError, UsageError

    if arguments.container_name is not None or arguments.detach:
        raise UsageError("--all takes neither a container nor a command.", "Use: mlc start --all")
    failed = []
    for each in all_interrupted(context):
        try:
            start(each.name, context=context)
        except MlcError as error:
            context.report.warn(str(error))
            failed.append(each.name)
            continue
        say(f"[{each.name}] started.")
        for job in each.jobs:
            again = f"mlc start {each.name} -d {shlex.quote(job.command)}"
            say(f"  Its job {job.number} was interrupted. Run it again with: {again}")
    if failed:
        raise MlcError(f"Not started: {', '.join(failed)}; see the messages above.")
    return 0


def _say_started(name: str, job: Job, context: Context) -> None:
    """Say that a job runs, or how it has ended.

    Raises:
        MlcError: it has failed; the exit code is its exit status.
    """
    from ...containers.background import last_output
    from ...containers.jobs import RUNNING
    from ...errors import MlcError, last_lines

    if job.state == RUNNING:
        say(f"[{name}] job {job.number} runs in the background: {job.command}")
        say(f"  Its output: mlc logs {name} -f - its state: mlc jobs {name}")
    elif job.exit_status == 0:
        say(f"[{name}] job {job.number} has ended already: exit 0. Its output: mlc logs {name}")
    else:
        output = last_output(context.get(name), job, 30, context).decode(errors="replace")
        error = MlcError(
            f"{last_lines(output.splitlines())}\nThe command failed within a second: {job.status}.",
            f"It was job {job.number} of {name}: mlc jobs {name}",
        )
        error.exit_code = job.exit_status or 1
        raise error


def _unquoted(argv: Sequence[str], program: str) -> str:
    """Return a message for a command that was not quoted, with what works; else nothing."""
    import shlex

    words, flags, name = list(argv), [], ""
    if "--" in words:
        words.remove("--")
    while words and (words[0] in _FLAGS or not name):
        word = words.pop(0)
        if word in _FLAGS:
            flags.append(word)
        elif word.startswith("-"):
            return ""
        else:
            name = word
    if words and words[-1] in _FLAGS:
        flags.append(words.pop())
    if len(words) < 2 or words[0].startswith("-"):
        return ""
    line = shlex.join(words)
    return (
        f"the command has to be quoted: {' '.join((program, name, *flags))} {shlex.quote(line)} - "
        f"or, without a shell: mlc exec {name} -- {line}"
    )
