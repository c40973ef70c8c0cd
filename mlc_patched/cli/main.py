"""Where `mlc` begins and ends: parse, dispatch, and one place that turns failure into an exit
code."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence

from ..errors import MlcError, Terminated
from .dispatch import COMMANDS
from .output import ConsoleReporter, say
from .parser import AS, CONTEXT, command_parser, parse_arguments, top_parser

TYPE_CHECKING = False  # typing itself takes 4 ms to import, a fifth of `mlc -h`
if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn

    from .dispatch import Command

DEBUG_VARIABLE = "MLC_DEBUG"
INTERRUPTED = 130


def main(argv: Sequence[str] | None = None, program: str | None = None) -> NoReturn:
    """Run mlc and exit with its exit code: 0 success, 1 failure, 2 usage, 130 interrupt.

    Args:
        argv: the arguments after the program's name; the process's own when not given.
        program: path by which the program was called; an `ml_images.repo` beside it is
            the catalog.
    """
    sys.exit(run(list(sys.argv[1:] if argv is None else argv), program or sys.argv[0]))


def run(argv: Sequence[str], program: str) -> int:
    """Run mlc and return its exit code."""
    command, arguments = parse(argv)
    if command is None:
        say("Nothing to do. See the commands with: mlc -h")
        return 0
    report = ConsoleReporter()

    def carry_out() -> int:
        from pathlib import Path

        from ..context import Context

        context = Context(
            report=report,
            program=Path(program),
            docker_context=getattr(arguments, CONTEXT, None),
            as_ids=getattr(arguments, AS, None),
        )
        return command.load().run(arguments, context)

    return guarded(carry_out, report)


def parse(argv: Sequence[str]) -> tuple[Command | None, argparse.Namespace]:
    """Return the command that a command line calls, None if it calls none, and its arguments.

    Only the parser of that command is made: making those of all takes as long as starting
    Python.
    """
    name, rest = (argv[0], argv[1:]) if argv else (None, [])
    arguments = argparse.Namespace()
    if name not in COMMANDS:  # flags before the command, or no command
        top = top_parser()
        found = top.parse_args(argv)
        name, rest = found.command, found.arguments
        if name is None:
            return None, found
        if name not in COMMANDS:
            top.error(f"there is no command {name!r}; see the commands with: mlc -h")
        del found.command, found.arguments
        arguments = found
    command = COMMANDS[name]
    return command, parse_arguments(command_parser(command), rest, arguments)


def guarded(command: Callable[[], int], report: ConsoleReporter) -> int:
    """Run a command and turn whatever it raises into words and an exit code."""
    # A umask that keeps even the owner out would keep us out of our own temporary directories.
    os.umask(os.umask(0o077) & 0o077)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, _terminate)
    try:
        status = command()
        report.finish()
        sys.stdout.flush()
    except MlcError as error:
        report.error(f"{error}{_if_full(str(error))}")
        return error.exit_code
    except Terminated as ended:
        report.error(ended.message)
        return 128 + ended.signal_number
    except KeyboardInterrupt:
        report.error("Interrupted; all changes were rolled back.")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away; Python must not complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # noqa: BLE001 - the last place that can put it into words
        if os.environ.get(DEBUG_VARIABLE):
            import traceback

            traceback.print_exc()
        report.error(
            f"Unexpected: {type(error).__name__}: {error}. "
            f"This is a defect of mlc; {DEBUG_VARIABLE}=1 shows where."
        )
        return 1
    return status


def _if_full(text: str) -> str:
    """Return what to do about a full disk, where that is why something failed.

    The engine, its builder and commands in set-up steps all pass on the system's own words.
    """
    if "no space left on device" not in text.lower():
        return ""
    return (
        "\nThe disk is full; nothing of this was kept. See of what with: docker system df - and "
        "make room with: mlc prune, mlc remove NAME, image-retire PROJECT"
    )


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated(number)
