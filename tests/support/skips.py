"""A pytest plugin for CI: a skipped test fails unless tests/skips.txt lists it with its reason.

Only with MLC_NO_SKIPS, which `make test` sets: elsewhere a test may lack what it needs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

NO_SKIPS = "MLC_NO_SKIPS"
LIST = Path(__file__).parents[1] / "skips.txt"
_WHEN = {"always": lambda: True, "user": lambda: os.geteuid() != 0}
_BATS = re.compile(r"^ok \d+ (?P<title>.*?)(?: in \d+ms)? # skip ?(?P<reason>.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Skip:
    """A line of the list: when, which tests (a pattern), and the reason that they print."""

    when: str
    tests: str
    reason: str


def parse(text: str) -> list[Skip]:
    """Return the lines of the list, which blank lines and comments separate."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    found = [Skip(*re.split(r"\s{2,}", line, maxsplit=2)) for line in lines]
    assert all(each.when in _WHEN for each in found), found
    return found


def is_refused(test: str, reason: str) -> bool:
    """Return whether a skip of a test, by its node id, is a failure in this run."""
    return NO_SKIPS in os.environ and not any(
        _WHEN[each.when]() and fnmatchcase(test, each.tests) and reason == each.reason
        for each in parse(LIST.read_text(encoding="utf-8"))
    )


def skipped_by_bats(output: str) -> dict[str, str]:
    """Return title and reason of each skipped test in the output of `bats --formatter tap`."""
    return {found["title"]: found["reason"] for found in _BATS.finditer(output)}


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Iterator[None]:
    """Make the report of a skipped test one of a failure."""
    _refuse((yield))


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Iterator[None]:
    """Make the report of a skipped file one of a failure."""
    _refuse((yield))


def _refuse(outcome: Any) -> None:
    report = outcome.get_result()
    if not report.skipped:
        return
    # An expected failure is a skip, too; its report has a traceback.
    why = report.longrepr[2] if isinstance(report.longrepr, tuple) else "expected to fail"
    reason = why.removeprefix("Skipped: ")
    if is_refused(report.nodeid, reason):
        report.outcome = "failed"
        report.longrepr = f"skipped: {reason}\ntests/skips.txt lists what CI may skip."
