"""Logins in URLs, which are neither shown nor kept. Pure."""

from __future__ import annotations

import re

# A password may have an @ itself: a login ends at the last one before the path.
_LOGIN = re.compile(r"(?<=://)[^/\s]+@")
_PASSWORD = re.compile(r"://[^/\s:]*:[^/\s]+@")


def without_logins(text: str, instead: str = "") -> str:
    """Return a text with something else in place of the logins in its URLs."""
    return _LOGIN.sub(instead, text)


def has_password(text: str) -> bool:
    """Whether a URL in a text has a password; `git@HOST` is only a name."""
    return _PASSWORD.search(text) is not None
