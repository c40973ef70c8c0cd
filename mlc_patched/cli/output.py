"""Progress and messages on standard error; results, tables and JSON on standard output."""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

TYPE_CHECKING = False  # typing itself takes 4 ms to import, a fifth of `mlc -h`
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TextIO

    from ..containers.jobs import Job
    from ..containers.list import Listed
    from ..report import Reporter

    Column = tuple[str, bool, Callable[[Any], str | None]]
    """A column of a table: its heading, whether it is shown, and a row's cell in it."""

JSON_VERSION = 1
"""Version of the JSON that `--json` prints; a change that breaks a reader raises it."""

_PLAIN_INTERVAL = 10.0  # seconds between lines of progress where there is no terminal
_GAP = "  "
NOTHING = "-"
"""A cell without content."""
_DIRECTIONS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_LONGEST_COMMAND = 40
_LONGEST = 2000  # characters of a line of a message; only input makes a line longer


def readable(text: str) -> str:
    """Return a message that is safe to print: it cannot control a terminal or flood a log.

    Messages contain names, paths and output of other programs. Control characters other than
    line ends and tabs are escaped as in Python, and the middle of a very long line is cut out.
    """
    return _without_control("\n".join(map(_cut, text.split("\n"))))


def _cut(line: str, longest: int = _LONGEST, mark: str = " [...] ") -> str:
    half = longest // 2
    return line if len(line) <= longest else f"{line[:half]}{mark}{line[-half:]}"


