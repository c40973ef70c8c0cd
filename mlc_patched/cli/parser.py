"""Parsers of the command line, and the flags that commands share."""

from __future__ import annotations

import argparse
import os

from ..errors import UsageError, hide_logins
from ..version import AIME_VERSION, CONTAINER_VERSION, __version__
from .dispatch import COMMANDS

TYPE_CHECKING = False  # typing itself takes 4 ms to import, a fifth of `mlc -h`
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, NoReturn

    from .dispatch import Command

    Arguments = argparse._ActionsContainer
    """A parser, or a group of its arguments."""

VERSION_TEXT = f"""\
AIME MLC version {AIME_VERSION}
mlc-patched {__version__} (container version {CONTAINER_VERSION})"""
"""AIME's form comes first, as scripts may read it."""
CONTEXT = "docker_context"
"""Where `arguments` has the value of --context; not there if the flag was not given."""
AS = "as_ids"
"""Likewise of --as."""


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Finds the terminal's width itself: argparse would import shutil for it."""

    def __init__(self, prog: str) -> None:
        try:
            columns = int(os.environ.get("COLUMNS") or os.get_terminal_size(1).columns)
        except (OSError, ValueError):
            columns = 80
        super().__init__(prog, width=max(columns - 2, 40))


class CommandLineError(UsageError):
    """The command line cannot be parsed; `usage` is what it should look like."""

    def __init__(self, message: str, parser: argparse.ArgumentParser, hint: str = "") -> None:
        super().__init__(hide_logins(message), hint)
        self.usage = parser.format_usage()
        self.program = parser.prog


class Parser(argparse.ArgumentParser):
    """An argparse parser that raises its errors instead of exiting.

    `explain` may return a better message for arguments that cannot be parsed.
    """

    explain: Callable[[Sequence[str]], str] = staticmethod(lambda argv: "")

    def error(self, message: str) -> NoReturn:
        """Raise a CommandLineError."""
        raise CommandLineError(message, self)


def top_parser() -> Parser:
    """Return the parser of what comes before a command's own arguments."""
    listed = [command for command in COMMANDS.values() if command.is_listed]
    width = max(len(command.name) for command in listed)
    top = Parser(
        prog="mlc",
        usage="mlc [-h] [-v] [--context NAME] [--as UID:GID] COMMAND ...",
        description="Named machine-learning containers on a shared GPU server.",
        epilog=_examples(
            (
                "mlc create my-project Pytorch 2.8.0      a container from a catalog image",
                "mlc create my-project --image ds01-1001/my-project:latest",
                "mlc open my-project                      a shell in it",
                "mlc list -a                              your containers",
                "mlc remove my-project                    delete it",
            )
        ),
        formatter_class=_Formatter,
    )
    commands = top.add_argument_group(
        "commands (each has -h, as has: mlc help COMMAND)",
        "\n".join(f"{command.name:<{width}}  {command.summary}" for command in listed),
    )
    add_positional(commands, "command", argparse.SUPPRESS)
    add_positional(commands, "arguments", argparse.SUPPRESS, nargs=argparse.REMAINDER)
    top.add_argument("-v", "--version", action="version", version=VERSION_TEXT)
    add_engine_flags(top)
    return top


def command_parser(command: Command) -> Parser:
    """Return the parser of a command."""
    module = command.load()
    # Of a command with two names, such as image-retire and image-delete.
    usual = next(each.program for each in COMMANDS.values() if each.module == command.module)
    examples = [line.replace(usual, command.program) for line in module.EXAMPLES]
    made = Parser(
        prog=command.program,
        description=f"{command.summary[0].upper()}{command.summary[1:]}.",
        epilog=_examples(examples),
        formatter_class=_Formatter,
    )
    module.add_arguments(made)
    if command.uses_engine:
        add_engine_flags(made)
    return made


def parse_arguments(
    parser: Parser, argv: Sequence[str], namespace: argparse.Namespace | None = None
) -> argparse.Namespace:
    """Parse arguments in any order, such as `mlc start NAME -d LINE`.

    Raises:
        CommandLineError: they cannot be parsed.
    """
    if any(action.dest == "command" and action.nargs for action in parser._actions):
        return _parse_up_to_command(parser, argv, namespace)
    # `parse_args` gives up optional positionals at the first flag, and `parse_intermixed_args`
    # before Python 3.12.8 takes words after `--` for flags again.
    positionals = argv[argv.index("--") :] if "--" in argv else ()
    try:
        if any(word.startswith("-") for word in positionals[1:]):
            return parser.parse_args(argv, namespace)
        return parser.parse_intermixed_args(argv, namespace)
    except CommandLineError as error:
        error.args = (parser.explain(argv) or error.message,)
        (error.message,) = error.args
        raise


