"""mlc's commands for a container that a job of Slurm runs: the same command, on the job's node."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from tempfile import TemporaryFile

from ..cluster.interface import Step
from ..context import Context
from ..errors import MlcError, Terminated, last_lines
from ..host.files import is_root_for
from ..host.owner import as_account
from ..interrupts import wait_out_interrupts
from ..json_text import parsed, string
from ..lean import TYPE_CHECKING
from .shell import flush, forward_signals, on_terminal, standard_input

if TYPE_CHECKING:
    from typing import IO, Any

_STANDARD_INPUT, _STANDARD_ERROR = 0, 2
_WARNING = "Warning: "
_SLURMS = (b"srun: error: ", b"slurmstepd")
_TASKS = rb"srun: error: \S+: tasks? [\d,-]+: "
_EXITED = re.compile(_TASKS + rb"Exited with exit code \d+\r?\n")
_ENDED = re.compile(
    rb"(?:" + _TASKS + rb"(?:Killed|Terminated)|slurmstepd\S*: error: \*\*\* STEP .*)\r?\n"
)
"""What is said of a step that was ended, by the caller or by somebody else."""


class _DoneAllTheSame(Terminated):
    """An interrupt when the command on the node was complete."""

    def __init__(self, interrupt: KeyboardInterrupt, what: str) -> None:
        super().__init__(getattr(interrupt, "signal_number", signal.SIGINT))
        self.message = f"Interrupted, but {what} was complete and was not rolled back."


def step_of(name: str, context: Context) -> Step | None:
    """Return how to run mlc where the caller's container of this name is; None if no job of Slurm
    runs it. Raises MlcError if its job does not run."""
    from ..cluster.choose import uses_slurm
    from ..cluster.place import find_service, place_of
    from ..cluster.wait import wait_while_starting

    if not uses_slurm(context):
        return None
    found = find_service(name, context)
    if found is None:
        return None
    place = place_of(wait_while_starting(found, name, context), context)
    return place if isinstance(place, Step) else None


def run_on_node(step: Step, words: Sequence[str], context: Context, *, reads: bool = True) -> int:
    """Run a command of mlc's on a node, on the caller's terminal if there is one, and return its
    exit status. Without a terminal it has the caller's standard input only if it `reads` it."""
    terminal = on_terminal()
    argv = step.with_terminal if terminal else step.argv
    given = standard_input() if reads or terminal else subprocess.DEVNULL
    with _srun((*argv, *words), given, step, context) as process, forward_signals(process):
        status = process.wait()
    return status if status >= 0 else 128 - status


def watch_on_node(step: Step, words: Sequence[str], context: Context) -> int:
    """Run a command of mlc's that reads nothing on a node, and return its exit status. Signals are
    handled as the caller does, and whatever ends the waiting, such as Ctrl-C, also ends it."""
    with _srun((*step.argv, *words), subprocess.DEVNULL, step, context) as process:
        status = process.wait()
    return status if status >= 0 else 128 - status


@contextlib.contextmanager
def _srun(
    argv: Sequence[str], given: int | None, step: Step, context: Context
) -> Iterator[subprocess.Popen[bytes]]:
    """Start srun, and pass on what it says until it has ended."""
    flush()
    with subprocess.Popen(
        argv, env=step.environ, stdin=given, stderr=subprocess.PIPE, **_as_user(context)
    ) as process:
        held: list[bytes] = []
        messages = threading.Thread(
            target=_pass_on, args=(process.stderr, _STANDARD_ERROR, held), daemon=True
        )
        try:
            messages.start()
            yield process
        except BaseException:
            process.terminate()  # srun passes that on
            raise
        finally:
            process.wait()
            if messages.ident is not None:
                messages.join()
        with contextlib.suppress(OSError):
            os.write(_STANDARD_ERROR, b"".join(held))


def _pass_on(source: IO[bytes], target: int, held: list[bytes]) -> None:
    """Copy standard error as it comes, without srun's line on the exit status, which is passed on
    as such. If its last lines say that the step was ended, they are `held`. If nobody reads it any
    more, srun finds its own pipe closed, as without this."""
    line, shown = b"", 0
    with source, contextlib.suppress(OSError):
        while chunk := os.read(source.fileno(), 2**16):
            for piece in chunk.splitlines(keepends=True):
                line += piece
                is_whole = line.endswith(b"\n")
                if is_whole and not shown and _EXITED.fullmatch(line):
                    line = b""
                elif is_whole and not shown and _ENDED.fullmatch(line):
                    held.append(line)
                    line = b""
                elif is_whole or not any(each.startswith(line[: len(each)]) for each in _SLURMS):
                    os.write(target, b"".join(held) + line[shown:])
                    held.clear()
                    line, shown = (b"", 0) if is_whole else (line, len(line))
        if line[shown:]:
            os.write(target, b"".join(held) + line[shown:])
            held.clear()


def said_on_node(step: Step, words: Sequence[str], what: str, context: Context) -> str:
    """Run a command of mlc's on a node and return the JSON that it printed; its warnings are passed
    on. `what` names it in messages.

    An interrupt closes its standard input, at which it rolls back (`interrupted_with_input`), and
    is waited for: at a signal srun kills it at once, whatever it is doing. So it does not get those
    of the terminal.

    Raises MlcError if it failed.
    """
    started: list[subprocess.Popen[bytes]] = []
    is_over = threading.Event()

    def run() -> int:  # in a thread, which no interrupt reaches
        process = subprocess.Popen(
            [*step.argv, *words],
            env=step.environ,
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=messages,
            start_new_session=True,
            **_as_user(context),
        )
        started.append(process)
        if is_over.is_set():
            _end_input(process)
        return process.wait()

    def end_input() -> None:
        is_over.set()
        for process in started:
            _end_input(process)

    with TemporaryFile() as out, TemporaryFile() as messages:
        try:
            status = wait_out_interrupts(what, run, context.report, shorten=end_input, who="Slurm")
        except KeyboardInterrupt as interrupt:
            if started and started[0].poll() == 0:
                raise _DoneAllTheSame(interrupt, what) from None
            raise
        finally:
            end_input()
            said = _text(messages).splitlines()
            for line in said:
                if line.startswith(_WARNING):
                    context.report.warn(line.removeprefix(_WARNING))
        printed = _text(out)
    if status:
        raise _failure(step.node, printed, said)
    return printed


def _end_input(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def _failure(node: str, printed: str, said: list[str]) -> MlcError:
    """Return the error that mlc printed on a node as JSON; else what was said there."""
    try:
        error = parsed(printed)["error"]
        return MlcError(f"On {node}: {string(error['message'])}", error["hint"] or "")
    except (ValueError, TypeError, KeyError):
        lines = [line for line in said if not line.startswith("srun: ")]
        return MlcError(f"On {node}: {last_lines(lines or said)}")


@contextlib.contextmanager
def interrupted_with_input() -> Iterator[None]:
    """Interrupt the block, as SIGTERM does, when standard input ends: see `said_on_node`."""
    main, is_over = threading.get_ident(), threading.Event()

    def watch() -> None:
        with contextlib.suppress(OSError):
            while os.read(_STANDARD_INPUT, 2**16):
                pass
        if not is_over.is_set():
            signal.pthread_kill(main, signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        is_over.set()


def _as_user(context: Context) -> dict[str, Any]:
    return as_account(context.account if is_root_for(context.account) else None)
