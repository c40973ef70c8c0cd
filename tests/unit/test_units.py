"""Sizes and times in words."""

from __future__ import annotations

import pytest

from mlc_patched.errors import UsageError
from mlc_patched.units import age_in_words, parse_size, size_in_words

NOON = 1795780800.0  # 2026-11-27T12:00:00Z


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        ("2026-11-27T12:00:01Z", "0 s ago"),  # clocks differ
        ("2026-11-27T11:59:57.123456789Z", "3 s ago"),
        ("2026-11-27T11:58:01Z", "119 s ago"),
        ("2026-11-27T11:57:30Z", "2 min ago"),
        ("2026-11-27T09:00:00Z", "3 h ago"),
        ("2026-11-27T04:00:00-05:00", "3 h ago"),
        ("2026-11-25T13:00:00+00:00", "47 h ago"),
        ("2026-11-24T12:00:00Z", "3 days ago"),
        ("", ""),
        ("not built", "not built"),
    ],
)
def test_how_long_ago_a_time_was(moment: str, words: str) -> None:
    assert age_in_words(moment, NOON) == words


@pytest.mark.parametrize(
    ("size", "words"),
    [
        *((None, "-"), (0, "0B"), (999, "999B"), (1500, "1.5kB"), (161e6, "161MB"), (3e12, "3TB")),
        *((999_400_000, "999MB"), (999_600_000, "1GB"), (999_600_000_000, "1TB")),
    ],
)
def test_a_size_is_shown_with_three_digits_at_most_and_its_unit(
    size: int | None, words: str
) -> None:
    assert size_in_words(size) == words


@pytest.mark.parametrize(
    ("text", "size"),
    [("64m", 64 << 20), ("8G", 8 << 30), ("1.5GiB", 3 << 29), ("100", 100), ("2kb", 2048)],
)
def test_a_size_with_a_unit_is_read_in_powers_of_1024(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "x", "0", "-1g", "1e9", "8 apples", "9" * 30])
def test_invalid_sizes_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_size(text)
