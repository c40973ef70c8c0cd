"""A temporary directory for what a Docker client reads."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ...temporary import build_directory_prefix, mark_directory


@contextlib.contextmanager
def private_directory(token: str) -> Iterator[Path]:
    """Have a directory that belongs to the process, even if root works for a user: what the docker
    client reads there as root must not be replaceable by a link."""
    with tempfile.TemporaryDirectory(prefix=build_directory_prefix(token)) as path:
        mark_directory(Path(path))
        yield Path(path)


def written(path: Path, content: str) -> Path:
    """Write a text as it is; return its path."""
    path.write_text(content, encoding="utf-8", newline="")
    return path
