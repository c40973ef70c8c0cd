"""What `make engines` reads from a run of tests, and what its page says of it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from support.users import ROOT

import tools.engine_results as kept
import tools.engines as engines
from tools import engine_reasons

REPORT = """<testsuites><testsuite>
<testcase classname="tests.engine.a" name="test_passes"/>
<testcase classname="tests.engine.b" name="test_passes"/>
<testcase classname="tests.engine.a" name="test_fails">
<failure message="AssertionError: 1 == 2&#10;more"/></testcase>
<testcase classname="tests.engine.a" name="test_fails">
<error message="failed on teardown"/></testcase>
<testcase classname="tests.engine.a" name="test_skipped">
<skipped message=""/></testcase>
</testsuite></testsuites>"""


def test_a_test_whose_teardown_fails_too_is_one_failure_and_no_pass() -> None:
    cell = kept.read_report(REPORT)
    assert str(cell) == "**2 of 4**"
    assert cell.failed == {
        "a::test_fails": "AssertionError: 1 == 2",
        "a::test_skipped": "skipped",
    }


def test_the_page_names_store_builders_day_and_commit_and_what_was_not_run() -> None:
    cell = kept.Cell(46, {}, "2026-11-26", "abc1234")
    failed = kept.Cell(1, {"t::test_x": "a | b"}, "2026-11-26", "abc1234")
    results = {
        "docker28": {
            "version": "28.5.2",
            "suites": {"contract": asdict(cell), "life": asdict(failed)},
        }
    }
    lines = kept.page(results, engines.ROWS).splitlines()
    row = next(line for line in lines if "28.5.2" in line)
    assert row == (
        "| Docker, oldest API 1.44 | 28.5.2 | containerd's | buildx, classic | 46 of 46 "
        "| **1 of 2** | - | - | - | 2026-11-26, abc1234 |"
    )
    text = " ".join(lines)
    assert "docker28: containers, images, maintenance" in text
    assert "(docker26)" in text
    assert "- a   b: `test_x`" in text


def test_tests_with_a_known_reason_are_counted_and_others_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine_reasons, "REASONS", {"podman": {"test_gpu": "Podman's own"}})
    names = ("t::test_gpu[1]", "t::test_gpus_listed", "t::test_other")
    cell = kept.Cell(1, dict.fromkeys(names, "assert"), "2026-11-26", "abc1234")
    everything = "`test_gpu[1]`, `test_gpus_listed`, `test_other`"
    for row, expected in (
        ("podman5", ["- Podman's own: 2 tests", "- assert: `test_other`"]),
        ("docker", [f"- assert: {everything}"]),
    ):
        results = {row: {"version": "1", "suites": {"contract": asdict(cell)}}}
        failures = kept.page(results, engines.ROWS).split("## Failures")[1].split("## What")[0]
        assert [each for each in failures.splitlines() if each.startswith("- ")] == expected


def test_suites_are_stored_one_by_one_and_dropped_with_another_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "RESULTS", tmp_path / "engines.json")
    monkeypatch.setattr(kept, "PAGE", tmp_path / "engines.md")
    for suite in ("contract", "life"):
        kept.keep("docker", "20.10", suite, kept.Cell(1), engines.ROWS)
    stored = json.loads(kept.RESULTS.read_text())["docker"]
    assert list(stored["suites"]) == ["contract", "life"]
    kept.keep("docker", "24.0", "life", kept.Cell(2), engines.ROWS)
    stored = json.loads(kept.RESULTS.read_text())["docker"]
    assert (stored["version"], list(stored["suites"])) == ("24.0", ["life"])
    assert "24.0" in kept.PAGE.read_text()


def test_every_row_runs_suites_that_there_are() -> None:
    for kind in engines.ROWS.values():
        assert set(kind.suites) <= set(kept.SUITES)
    assert all((ROOT / tests[0]).exists() for tests in kept.SUITES.values())
