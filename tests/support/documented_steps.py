"""Blocks of documentation to run: those of docs/cluster.md, and those of the guide."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guide"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "cluster.md"
_BLOCK = re.compile(r"^```sh ([^\n]+)\n(.*?)^```$", re.M | re.S)

_SHELL = re.compile(r"^```sh\n(.*?)^```$", re.M | re.S)
_PYTHON = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Step:
    """A block: the words after `sh` in its fence, and its lines."""

    words: tuple[str, ...]
    script: str


def python_blocks(page: Path) -> str:
    """Return the Python blocks of a page, as one script."""
    return "\n".join(_PYTHON.findall(page.read_text(encoding="utf-8")))


def shell_blocks(page: Path) -> str:
    """Return the shell blocks of a page, as one script."""
    return "\n".join(_SHELL.findall(page.read_text(encoding="utf-8")))


def steps(page: Path = PAGE) -> Iterator[Step]:
    """Yield the blocks to run, in order."""
    for words, script in _BLOCK.findall(page.read_text(encoding="utf-8")):
        yield Step(tuple(words.split()), script)


@dataclass(frozen=True)
class Shown:
    """A block of the guide to run, whether it fails, and the lines that the page shows of it."""

    script: str
    fails: bool
    lines: tuple[str, ...]

    def missing(self, output: str) -> str | None:
        """Return the first line of the page that the output does not have in this order, or None.

        `…` in a line of the page stands for anything.
        """
        rest = output
        for line in self.lines:
            pattern = "[^\\n]*".join(re.escape(part.strip()) for part in line.split("…"))
            if (match := re.search(pattern, rest)) is None:
                return line
            rest = rest[match.end() :]
        return None


_SHOWN = re.compile(r"^```sh run( fails)?\n(.*?)^```$(?:\n\n```text\n(.*?)^```$)?", re.M | re.S)


def shown_steps(page: Path) -> Iterator[Shown]:
    """Yield the blocks of a page of the guide, in order."""
    for fails, script, lines in _SHOWN.findall(page.read_text(encoding="utf-8")):
        yield Shown(script, bool(fails), tuple(lines.splitlines()))
