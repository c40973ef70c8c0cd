"""Logins in URLs."""

from __future__ import annotations

import pytest

from mlc_patched.urls import has_login, without_logins


@pytest.mark.parametrize(
    ("text", "without", "is_secret"),
    [
        ("https://me:secret@host/simple", "https://host/simple", True),
        ("https://token@host/x", "https://host/x", True),
        ("git+https://ghp_TOKEN@host/a/b", "git+https://host/a/b", True),
        ("--index-url=http://glpat-x@host/simple", "--index-url=http://host/simple", True),
        ("https://a/b https://token@host", "https://a/b https://host", True),
        ("ssh://me:secret@host/x", "ssh://host/x", True),
        ("https://git:secret@host/x", "https://host/x", True),
        ("https://git@to:ken@host/x", "https://host/x", True),
        ("https://:secret@host a@b", "https://host a@b", True),
        ("https://me:sec@ret@host/x", "https://host/x", True),
        ("https://me@uni.example:secret@host/x", "https://host/x", True),
        ("git+ssh://git@host/a@v1", "git+ssh://host/a@v1", False),
        ("git+ssh://me@host/a", "git+ssh://host/a", False),
        ("ssh://me@host/a", "ssh://host/a", False),
        ("git+https://git@host/a@v1", "git+https://host/a@v1", False),
        ("https://${TOKEN}@host/a", "https://host/a", False),
        ("https://host/a token@b", "https://host/a token@b", False),
        ("https://host/a:b@c", "https://host/a:b@c", False),
    ],
)
def test_logins_are_left_out_and_secret_ones_are_found(
    text: str, without: str, is_secret: bool
) -> None:
    assert without_logins(text) == without
    assert has_login(text) == is_secret
    assert without_logins("https://a:b@c", "****@") == "https://****@c"
