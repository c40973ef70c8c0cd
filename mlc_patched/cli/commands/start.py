"""`mlc start`."""

from __future__ import annotations

import argparse

from ..dispatch import TYPE_CHECKING
from ..output import print_json, say
from ..parser import (
    Parser,
    add_container_name,
    add_json,
    add_option,
    add_positional,
    add_script,
    add_switch,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...containers.jobs import Job
    from ...containers.start import Started
    from ...context import Context

EXAMPLES = (
    "mlc start my-project",
    "mlc start my-project 'python train.py --epochs 3'",
    "mlc start my-project -d 'python train.py'     in the background, as a job",
    "mlc start --all                               what ran when the server went down",
    "mlc start --names train evaluate              several; mlc start A B runs the command B in A",
)

_NOT_FOUND = 127
"""A shell's exit status for a command that it does not find."""
_FLAGS = ("-d", "--detach", "-s", "--script", "-y", "-Y", "--yes")


def add_arguments(command: Parser) -> None:
    add_container_name(command)
    add_positional(command, "execute_command", "a line for the container's bash, quoted")
    add_switch(command, "-d --detach", "run it in the background, as a job (see mlc jobs)")
    add_switch(command, "--all", "start your containers that ran when the server went down")
    add_option(
        command,
        "--names",
        "NAME",
        "start several containers, without a command",
        "containers",
        nargs="+",
        default=[],
    )
    add_script(command)
    add_json(command)
    command.explain = lambda argv: _unquoted(argv, command.prog)


def run(arguments: argparse.Namespace, context: Context) -> int:
    from ...containers.start import start
    from ...errors import UsageError
    from ..prompts import choose_container

    if arguments.all or arguments.names:
        return _start_several(arguments, context)
    name = choose_container(arguments, context, "start")
    line = arguments.execute_command or ()
    if arguments.detach and arguments.execute_command == "":
        raise UsageError("The command is empty.", f"Use: mlc start {name} -d 'COMMAND'")
    detach = arguments.detach and bool(line)
    if arguments.json and line and not detach:
        raise UsageError(
            "--json needs -d with a command, whose output would be mixed with it.",
            f"Use: mlc start {name} -d --json 'COMMAND'",
        )
    started = start(name, line, detach=detach, context=context)
    if arguments.json:
        print_json("started", [started])
    elif not line:
        _say_runs(started)
    elif started.job is not None:
        _say_started(name, started.job, context)
    elif started.exit_status == _NOT_FOUND and _is_own(line, context):
        context.report.note(f"To start both containers: mlc start --names {name} {line}")
    return started.exit_status


def _is_own(line: str, context: Context) -> bool:
    """Whether a command is the name of a container of the user."""
    from ...names.containers import short_name

    return line in [short_name(each.name) for each in context.containers()]


def _say_runs(started: Started) -> None:
    state = "is already running" if started.was_running else "started"
    say(f"[{started.name}] {state}. Open a shell with: mlc open {started.name}")


def _start_several(arguments: argparse.Namespace, context: Context) -> int:
    """Start the named containers, or what ran when the server went down."""
    import shlex

    from ...containers.interrupted import all_interrupted
    from ...containers.start import start
    from ...errors import UsageError
    from ..several import for_each

    if arguments.container_name is not None or arguments.detach:
        flag, use = ("--all", "--all") if arguments.all else ("--names", "--names NAME…")
        what = "name" if arguments.all and arguments.container_name is not None else "command"
        raise UsageError(f"{flag} takes no {what}.", f"Use: mlc start {use}")
    if arguments.all and arguments.names:
        raise UsageError("--all and --names exclude each other.")
    found = {each.name: each for each in all_interrupted(context)} if arguments.all else {}
    names = list(found) if arguments.all else list(dict.fromkeys(arguments.names))

    def show(started: Started) -> None:
        if not arguments.all:
            _say_runs(started)
            return
        name = started.name
        say(f"[{name}] started.")
        for job in found[name].jobs:
            again = f"mlc start {name} -d {shlex.quote(job.command)}"
            say(f"  Its job {job.number} was interrupted. Run it again with: {again}")

    return for_each(
        names, lambda name: start(name, context=context), show, arguments, context, "started"
    )


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
        f"or, without a shell: mlc exec {name} -- {line} - "
        f"or, for several containers: mlc start --names {name} {line}"
    )
