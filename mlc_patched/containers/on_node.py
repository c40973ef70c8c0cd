"""mlc's commands for a container that a job of Slurm runs: the same command, on the job's node."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from threading import Thread

from ..cluster.interface import Step
from ..context import Context
from ..errors import MlcError, last_lines
from ..host.files import is_root_for
from ..host.owner import as_account
from ..lean import TYPE_CHECKING
from .shell import forward_signals

if TYPE_CHECKING:
    from typing import IO, Any

_STANDARD_ERROR = 2
_SRUN_S = b"srun: error: "
_EXITED = re.compile(_SRUN_S + rb"\S+: tasks? [\d,-]+: Exited with exit code \d+\n")


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


def run_on_node(step: Step, words: Sequence[str], context: Context) -> int:
    """Run a command of mlc's on a node, on the caller's terminal if there is one, and return its
    exit status."""
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    argv = [*(step.with_terminal if terminal else step.argv), *words]
    sys.stdout.flush()
    sys.stderr.flush()
    with (
        subprocess.Popen(
            argv, env=step.environ, stderr=subprocess.PIPE, **_as_user(context)
        ) as process,
        forward_signals(process),
    ):
        messages = Thread(target=_pass_on, args=(process.stderr, _STANDARD_ERROR), daemon=True)
        messages.start()
        status = process.wait()
        messages.join()
    return status if status >= 0 else 128 - status


def _pass_on(source: IO[bytes], target: int) -> None:
    """Copy standard error as it comes, without srun's line on the exit status, which is passed on
    as such. If nobody reads it any more, srun finds its own pipe closed, as without this."""
    line, shown = b"", 0
    with source, contextlib.suppress(OSError):
        while chunk := os.read(source.fileno(), 2**16):
            for piece in chunk.splitlines(keepends=True):
                line += piece
                is_whole = line.endswith(b"\n")
                if is_whole and not shown and _EXITED.fullmatch(line):
                    line = b""
                elif is_whole or not _SRUN_S.startswith(line[: len(_SRUN_S)]):
                    os.write(target, line[shown:])
                    line, shown = (b"", 0) if is_whole else (line, len(line))
        os.write(target, line[shown:])


def said_on_node(step: Step, words: Sequence[str], context: Context) -> str:
    """Run a command of mlc's on a node and return what it printed; its messages are the caller's.

    Raises MlcError if it failed.
    """
    done: subprocess.CompletedProcess[str] = subprocess.run(
        [*step.argv, *words],
        env=step.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        **_as_user(context),
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if not line.startswith("srun: ")]
        raise MlcError(f"On {step.node}: {last_lines(lines or done.stderr.splitlines())}")
    return done.stdout


def _as_user(context: Context) -> dict[str, Any]:
    return as_account(context.account if is_root_for(context.account) else None)
