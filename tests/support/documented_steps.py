"""The steps of docs/cluster.md: fenced blocks that say where they run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "cluster.md"
_BLOCK = re.compile(r"^```sh ([^\n]+)\n(.*?)^```$", re.M | re.S)

_PYTHON = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Step:
    """A block: the words after `sh` in its fence, and its lines."""

    words: tuple[str, ...]
    script: str


def python_blocks(page: Path) -> str:
    """Return the Python blocks of a page, as one script."""
    return "\n".join(_PYTHON.findall(page.read_text(encoding="utf-8")))


def steps(page: Path = PAGE) -> Iterator[Step]:
    """Yield the blocks to run, in order."""
    for words, script in _BLOCK.findall(page.read_text(encoding="utf-8")):
        yield Step(tuple(words.split()), script)
