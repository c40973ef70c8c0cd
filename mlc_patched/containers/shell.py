"""Interactive commands in a container, through Docker's client: it handles signals and sizes."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FrameType

from ..context import Context
from ..engine.client import client_path
from ..engine.interface import Container
from ..errors import ConflictError, NotFoundError
from ..interrupts import defer_signals, is_main_thread
from ..lean import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

FORWARDED = ("DISPLAY", "NCCL_P2P_LEVEL")
"""Variables of the caller that a shell gets (docs/contracts.md, "AIME's commands")."""


PURPOSE = "a shell in a container"
"""What needs the Docker client, for messages about it."""
JOB_SHELL = " mlc-job run "
"""In the command line of the shell around a job, which is no process of the user's."""
SHELL_VARIABLE = "MLC_SHELL"
"""Variable in the environment of an interactive shell: a token by which it is found inside."""
HANG_UP = f"""\
for status in /proc/[0-9]*/status; do
    process="${{status%/status}}"
    grep -q '^PPid:[[:space:]]*0$' "$status" || continue
    grep -qz "^{SHELL_VARIABLE}=$1$" "$process/environ" || continue
    kill -HUP "${{process##*/}}"
done 2>/dev/null
"""
"""Hangs up the shell whose token is $1, which passes the signal on to its jobs."""


def user_of(context: Context) -> str:
    """Return the caller as `UID:GID`, as the engine takes it."""
    return f"{context.account.uid}:{context.account.gid}"


def hang_up(container: Container, token: str, context: Context) -> None:
    """Hang up the command that `run_inside` started with a token, as a closed terminal would."""
    with contextlib.suppress(NotFoundError, ConflictError):  # it has ended already
        context.engine.exec_detached(
            container.id, ("sh", "-c", HANG_UP, "sh", token), user_of(context)
        )


def run_inside(
    container: str,
    command: Sequence[str],
    user: str,
    environ: Mapping[str, str],
    *,
    token: str = "",
    when_cut_off: Callable[[], object] = lambda: None,
) -> int:
    """Run a command as `UID:GID` inside a running container, on the caller's terminal if any.

    Returns the command's exit status, as Docker's client passes it on. `token` is the value of
    SHELL_VARIABLE inside. `when_cut_off` is called if a signal or a closed terminal ended the
    client; the engine leaves the command running in that case.

    Raises EngineError if Docker's client is not installed.
    """
    flag = "-it" if on_terminal() else "-i"
    argv = _exec((flag,), container, command, user, environ, token)
    flush()
    with (
        subprocess.Popen(argv, env=dict(environ), stdin=standard_input()) as process,
        forward_signals(process) as forwarded,
    ):
        status = process.wait()
        if forwarded or status < 0:
            when_cut_off()
    # Popen reports a signal as a negative number, a shell as 128 plus the number.
    return status if status >= 0 else 128 - status


def on_terminal() -> bool:
    """Whether the caller's input and output are a terminal; of a daemon they may be closed."""
    return os.isatty(0) and os.isatty(1)


def standard_input() -> int | None:
    """Return the caller's standard input for a program, as subprocess takes it."""
    return subprocess.DEVNULL if sys.stdin is None else None


def flush() -> None:
    """Write what the caller has printed before a program prints on."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()


def run_shown(container: Container, command: Sequence[str], token: str, context: Context) -> int:
    """Run a command that reads nothing inside a running container; its output is the caller's.

    Returns the exit status, negative if a signal ended Docker's client. Signals are handled as
    the caller does, and whatever ends the waiting, such as Ctrl-C, also hangs the command up.
    """
    flush()
    return _run((), container, command, token, context, stdin=subprocess.DEVNULL).returncode


def run_captured(
    container: Container,
    command: Sequence[str],
    context: Context,
    *,
    input: bytes | None = None,
    timeout: float | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run a command inside a running container, and return its output and exit status.

    Whatever ends the waiting for it, such as Ctrl-C, also hangs the command up. Raises
    subprocess.TimeoutExpired, and EngineError if Docker's client is not installed.
    """
    flags: tuple[str, ...] = () if input is None else ("-i",)
    given: dict[str, Any] = {"stdin": subprocess.DEVNULL} if input is None else {"input": input}
    return _run(
        flags,
        container,
        command,
        secrets.token_hex(8),
        context,
        capture_output=True,
        timeout=timeout,
        **given,
    )


def _run(
    flags: Sequence[str],
    container: Container,
    command: Sequence[str],
    token: str,
    context: Context,
    **options: Any,
) -> subprocess.CompletedProcess[bytes]:
    """Run a command inside a running container, and hang it up if the waiting for it ends."""
    environ = context.client_environ
    argv = _exec(flags, container.name, command, user_of(context), environ, token)
    try:
        return subprocess.run(argv, env=dict(environ), check=False, **options)
    except BaseException:
        with defer_signals(is_later=True):  # a closed terminal sends several
            hang_up(container, token, context)
        raise


def _exec(
    flags: Sequence[str],
    container: str,
    command: Sequence[str],
    user: str,
    environ: Mapping[str, str],
    token: str,
) -> list[str]:
    """Return the command line of Docker's client, or raise EngineError if it is not installed."""
    variables = [part for name in FORWARDED if environ.get(name) for part in ("--env", name)]
    variables += ["--env", f"{SHELL_VARIABLE}={token}"] if token else []
    client = client_path(environ, PURPOSE)
    return [client, "exec", *flags, "--user", user, *variables, container, *command]


@contextlib.contextmanager
def forward_signals(process: subprocess.Popen[bytes]) -> Iterator[list[int]]:
    """Let the client handle signals, and yield those that are forwarded to it. The keys of its
    terminal reach it anyway."""
    forwarded: list[int] = []
    if not is_main_thread():
        yield forwarded  # only the main thread may set handlers
        return

    def forward(number: int, frame: FrameType | None) -> None:
        forwarded.append(number)
        process.send_signal(number)

    interrupt = signal.SIG_IGN if on_terminal() else forward
    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, interrupt),
        signal.SIGQUIT: signal.signal(signal.SIGQUIT, signal.SIG_IGN),
        signal.SIGTERM: signal.signal(signal.SIGTERM, forward),
        signal.SIGHUP: signal.signal(signal.SIGHUP, forward),
    }
    try:
        yield forwarded
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
