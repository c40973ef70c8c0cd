"""The entry point: parse, dispatch, and turn failures into messages and exit codes."""

from __future__ import annotations

import argparse
import errno
import os
import signal
import sys
from collections.abc import Callable, Sequence

from ..errors import (
    DeclinedError,
    InvalidValueError,
    MlcError,
    NotFoundError,
    Terminated,
    interrupted,
)
from . import streams
from .dispatch import COMMANDS
from .output import ConsoleReporter, OutputError, print_json, readable, say
from .parser import AS, CONTEXT, CommandLineError, command_parser, parse_arguments, top_parser

TYPE_CHECKING = False  # typing itself takes 4 ms to import, a fifth of `mlc -h`
if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn

    from ..context import Context
    from .dispatch import Command

DEBUG_VARIABLE = "MLC_DEBUG"
_DISK_FULL = (
    "The disk is full; nothing of this was kept. See what uses it with: docker system df - and "
    "make room with: mlc prune, mlc remove NAME, image-retire PROJECT"
)
_FILES_FULL = "This disk, or your quota on it, is full. See: df -h ~ /tmp - and: quota -s"


class _UnexpectedError(MlcError):
    code = "unexpected"


def main(argv: Sequence[str] | None = None, program: str | None = None) -> NoReturn:
    """Run mlc and exit with its exit code: 0 success, 1 failure, 2 usage, 130 interrupt.

    `program` is the path by which it was called; an `ml_images.repo` beside it is the catalog.
    """
    streams.open_closed()
    try:
        if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # see bin/docker/mlc-patched.py
            signal.signal(signal.SIGINT, signal.default_int_handler)
        status = run(list(sys.argv[1:] if argv is None else argv), program or sys.argv[0])
    except SystemExit as ended:  # of -h and --version
        status = int(ended.code or 0)
    except OSError as error:  # a command's own are caught
        status = streams.write_failed(error, ConsoleReporter())
    except KeyboardInterrupt as error:  # likewise: the command has not begun, or has ended
        status = interrupted(error, "").exit_code
    sys.exit(streams.flush(status))


def program() -> NoReturn:
    """Run the command that the program is called after: `image-create`, or `mlc-list`."""
    name = sys.argv[0].rpartition("/")[2]
    command = name if name in COMMANDS else name.removeprefix("mlc-")
    main(sys.argv[1:] if name == "mlc" else [command, *sys.argv[1:]])


def run(argv: Sequence[str], program: str, context: Context | None = None) -> int:
    """Run mlc and return its exit code; `context` replaces that of the command line."""
    report = ConsoleReporter()
    made: list[Context] = []
    try:
        command, arguments = parse(argv)
    except CommandLineError as error:
        report.line(error.usage + readable(f"{error.program}: error: {error}"))
        if _asks_for_json(argv):
            print_json("error", error.as_json())
        return error.exit_code
    if command is None:
        say("Nothing to do. See the commands with: mlc -h")
        return 0

    def carry_out() -> int:
        nonlocal context
        if context is None:
            context = _context(arguments, program)
            made.append(context)
        report.is_quiet = getattr(arguments, "quiet", False)
        context.report = report
        if command.for_users:
            from ..host.account import refuse_root

            refuse_root(context.account)
        _read_names(arguments, context)
        try:
            return command.load().run(arguments, context)
        except NotFoundError:
            status = _on_node(command, argv, arguments, context)
            if status is None:
                raise
            return status
        except InvalidValueError as error:
            if command.is_aimes:
                error.exit_code = 1
            raise

    def log(error: Exception) -> str | None:
        from .bug_report import write

        return write(error, command.program, arguments, context)

    try:
        return guarded(carry_out, report, as_json=getattr(arguments, "json", False), log=log)
    finally:
        for each in made:
            each.close()


def _asks_for_json(argv: Sequence[str]) -> bool:
    """Whether a command line that cannot be parsed has --json, perhaps abbreviated, before `--`."""
    own = argv[: argv.index("--")] if "--" in argv else argv
    return any(len(word) > 3 and "--json".startswith(word) for word in own)


def _on_node(
    command: Command, argv: Sequence[str], arguments: argparse.Namespace, context: Context
) -> int | None:
    """Run a command for a container that is not here on the node where a job of Slurm runs it;
    None if there is no such job, or if something else than the container was not found."""
    name = getattr(arguments, "container_name", None)
    if not command.follows or not name or context.find(name) is not None:
        return None
    from ..containers.on_node import run_on_node, step_of, watch_on_node

    step = step_of(name, context)
    if step is None:
        return None
    if command.module in ("logs", "wait"):
        try:
            return watch_on_node(step, argv, context)
        except KeyboardInterrupt as interrupt:  # mlc there has said so
            return interrupted(interrupt, "").exit_code
    line = getattr(arguments, "command", None) or getattr(arguments, "execute_command", None)
    reads = bool(line) and not getattr(arguments, "detach", False)
    return run_on_node(step, argv, context, reads=reads)


