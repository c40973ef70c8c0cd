"""Sizes and times, as people and Docker write them."""

from __future__ import annotations

import re
import time

from .errors import UsageError, shown

_SIZE = r"([0-9]{1,19}(?:\.[0-9]{1,19})?)\s*([kmgt]?)(?:i?b)?"
_SHORT = ("days", "h", "min", "s")
LONG = ("days", "hours", "minutes", "seconds")
_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}


def parse_size(text: str) -> int:
    """Return a size such as `8g`, `512m` or `1.5GiB` in bytes, as Docker reads it (base 1024).

    Raises UsageError if it is not a size, or zero.
    """
    match = re.fullmatch(_SIZE, text.strip(), re.I)
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
        if amount < 999.5:  # from here on, three digits would be 1e+03
            return f"{amount:.3g}{unit}"
        amount /= 1000
    return f"{max(amount, 1):.4g}TB"


def seconds_since_1970(moment: str) -> float | None:
    """Return a time in the format of RFC 3339; None for other text, and for times before 1970."""
    from datetime import datetime

    offset = moment[-6:] if moment[-6:-5] in ("+", "-") else "+00:00"
    try:
        then = datetime.fromisoformat(f"{moment[:19]}{offset}").timestamp()
    except (ValueError, OverflowError):
        return None
    return then if then >= 0 else None


def utc_time(seconds: float | None = None) -> str:
    """Return seconds since 1970, or the current time if None, in UTC in the format of RFC 3339."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def rfc_3339(seconds: float | None) -> str | None:
    """Return seconds since 1970 as `utc_time` does; None for None."""
    return None if seconds is None else utc_time(seconds)


def in_utc(moment: str) -> str | None:
    """Return a time of the format of RFC 3339 in UTC; None for other text, and before 1970."""
    return rfc_3339(seconds_since_1970(moment))


def duration_in_words(seconds: float, units: tuple[str, str, str, str] = _SHORT) -> str:
    """Return a duration such as `3 h`; with LONG as `units`, such as `3 hours`."""
    amount = max(int(seconds), 0)
    for unit, length in zip(units, (86400, 3600, 60), strict=False):
        if amount >= 2 * length:
            return f"{amount // length} {unit}"
    return f"{amount} {units[-1]}"


def age_in_words(moment: str | None, now: float | None = None) -> str:
    """Return how long ago a time was, such as `3 h ago`; what is not RFC 3339 stays as it is, and
    None is empty.

    `now` is in seconds since the epoch; by the clock when None.
    """
    then = seconds_since_1970(moment or "")
    if then is None:
        return moment or ""
    return f"{duration_in_words((time.time() if now is None else now) - then)} ago"
