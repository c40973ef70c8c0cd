"""JSON that somebody else wrote."""

from __future__ import annotations

import json
from typing import Any


def parsed(text: str | bytes) -> Any:
    """Return what a JSON text says.

    Raises:
        ValueError: it is none, or is nested deeper than Python can go.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
