"""Logins in URLs, which are neither shown nor kept. Pure."""

from __future__ import annotations

import re

# A password may have an @ itself: a login ends at the last one before the path.
_LOGIN = re.compile(r"(?<=://)[^/\s]+@")
_NO_SECRET = re.compile(r"git@|\$\{\w+\}@")


def without_logins(text: str, instead: str = "") -> str:
    """Return a text with something else in place of the logins in its URLs."""
    return _LOGIN.sub(instead, text)


def has_login(text: str) -> bool:
    """Whether a URL in a text has a password or a token, which over HTTP may be the name alone.

    `git@HOST`, the name for SSH and `${VARIABLE}@HOST` are no secrets.
    """
    return any(
        ":" in login[0]
        or not (_NO_SECRET.fullmatch(login[0]) or text.endswith("ssh://", 0, login.start()))
        for login in _LOGIN.finditer(text)
    )