def _parse_up_to_command(
    parser: Parser, argv: Sequence[str], namespace: argparse.Namespace | None
) -> argparse.Namespace:
    """Parse arguments that end in a command, with `--` before it or without.

    Python's versions differ in what they do with the `--`.
    """
    at = argv.index("--") if "--" in argv else len(argv)
    is_rest = any(action.nargs == argparse.REMAINDER for action in parser._actions)
    parse = parser.parse_args if is_rest else parser.parse_intermixed_args
    found = parse(argv[:at], namespace)
    if is_rest and (count := _flags(parser, found.command)):
        # argparse takes all that follows the name for the program's words.
        first = at - len(found.command)
        words = [*argv[first : first + count], *argv[:first], *argv[first + count : at]]
        found = parse(words, namespace)
    found.command = [*found.command, *argv[at + (not found.command) :]]
    return found


def _flags(parser: Parser, words: Sequence[str]) -> int:
    """Return how many of the first words are the parser's own flags and their values."""
    count = 0
    while count < len(words):
        flag, sign, _ = words[count].partition("=")
        action = parser._option_string_actions.get(flag)
        if action is None:
            break
        count += 1 if sign or action.nargs == 0 else 2
    return min(count, len(words))


def _examples(lines: Sequence[str]) -> str:
    return "examples:\n" + "\n".join(f"  {line}" for line in lines)


def add_switch(command: Arguments, flags: str, help: str, **more: Any) -> None:
    """Add a flag without a value, such as `-y --yes`."""
    command.add_argument(*flags.split(), action="store_true", help=help, **more)


def add_option(
    command: Arguments, flags: str, metavar: str, help: str, completes: str = "", **more: Any
) -> None:
    """Add a flag with a value; `flags` are its spellings, such as `-g --gpus`.

    The shells complete it with `completes`: one of KINDS in commands/complete.py, or `files`,
    `directories` or `gpus`.
    """
    added = command.add_argument(*flags.split(), metavar=metavar, help=help, **more)
    added.completes = completes  # type: ignore[attr-defined]


def add_positional(
    command: Arguments, name: str, help: str, completes: str = "", **more: Any
) -> None:
    """Add a positional argument, which may be left out; see add_option."""
    added = command.add_argument(name, help=help, **{"nargs": "?", **more})
    added.completes = completes  # type: ignore[attr-defined]


def add_engine_flags(command: Parser) -> None:
    """Add the flags that choose an engine."""
    flags = command.add_argument_group("engine")
    add_option(
        flags,
        "--context",
        "NAME",
        "use the engine of this Docker context (see: docker context ls)",
        "contexts",
        dest=CONTEXT,
        default=argparse.SUPPRESS,
    )
    add_option(
        flags,
        "--as",
        "UID:GID",
        "your IDs on that engine's host, if they differ from here (default: MLC_AS)",
        dest=AS,
        default=argparse.SUPPRESS,
    )


def add_container_name(command: Arguments) -> None:
    add_positional(command, "container_name", "name of the container", "containers")


def add_container_names(command: Arguments) -> None:
    add_positional(
        command,
        "container_names",
        "names of containers; each is tried",
        "containers",
        nargs="*",
        metavar="NAME",
    )


def add_machine_flags(command: Arguments, *, aime: bool = False) -> None:
    """Add the flags for GPUs and directories, with `aime` in AIME's spelling (--workspace_dir)."""
    suffix = "_dir" if aime else ""
    add_option(
        command,
        "-arch --architecture",
        "ARCH",
        "GPU architecture (default: MLC_ARCH, else this host's)",
        "architectures",
    )
    add_option(
        command,
        "-g --num_gpus --num-gpus --gpus" if aime else "-g --gpus --num-gpus",
        "GPUS",
        "all, a number, device=ID[,ID], or none (default: all, or the site's)",
        "gpus",
        dest="gpus",
    )
    command.add_argument(
        "--cpu-only", action="store_const", const="none", dest="gpus", help="the same as -g none"
    )
    add_switch(command, "--wait", "wait until GPUs are free (with the setting gpus.assign = free)")
    for name, text in (
        ("workspace", "mounted as /workspace (default: ~/workspace)"),
        ("data", "mounted as /data"),
        ("models", "mounted as /models"),
    ):
        add_option(command, f"-{name[0]} --{name}{suffix}", "DIR", text, "directories", dest=name)


