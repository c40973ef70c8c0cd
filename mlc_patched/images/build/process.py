"""Run a build as a child process: show its progress, and keep the end of its output."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from types import FrameType

from ...host.child import Stream, write_all
from ...interrupts import defer_signals, is_main_thread
from .client import BuildCommand
from .shown import without_long_headings

KEPT_LINES = 2000
_GRACE_SECONDS = 15
_PR_SET_PDEATHSIG = 1  # prctl(2), linux/prctl.h
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # colours and cursor movements
    r"|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"  # titles and links
    r"|\x1b[@-Z\\-_]"
)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def run_build(
    command: BuildCommand,
    environ: Mapping[str, str],
    hear: Callable[[str], object] | None = None,
    show: Callable[[str], str | None] | None = None,
    stdin: Stream | None = None,
) -> tuple[int, list[str]]:
    """Run a build and pass its output on to standard error.

    On a terminal the client gets a pseudo-terminal, so that it draws its usual progress; otherwise
    it writes plain lines. With `show` only those lines that it returns are passed on. If this
    process is interrupted, the build is stopped and waited for; if this process is killed, the
    kernel kills the build.

    Returns the exit status and the last lines, without colours and cursor movements, just as `hear`
    is called with every line before it is passed on.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    log = _Log()
    environment = {**environ, **command.environment}
    terminal = os.isatty(2) and show is None
    ours, theirs = pty.openpty() if terminal else os.pipe()
    try:
        with contextlib.ExitStack() as stack:
            if terminal:
                stack.enter_context(_same_size(ours))
            process = subprocess.Popen(
                command.argv,
                stdin=subprocess.DEVNULL if stdin is None else stdin.file,
                stdout=theirs,
                stderr=theirs,
                env=environment,
                preexec_fn=_ending_with(os.getpid()),  # noqa: PLW1509 - two calls of the kernel's
            )
            os.close(theirs)
            theirs = -1
            if stdin is not None:
                stdin.close()
            try:
                _pass_on(
                    ours,
                    log,
                    hear or (lambda line: None),
                    None if terminal else show or without_long_headings,
                )
                status = process.wait()
            except BaseException:
                with defer_signals():
                    _end(process, ours)
                raise
    finally:
        for file in (ours, theirs):
            if file >= 0:
                os.close(file)
    return status, log.lines()


class _Log:
    """The last lines of output that may redraw itself."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._rest = b""

    def write(self, chunk: bytes) -> list[str]:
        """Add a piece of output; return the lines it completes."""
        *ended, self._rest = (self._rest + chunk).split(b"\n")
        lines = [plain(line) for line in ended]
        self._lines.extend(lines)
        return lines

    def lines(self) -> list[str]:
        return [*self._lines, *([plain(self._rest)] if self._rest else [])]


def plain(line: bytes) -> str:
    """Return a line as text, without colours and cursor movements; what else could control a
    terminal is escaped as in Python."""
    text = _ESCAPES.sub("", line.decode(errors="replace")).rstrip().rpartition("\r")[2]
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def _pass_on(
    source: int,
    log: _Log,
    hear: Callable[[str], object],
    show: Callable[[str], str | None] | None,
) -> None:
    """Pass output on until it ends: as it is, or the lines that `show` returns, without colours."""
    while True:
        try:
            chunk = os.read(source, 65536)
        except OSError as error:
            if error.errno == errno.EIO:  # the other side of the terminal was closed
                return
            raise
        if not chunk:
            return
        lines = log.write(chunk)
        for line in lines:
            hear(line)
        if show is not None:
            shown = [text for text in map(show, lines) if text is not None]
            chunk = "".join(f"{text}\n" for text in shown).encode()
        with contextlib.suppress(OSError):  # the reader is gone; the build need not fail
            write_all(2, chunk)


def _ending_with(parent: int) -> Callable[[], None]:
    """Return a function for a child to call before exec, so that it dies with its parent.

    Otherwise a silent step would run to its end, and nothing would remove its image.
    """
    prctl = ctypes.CDLL(None).prctl

    def call() -> None:
        # The client does not pass SIGTERM on to a plugin that has a terminal.
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it was killed in between
            os._exit(1)

    return call


def _end(process: subprocess.Popen[bytes], output: int) -> None:
    """Stop a build: the client cancels it in the engine and exits; else it is killed."""
    process.send_signal(signal.SIGINT)
    deadline = time.monotonic() + _GRACE_SECONDS
    outputs = [output]
    while process.poll() is None and time.monotonic() < deadline:
        # It must not block on writing its last output.
        if select.select(outputs, [], [], 0.1)[0] and _is_at_end(output):
            outputs = []
    process.kill()
    process.wait()


def _is_at_end(output: int) -> bool:
    """Read a piece of output, and return whether there is none any more."""
    try:
        return not os.read(output, 65536)
    except OSError:  # the other side of the terminal was closed
        return True


@contextlib.contextmanager
def _same_size(terminal: int) -> Iterator[None]:
    """Keep a pseudo-terminal at the size of our terminal."""

    def copy(number: int = 0, frame: FrameType | None = None) -> None:
        with contextlib.suppress(OSError):
            size = fcntl.ioctl(2, termios.TIOCGWINSZ, b"\0" * 8)
            fcntl.ioctl(terminal, termios.TIOCSWINSZ, size)

    copy()
    if not is_main_thread():  # only that one may set handlers
        yield
        return
    before = signal.signal(signal.SIGWINCH, copy)
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)