def _context(arguments: argparse.Namespace, program: str) -> Context:
    from ..context import Context
    from ..host.sudo import take_environment

    return Context(
        environ=take_environment(),
        program=program,
        docker_context=getattr(arguments, CONTEXT, None),
        as_ids=getattr(arguments, AS, None),
    )


def _read_names(arguments: argparse.Namespace, context: Context) -> None:
    """Replace names as `list` and `docker ps` print them, `[NAME]` and `NAME._.UID`, by NAME."""
    for field in ("container_name", "container_names", "name", "names"):
        said = getattr(arguments, field, None)
        words = said if isinstance(said, list) else [said or ""]
        if any("[" in word or "._." in word for word in words):
            from ..names.containers import plain_name

            plain = [plain_name(word, context.account.uid) for word in words]
            setattr(arguments, field, plain if isinstance(said, list) else plain[0])


def parse(argv: Sequence[str]) -> tuple[Command | None, argparse.Namespace]:
    """Return the command that a command line calls, None if it calls none, and its arguments.

    Only that command's parser is built: all of them take as long as starting Python. Raises
    CommandLineError if the command line cannot be parsed.
    """
    if argv[:1] == ["help"]:
        argv = [*argv[1:2], "-h"]
    name, rest = (argv[0], argv[1:]) if argv else (None, [])
    arguments = argparse.Namespace()
    if name not in COMMANDS:  # flags before the command, or no command
        top = top_parser()
        try:
            found = top.parse_args(argv)
        except CommandLineError as error:
            for word in argv:
                if word in COMMANDS:
                    command_parser(COMMANDS[word]).error(f"{error.message}, before {word}")
            raise
        name, rest = found.command, found.arguments
        if name is None:
            return None, found
        if name not in COMMANDS:
            from ..names.words import did_you_mean

            close = did_you_mean(name, COMMANDS)
            raise CommandLineError(
                f"there is no command {name!r}.{close}", top, "See the commands with: mlc -h"
            )
        del found.command, found.arguments
        arguments = found
    command = COMMANDS[name]
    arguments.program = command.program
    return command, parse_arguments(command_parser(command), rest, arguments)


def guarded(
    command: Callable[[], int],
    report: ConsoleReporter,
    *,
    as_json: bool = False,
    log: Callable[[Exception], str | None] = lambda error: None,
) -> int:
    """Run a command and turn whatever it raises into a message and an exit code.

    With `as_json` the failure is also printed as JSON. `log` writes an unexpected error's log file.
    """
    # With a umask such as 777 we could not use our own temporary directories.
    os.umask(os.umask(0o077) & 0o077)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, _terminate)
    try:
        try:
            status = command()
            report.finish()
        except (BrokenPipeError, OutputError):
            raise
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - reports it
            status, failure = _failure(error, log)
            is_declined = isinstance(failure, DeclinedError)
            (report.answer if is_declined else report.error)(str(failure))
            if as_json:
                print_json("error", failure.as_json())
        sys.stdout.flush()
    except OSError as error:  # of standard output
        return streams.write_failed(error, report)
    return status


def _what_is_full(error: MlcError) -> str:
    """Return what to do about a full disk, if that is why something failed."""
    cause = error.__cause__
    if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
        return "" if error.hint else _FILES_FULL
    # The engine, its builder and commands in build steps all pass the system's message on; the
    # client's files are in the home (images/build/cause.py).
    is_engines = not error.message.startswith("docker buildx cannot write into ")
    return _DISK_FULL if is_engines and "no space left on device" in error.message.lower() else ""


def _failure(
    error: Exception | KeyboardInterrupt, log: Callable[[Exception], str | None]
) -> tuple[int, MlcError]:
    """Return the exit code for what a command raised, and an error that describes it."""
    if isinstance(error, MlcError):
        if full := _what_is_full(error):
            error.message = f"{error.message.rstrip('.')}."
            error.hint = f"{error.hint} {full}".lstrip()
        return error.exit_code, error
    if isinstance(error, KeyboardInterrupt):
        said = ("Interrupted; all changes were rolled back.", "")
        if isinstance(error, Terminated):
            said = (error.message, error.hint)
        failure = interrupted(error, *said)
        return failure.exit_code, failure
    file = log(error)
    if os.environ.get(DEBUG_VARIABLE):
        import traceback

        traceback.print_exception(error)
    return 1, _UnexpectedError(
        f"Unexpected {type(error).__name__}: {error}. This is a bug in mlc.",
        f"Please report it with the log file {file}"
        if file
        else f"{DEBUG_VARIABLE}=1 shows where it happened.",
    )


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated(number)