def add_image_of_project(command: Arguments) -> None:
    """Add the argument for a project, or for one of its images."""
    text = "project, or PROJECT:TAG for one image of it"
    add_positional(command, "project", text, "projects", metavar="PROJECT")


def add_limits(command: Arguments) -> None:
    """Add the flags for shared memory, cgroup and resource limits."""
    for flag, metavar, text in (
        ("--shm-size", "SIZE", "private shared memory of this size, e.g. 16g, not the host's"),
        ("--cgroup-parent", "SLICE", "cgroup or slice to run in"),
        ("--cpus", "N", "at most this many cores, e.g. 4 or 0.5"),
        ("--memory", "SIZE", "at most this much memory, e.g. 64g"),
        ("--pids-limit", "N", "at most this many processes"),
    ):
        command.add_argument(flag, metavar=metavar, help=text)


_PLACEMENT = ("node", "gpu_kind", "time", "partition", "account", "qos")


def add_placement(command: Arguments) -> None:
    """Add the flags that say where and how long something runs on a cluster."""
    add_option(command, "--node", "NODE", "only on the node of this name")
    add_option(command, "--gpu-kind", "KIND", "only on nodes with this kind of GPU, e.g. a100")
    add_option(command, "--time", "TIME", "Slurm ends it after this time, e.g. 2-00:00:00")
    add_option(command, "--partition", "NAME", "partition of Slurm")
    add_option(command, "--account", "NAME", "account of Slurm, to which its use is charged")
    add_option(command, "--qos", "NAME", "quality of service of Slurm")


def placement(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the values of the flags of `add_placement` as Placement takes them."""
    return {name: getattr(arguments, name) for name in _PLACEMENT}


def machine(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the values of the machine flags as CreateRequest takes them."""
    names = ("architecture", "gpus", "workspace", "data", "models", "wait")
    return {name: getattr(arguments, name) for name in names}


def limits(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the values of the flags of limits as CreateRequest takes them."""
    names = ("shm_size", "cgroup_parent", "cpus", "memory", "pids_limit")
    return {name: getattr(arguments, name) for name in names}


def add_build_flags(command: Arguments) -> None:
    """Add the flags that image-create and image-update share."""
    add_option(
        command,
        "-r --requirements",
        "FILE",
        "requirements.txt, pyproject.toml, uv.lock or a conda environment.yml",
        "files",
    )
    add_words(
        command, "--build-arg", metavar="NAME=VALUE", help="a value for an ARG of the Dockerfile"
    )
    add_switch(command, "--pull", "pull the base image first")
    add_switch(command, "--no-cache", "build without the cache")
    add_yes(command)


def add_words(
    command: Arguments, *flags: str, metavar: str, help: str, completes: str = ""
) -> None:
    """Add a flag that takes one or more words, and may be repeated; see add_option."""
    more: dict[str, Any] = {"nargs": "+", "action": "extend", "default": []}
    add_option(command, " ".join(flags), metavar, help, completes, **more)


def add_force(command: Arguments, text: str = "do not ask") -> None:
    add_switch(command, "-f --force", text)


def add_yes(command: Arguments) -> None:
    add_switch(command, "-y --yes", "never ask")


def add_no_questions(command: Arguments) -> None:
    """Add the flags by which administrators avoid questions, in all spellings in use."""
    add_switch(command, "-y -Y --yes", "do not ask")
    add_switch(command, "-s --script", "never ask anything")


def add_script(command: Arguments) -> None:
    """Add the flags by which AIME's callers avoid questions."""
    add_switch(command, "-s --script", "script mode: never ask anything")
    add_switch(command, "-Y -y --yes", "answer yes to every yes-or-no question")


def add_json(command: Arguments) -> None:
    add_switch(command, "--json", "print JSON")


def add_output(command: Arguments, text: str = "print names only, one a line") -> None:
    """Add the flags that choose what is printed."""
    how = command.add_mutually_exclusive_group()
    add_json(how)
    add_switch(how, "-q --quiet", text)


def add_output_of_new(command: Arguments, what: str = "container") -> None:
    """Add the flags for scripts of a command that creates something."""
    add_output(command, f"print the {what}'s name only")
    add_switch(command, "--exist-ok", f"keep a {what} that exists, if it has all that is asked for")


def add_missing_ok(command: Arguments, what: str = "container") -> None:
    add_switch(command, "--missing-ok", f"a {what} that does not exist is no failure")


def add_job(command: Arguments) -> None:
    add_option(command, "-j --job", "N", "the job of this number (default: the last one)", type=int)
