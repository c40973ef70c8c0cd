"""JSON from an untrusted source."""

from __future__ import annotations

import json
from typing import Any


def parsed(text: str | bytes) -> Any:
    """Parse a JSON text; raises ValueError also if it is nested deeper than Python can handle."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