def _without_control(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(_escaped(char) if _is_control(char) else char for char in text)


def _is_control(char: str) -> bool:
    """Whether a character controls a terminal, or stands for a byte that is not text."""
    if char < " ":
        return char not in "\n\t"
    return "\x7f" <= char <= "\x9f" or char in _DIRECTIONS or "\ud800" <= char <= "\udfff"


def _escaped(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")


class ConsoleReporter:
    """A Reporter that prints a command's messages on standard error.

    On a terminal, progress is shown in one line that is overwritten; elsewhere a line is printed
    now and then, so that a log shows progress.
    """

    def __init__(
        self, stream: TextIO | None = None, environ: Mapping[str, str] = os.environ
    ) -> None:
        """Report to `stream`, standard error when not given; NO_COLOR is honoured."""
        self._stream = sys.stderr if stream is None else stream
        self._terminal = self._stream.isatty() and environ.get("TERM") != "dumb"
        self._colour = self._terminal and not environ.get("NO_COLOR")
        self._transient = False
        self._last = 0.0
        self.is_quiet = False
        """Whether only warnings and failures are reported."""

    def step(self, text: str) -> None:
        if self.is_quiet:
            return
        self.line(f"{readable(text)} …")
        self._last = time.monotonic()

    def progress(self, text: str) -> None:
        if self.is_quiet:
            return
        text = text.replace("\r", "\n").strip().rpartition("\n")[2]
        now = time.monotonic()
        if self._terminal:
            if now - self._last < 0.05 or not text:  # as often as an eye can follow
                return
            import shutil

            width = shutil.get_terminal_size().columns - 3
            shown = "".join(char if char.isprintable() else " " for char in text)
            self._write(f"\r\033[K  {shown[:width]}")
            self._transient = True
        elif now - self._last >= _PLAIN_INTERVAL:
            self.line(f"  {readable(text)}")
        else:
            return
        self._last = now

    def note(self, text: str) -> None:
        if not self.is_quiet:
            self.line(readable(text))

    def answer(self, text: str) -> None:
        """Report that the command ended as the user answered."""
        self.line(readable(text))

    def warn(self, text: str) -> None:
        self.line(self._coloured("33", "Warning: ") + readable(text))

    def error(self, text: str) -> None:
        """Report why the command failed; the last line says what failed."""
        self.line(self._coloured("31", "Error: ") + readable(text))

    def finish(self) -> None:
        """Remove a line of progress from the terminal."""
        if self._transient:
            self._write("\r\033[K")
            self._transient = False

    def _coloured(self, code: str, text: str) -> str:
        return f"\033[1;{code}m{text}\033[0m" if self._colour else text

    def line(self, text: str) -> None:
        """Print a line as it is."""
        self.finish()
        self._write(f"{text}\n")

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            pass  # the terminal is gone, but the command must still finish
        except UnicodeEncodeError:
            encoding = self._stream.encoding or "ascii"
            self._stream.write(text.encode(encoding, "replace").decode(encoding))
            self._stream.flush()


class OutputError(OSError):
    """Standard output cannot be written, as it is a file on a full disk, for example."""


@contextlib.contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(error.errno, error.strerror) from error


def say(text: str) -> None:
    """Print a line of the result with its control characters escaped: a pipe, too, may end at a
    terminal.

    Raises OutputError, and BrokenPipeError if the reader is gone.
    """
    text = "\r\n".join(map(_without_control, text.split("\r\n")))  # a Dockerfile's line ends
    with _writing():
        try:
            print(text)
        except UnicodeEncodeError:
            encoding = sys.stdout.encoding or "ascii"
            print(text.encode(encoding, "replace").decode(encoding))


def write(content: Iterable[bytes]) -> None:
    """Write a program's output to standard output, as it is; errors as of `say`."""
    with _writing():
        sys.stdout.flush()
    buffer = getattr(sys.stdout, "buffer", None)
    for chunk in content:
        with _writing():
            if buffer is None:  # replaced by a user of the API
                sys.stdout.write(chunk.decode(errors="replace"))
            else:
                buffer.write(chunk)
    if buffer is not None:
        with _writing():
            buffer.flush()


def print_json(kind: str, content: object, **more: object) -> int:
    """Print a result in its envelope, and return the exit code of success.

    A dataclass in it is written by its `as_json` if it has one, else as its fields.
    """
    import json

    envelope = {"version": JSON_VERSION, kind: content, **more}
    say(json.dumps(envelope, indent=2, default=_fields))
    return 0


def _fields(value: Any) -> object:
    if hasattr(value, "as_json"):
        return value.as_json()
    return value.value if hasattr(value, "_value_") else vars(value)  # one of an enum


def print_names(names: Iterable[str]) -> int:
    """Print names, one a line, and return the exit code of success."""
    for name in names:
        say(name)
    return 0


def show(columns: Sequence[Column], found: Sequence[object], repeats: Collection[str] = ()) -> None:
    """Print what was found as a table, in the columns that are shown; `repeats` as for `table`."""
    shown = [column for column in columns if column[1]]
    rows = [[cell(each) or NOTHING for _, _, cell in shown] for each in found]
    table([name for name, _, _ in shown], rows, repeats)


def show_fields(fields: Sequence[tuple[str, str | None]]) -> None:
    """Print names and values below each other, without those that have no value."""
    width = max(len(name) for name, _ in fields)
    for name, value in fields:
        if value:
            say(f"  {name:<{width}}  {value}")


def job_in_words(job: Job | None) -> str:
    """Return a container's last job as a list shows it: `running: python3 train.py (2 h)`."""
    if job is None:
        return NOTHING
    from ..containers.jobs import RUNNING, STOPPED
    from ..units import duration_in_words

    now = time.time()
    command = _cut(job.command, _LONGEST_COMMAND, "…")
    if job.state == STOPPED:
        return f"stopped: {command}"
    if job.state == RUNNING:
        return f"running: {command} ({duration_in_words(now - job.started)})"
    since = "" if job.ended is None else f" ({duration_in_words(now - job.ended)} ago)"
    return f"last: {job.status}{since}"


def say_interrupted(found: Iterable[Listed], report: Reporter) -> None:
    """Say which containers ran when the server went down, and how to start them again."""
    names = [f"[{each.name}]" for each in found if each.ran_at_shutdown]
    if names:
        ran = f"{', '.join(names)} ran when the server went down."
        report.note(f"{ran} Start what ran with: mlc start --all")


def below_home(path: str | None, home: str) -> str | None:
    """Return a path with `~` in place of the home directory; None for None."""
    if path is None:
        return None
    below = path == home or path.startswith(f"{home}/")
    return f"~{path[len(home) :]}" if below and home != "/" else path


def table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], repeats: Collection[str] = ()
) -> None:
    """Print aligned columns.

    In a pipe, every column is printed and a row is one line, so that scripts can rely on it. On a
    terminal, empty columns are left out, as are those headed by one of `repeats` that equal the
    first one, and cells wrap at spaces where the table is too wide.
    """
    columns = [
        [heading, *(one_line(cell) for cell in cells)]
        for heading, *cells in zip(headings, *rows, strict=True)
    ]
    widths = [max(map(len, column)) for column in columns]
    if sys.stdout.isatty():
        columns = [each for each in columns if _has_content(each, columns[0], repeats)]
        widths = _fitting([max(map(len, column)) for column in columns], columns)
    for row in zip(*columns, strict=True):
        cells = map(_wrapped, row, widths)
        for lines in itertools.zip_longest(*cells, fillvalue=""):
            say(_GAP.join(map(str.ljust, lines, widths)).rstrip())


def _has_content(column: Sequence[str], first: Sequence[str], repeats: Collection[str]) -> bool:
    heading, *cells = column
    if not cells or column is first:
        return True
    if heading in repeats and cells == [cell.strip("[]") for cell in first[1:]]:
        return False
    return any(cell not in ("", NOTHING) for cell in cells)


def _fitting(widths: Sequence[int], columns: Sequence[Sequence[str]]) -> list[int]:
    """Return widths that fit: the widest shrink first, never below their longest word."""
    import shutil

    widths = list(widths)
    least = [max(map(len, " ".join(column).split())) for column in columns]
    excess = sum(widths) + len(_GAP) * (len(widths) - 1) - shutil.get_terminal_size().columns
    while excess > 0:
        spare = [width - word for width, word in zip(widths, least, strict=True)]
        at = max(range(len(widths)), key=lambda index: (spare[index] > 0, widths[index]))
        if spare[at] <= 0:
            break
        widths[at] -= 1
        excess -= 1
    return widths


def _wrapped(cell: str, width: int) -> list[str]:
    if len(cell) <= width:
        return [cell]
    import textwrap

    return textwrap.wrap(cell, width, break_long_words=False, break_on_hyphens=False)


def one_line(cell: str) -> str:
    """Keep a cell from breaking the table or controlling the terminal."""
    return "".join(char if char.isprintable() else "?" for char in cell)
