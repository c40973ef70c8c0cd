"""Names of containers: for users, and in Docker."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlc_patched.errors import UsageError
from mlc_patched.names.containers import (
    check_container_name,
    container_tag,
    first_free,
    is_own_name,
    plain_name,
    short_name,
)


@pytest.mark.parametrize("name", ["a", "A1", "my-project", "my_project", "9", "a" * 115])
def test_the_tag_of_a_valid_name_ends_in_the_uid(name: str) -> None:
    assert container_tag(name, 1722830498) == f"{name}._.1722830498"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "empty"),
        ("../x", "not a valid container name"),
        ("-rf", "not a valid container name"),
        ("_x", "not a valid container name"),
        ("a.*", "not a valid container name"),
        ("a b", "not a valid container name"),
        ("a\n", "not a valid container name"),
        ("a\0b", "not a valid container name"),
        ("\u202eabc", "not a valid container name"),
        ("ä", "not a valid container name"),
        ("a._.0", "not a valid container name"),
        ("a._.1001", "names a container of another user, with the UID 1001"),
        ("a b._.1001", "not a valid container name"),
        ("a#1", "'#', which Docker does not allow"),
        ("a" * 116, "at most 115"),
    ],
)
def test_an_invalid_name_is_refused_with_its_reason(name: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        check_container_name(name, 1722830498)
    with pytest.raises(UsageError, match=why):
        container_tag(name, 1722830498)


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,100}", fullmatch=True), st.integers(0, 2**32 - 2))
def test_short_name_reverses_container_tag(name: str, uid: int) -> None:
    assert short_name(container_tag(name, uid)) == name


def test_a_plain_name_is_its_own_short_name() -> None:
    assert short_name("old") == "old"


@pytest.mark.parametrize(
    ("tag", "is_own"),
    [
        ("n._.1001", True),
        ("n._.0", True),
        ("n", True),
        ("n._.1002", False),
        ("n._.11001", False),
        ("n._.10", False),
    ],
)
def test_a_name_may_be_a_user_s_by_the_uid_at_its_end(tag: str, is_own: bool) -> None:
    assert is_own_name(tag, 1001) == is_own


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("n", "n"),
        ("[n]", "n"),
        ("[n", "[n"),
        ("n]", "n]"),
        ("n._.1001", "n"),
        ("n._.0", "n"),
        ("[n._.1001]", "n"),
        ("n._.1002", "n._.1002"),
    ],
)
def test_a_name_is_taken_as_lists_print_it(text: str, name: str) -> None:
    assert plain_name(text, 1001) == name


def test_only_the_last_separator_divides_a_name_from_its_uid() -> None:
    assert short_name("a._.b._.1001") == "a._.b"


def test_the_first_free_name_is_numbered_from_two() -> None:
    assert first_free("n", lambda name: False) == "n"
    assert first_free("n", {"n"}.__contains__) == "n-2"
    assert first_free("n", {"n", "n-2", "n-4"}.__contains__) == "n-3"
