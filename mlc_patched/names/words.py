"""Words: those that every shell takes literally, and those that a misspelt one resembles."""

from __future__ import annotations

import re
from collections.abc import Iterable

_LITERAL = re.compile(r"[A-Za-z0-9._:/@+][A-Za-z0-9._:/@+-]*")


def is_literal(text: str) -> bool:
    """Whether a shell would pass the text on as it is, and no program takes it for a flag."""
    return _LITERAL.fullmatch(text) is not None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ` Did you mean X?` if one of the known words resembles this one, else nothing."""
    from difflib import get_close_matches

    close = get_close_matches(word, [*known])
    # Of equally close ones that with two letters exchanged is meant.
    best = max(close, key=lambda each: sorted(each) == sorted(word), default="")
    return best and f" Did you mean {best}?"
