"""Sizes and times, as people and Docker write them."""

from __future__ import annotations

import re
import time

from .errors import UsageError, shown

_SIZE = re.compile(r"([0-9]{1,19}(?:\.[0-9]{1,19})?)\s*([kmgt]?)(?:i?b)?", re.I)
_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}


def parse_size(text: str) -> int:
    """Return a size such as `8g`, `512m` or `1.5GiB` in bytes, as Docker reads it (base 1024).

    Raises UsageError if it is not a size, or zero.
    """
    match = _SIZE.fullmatch(text.strip())
    size = int(float(match[1]) * _UNITS[match[2].lower()]) if match else 0
    if not 0 < size < 2**63:
        raise UsageError(f"The size {shown(text)} is not understood.", "For example: 16g or 512m.")
    return size


def size_in_words(size: int | None) -> str:
    """Return a number of bytes as Docker shows it, in units of 1000; `-` for None."""
    if size is None:
        return "-"
    amount = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.3g}{unit}"
        amount /= 1000
    return f"{amount:.4g}TB"


def age_in_words(moment: str, now: float | None = None) -> str:
    """Return how long ago a time was, such as `3 h ago`; what is not RFC 3339 stays as it is.

    `now` is in seconds since the epoch; by the clock when None.
    """
    from datetime import datetime

    offset = moment[-6:] if moment[-6:-5] in ("+", "-") else "+00:00"
    try:
        then = datetime.fromisoformat(f"{moment[:19]}{offset}")
    except ValueError:
        return moment
    seconds = max(int((time.time() if now is None else now) - then.timestamp()), 0)
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit} ago"
    return f"{seconds} s ago"
