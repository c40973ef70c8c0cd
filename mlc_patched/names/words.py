"""Words that every shell takes literally: what completion offers, and a catalog may contain."""

from __future__ import annotations

import re

_LITERAL = re.compile(r"[A-Za-z0-9._:/@+][A-Za-z0-9._:/@+-]*")


def is_literal(text: str) -> bool:
    """Whether a shell would pass the text on as it is, and no program takes it for a flag."""
    return _LITERAL.fullmatch(text) is not None
