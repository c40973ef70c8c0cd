"""Paths as programs give them to the API: a text, or an object such as pathlib's."""

from __future__ import annotations

import os


def as_text(path: str | os.PathLike[str] | None) -> str | None:
    """Return a path as requests take it; None is not given."""
    return None if path is None else os.fspath(path)
