"""What the edges of all commands share: parsers, tables of columns, the envelope of `--json`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from .output import say, table
from .parser import Parser

TYPE_CHECKING = False  # typing itself takes 4 ms to import, a fifth of `mlc -h`
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Column = tuple[str, bool, Callable[[Any], str]]
    """A column of a table: its heading, whether it is shown, and a row's cell in it."""

JSON_VERSION = 1
"""Version of the JSON that `--json` prints; a change that breaks a reader raises it."""


def command_parser(prog: str, description: str, examples: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser of a documented command, without arguments yet.

    Args:
        prog: the words by which it is called.
        description: what it does, a sentence.
        examples: lines of the help.
    """
    return Parser(
        prog=prog,
        description=description,
        epilog="examples:\n" + "\n".join(f"  {line}" for line in examples),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def print_json(kind: str, content: object, **more: object) -> int:
    """Print a result in its envelope, and return the exit code of success."""
    import json

    say(json.dumps({"version": JSON_VERSION, kind: content, **more}, indent=2))
    return 0


def show(columns: Sequence[Column], found: Sequence[object]) -> None:
    """Print a table of what was found, in the columns that are shown."""
    shown = [column for column in columns if column[1]]
    table([name for name, _, _ in shown], [[cell(each) for _, _, cell in shown] for each in found])


def below_home(path: str, home: str) -> str:
    """Return a path as people write it: with `~` where it is the home or in it."""
    below = path == home or path.startswith(f"{home}/")
    return f"~{path[len(home) :]}" if below and home != "/" else path
