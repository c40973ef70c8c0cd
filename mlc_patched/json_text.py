"""JSON from an untrusted source."""

from __future__ import annotations

import json
from typing import Any


def parsed(text: str | bytes) -> Any:
    """Parse a JSON text.

    Raises:
        ValueError: it is not valid, or is nested deeper than Python can handle.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
