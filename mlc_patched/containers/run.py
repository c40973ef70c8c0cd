"""run: run a command in a container, and return what it printed."""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Sequence

from ..context import Context
from ..engine.client import fitting_client
from ..errors import MlcError, UsageError, last_lines
from ..lean import dataclass
from .shell import PURPOSE, run_captured
from .start import ensure_running, words_of


@dataclass(frozen=True)
class Completed:
    """A command that has ended: its exit status, and what it printed."""

    name: str
    exit_status: int
    stdout: str
    stderr: str


def run(
    name: str,
    command: str | Sequence[str],
    *,
    input: str | None = None,
    timeout: float | None = None,
    check: bool = False,
    context: Context | None = None,
) -> Completed:
    """Run a command in a container as the user, and return what it printed.

    The container is started if necessary. The command has no terminal.

    Args:
        command: a text is a line for the container's bash, a sequence a program and its arguments.
        input: what it reads from standard input; nothing by default.
        timeout: seconds after which it is ended.
        check: whether an exit status other than 0 is an error.

    Raises:
        UsageError: the command is empty, or cannot be passed to a program.
        NotFoundError: there is no such container.
        EngineError: the container cannot be started, or there is no Docker client.
        MlcError: it took longer than `timeout`, or failed and `check` was set.
    """
    words = words_of(command)
    if not words:
        raise UsageError("The command is empty.")
    context = context or Context()
    container = context.get(name)
    fitting_client(context.client_environ, PURPOSE, context.engine)
    ensure_running(container, context)
    try:
        given = None if input is None else input.encode(errors="surrogateescape")
    except UnicodeEncodeError as error:
        raise UsageError("The input has characters that no UTF-8 text has.") from error
    try:
        done = run_captured(container, words, context, input=given, timeout=timeout)
    except subprocess.TimeoutExpired as error:
        raise MlcError(f"The command in {name} took longer than {timeout:g} seconds.") from error
    except OSError as error:
        if error.errno != errno.E2BIG:
            raise
        raise UsageError("The command is too long.", "Pass long texts as its input.") from error
    output = (text.decode(errors="replace") for text in (done.stdout, done.stderr))
    status = done.returncode
    completed = Completed(name, status if status >= 0 else 128 - status, *output)
    if check and completed.exit_status:
        said = last_lines((completed.stderr or completed.stdout).splitlines())
        raise MlcError(f"{said}\nThe command in {name} failed: exit {completed.exit_status}.")
    return completed
