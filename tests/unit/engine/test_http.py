"""Texts in the targets of requests, and how much of an answer is read."""

from __future__ import annotations

import socket
from urllib.parse import parse_qs, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlc_patched.engine import http
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


def test_an_answer_without_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_LARGEST", 100)
    for size, is_read in ((100, True), (101, False)):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            theirs.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * size)
            theirs.shutdown(socket.SHUT_WR)
            if is_read:
                assert len(http.Connection(ours).exchange("GET", "/").body) == size
            else:
                with pytest.raises(http.BrokenAnswerError, match="larger than"):
                    http.Connection(ours).exchange("GET", "/")
