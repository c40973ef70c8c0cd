"""Texts in the targets of requests."""

from __future__ import annotations

from urllib.parse import parse_qs, unquote

from hypothesis import given
from hypothesis import strategies as st

from mlc_patched.engine.http import query_of, quoted

VALUES = st.text(min_size=1)


@given(VALUES)
def test_a_quoted_text_is_the_text_again_when_it_is_unquoted(text: str) -> None:
    found = quoted(text)
    assert unquote(found, errors="strict") == text
    assert found.isascii()
    assert not set(" ?#&+=;\\") & set(found)


@given(st.dictionaries(st.from_regex("[a-z]+", fullmatch=True), st.lists(VALUES, min_size=1)))
def test_a_query_has_every_value_of_every_name(values: dict[str, list[str]]) -> None:
    assert parse_qs(query_of(values), strict_parsing=bool(values)) == values
    one = {name: several[0] for name, several in values.items()}
    assert parse_qs(query_of(one)) == {name: [value] for name, value in one.items()}


def test_names_of_images_stay_readable() -> None:
    assert quoted("localhost:5000/a/b:1.0@sha256:0f") == "localhost:5000/a/b:1.0%40sha256:0f"
