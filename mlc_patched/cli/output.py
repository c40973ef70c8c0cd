"""Words for people: progress and warnings to standard error, results to standard output."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence

TYPE_CHECKING = False  # typing itself takes 4 ms to import, a fifth of `mlc -h`
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TextIO

    Column = tuple[str, bool, Callable[[Any], str]]
    """A column of a table: its heading, whether it is shown, and a row's cell in it."""

JSON_VERSION = 1
"""Version of the JSON that `--json` prints; a change that breaks a reader raises it."""

_PLAIN_INTERVAL = 10.0  # seconds between lines of progress where there is no terminal
_GAP = "  "
_LONGEST = 2000  # characters of a line of a message; what is longer was put in by somebody's input


def readable(text: str) -> str:
    """Return a message as it may be shown: nothing in it steers a terminal or floods a log.

    Names, paths and what others wrote stand in messages. Control characters of theirs are
    written as Python writes them, but for line ends and tabs, and a line that is too long
    loses its middle.
    """
    return _without_control("\n".join(map(_cut, text.split("\n"))))


def _cut(line: str) -> str:
    half = _LONGEST // 2
    return line if len(line) <= _LONGEST else f"{line[:half]} [...] {line[-half:]}"


def _without_control(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in "\n\t" else _escaped(char) for char in text
    )


def _escaped(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")


class ConsoleReporter:
    """Tells a command's words on standard error.

    On a terminal progress rewrites one line; elsewhere it is a line now and then, so that
    a log shows that something moves.
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

    def step(self, text: str) -> None:
        """See Reporter."""
        self._line(f"{readable(text)} …")
        self._last = time.monotonic()

    def progress(self, text: str) -> None:
        """See Reporter."""
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
            self._line(f"  {readable(text)}")
        else:
            return
        self._last = now

    def note(self, text: str) -> None:
        """See Reporter."""
        self._line(readable(text))

    def warn(self, text: str) -> None:
        """See Reporter."""
        self._line(self._coloured("33", "Warning: ") + readable(text))

    def error(self, text: str) -> None:
        """Tell why the command failed; the last line of it says what failed."""
        self._line(self._coloured("31", "Error: ") + readable(text))

    def finish(self) -> None:
        """Take away a line of progress that still stands on the terminal."""
        if self._transient:
            self._write("\r\033[K")
            self._transient = False

    def _coloured(self, code: str, text: str) -> str:
        return f"\033[1;{code}m{text}\033[0m" if self._colour else text

    def _line(self, text: str) -> None:
        self.finish()
        self._write(f"{text}\n")

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            pass  # the terminal is gone; what is being done must still be finished
        except UnicodeEncodeError:
            encoding = self._stream.encoding or "ascii"
            self._stream.write(text.encode(encoding, "replace").decode(encoding))
            self._stream.flush()


def say(text: str) -> None:
    """Print a line of the result; on a terminal nothing in it steers that."""
    if sys.stdout.isatty():
        text = _without_control(text)
    try:
        print(text)
    except UnicodeEncodeError:
        encoding = sys.stdout.encoding or "ascii"
        print(text.encode(encoding, "replace").decode(encoding))


def print_json(kind: str, content: object, **more: object) -> int:
    """Print a result in its envelope, and return the exit code of success."""
    import json

    say(json.dumps({"version": JSON_VERSION, kind: content, **more}, indent=2))
    return 0


def show(columns: Sequence[Column], found: Sequence[object]) -> None:
    """Print a table of what was found, in the columns that are shown."""
    shown = [column for column in columns if column[1]]
    table([name for name, _, _ in shown], [[cell(each) for _, _, cell in shown] for each in found])


def show_fields(fields: Sequence[tuple[str, str]]) -> None:
    """Print names and values below each other, without those that have no value."""
    width = max(len(name) for name, _ in fields)
    for name, value in fields:
        if value:
            say(f"  {name:<{width}}  {value}")


def below_home(path: str, home: str) -> str:
    """Return a path as people write it: with `~` where it is the home or in it."""
    below = path == home or path.startswith(f"{home}/")
    return f"~{path[len(home) :]}" if below and home != "/" else path


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table: drawn by rich on a terminal, aligned plain lines anywhere else."""
    rows = [[_one_line(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        drawn = Table(*headings, box=None, pad_edge=False, header_style="bold")
        for row in rows:
            drawn.add_row(*(Text(cell) for cell in row))
        Console().print(drawn)
        return
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    for row in (headings, *rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        say(_GAP.join(cells).rstrip())


def _one_line(cell: str) -> str:
    """Keep a cell from breaking the table or steering the terminal."""
    return "".join(char if char.isprintable() else "?" for char in cell)
