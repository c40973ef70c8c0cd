"""A temporary directory for what a Docker client reads."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from ...errors import MlcError
from ...temporary import build_directory_prefix, new_directory


@contextlib.contextmanager
def private_directory(token: str) -> Iterator[Path]:
    """Have a directory that belongs to the process, even if root works for a user: what the docker
    client reads there as root must not be replaceable by a link."""
    with new_directory(build_directory_prefix(token)) as path:
        yield Path(path)


def written(path: Path, content: str) -> Path:
    """Write a text as it is; return its path. Raises MlcError if it cannot be written."""
    try:
        path.write_text(content, encoding="utf-8", newline="")
    except OSError as error:
        raise MlcError(f"{path} cannot be written: {error.strerror}.") from error
    return path
