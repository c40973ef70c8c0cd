"""Logins in URLs."""

from __future__ import annotations

import pytest

from mlc_patched.urls import has_password, without_logins


@pytest.mark.parametrize(
    ("text", "without", "is_secret"),
    [
        ("https://me:secret@host/simple", "https://host/simple", True),
        ("https://token@host/x", "https://host/x", False),
        ("https://:secret@host a@b", "https://host a@b", True),
        ("https://me:sec@ret@host/x", "https://host/x", True),
        ("https://me@uni.example:secret@host/x", "https://host/x", True),
        ("git+ssh://git@host/a@v1", "git+ssh://host/a@v1", False),
        ("https://host/a:b@c", "https://host/a:b@c", False),
    ],
)
def test_logins_are_left_out_and_passwords_are_found(
    text: str, without: str, is_secret: bool
) -> None:
    assert without_logins(text) == without
    assert has_password(text) == is_secret
    assert without_logins("https://a:b@c", "****@") == "https://****@c"
