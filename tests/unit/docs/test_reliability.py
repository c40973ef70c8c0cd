"""The page of promises shows the results of a run, including failures and missing tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.promises import PROMISES
from support.users import ROOT

CONFTEST = """\
from support import promises, reliability
from support.promises import Group, Promise
promises.PROMISES.clear()
promises.PROMISES["a"] = Promise(Group.ATOMIC, "A is whole.")
promises.PROMISES["b"] = Promise(Group.RACES, "B is alone.")

def pytest_configure(config):
    config.pluginmanager.register(reliability, "mlc-reliability")
"""
HOLDING = """\
import pytest

@pytest.mark.promise("a", "b")
@pytest.mark.parametrize("number", [1, 2])
def test_both(counted, number):
    counted("kills", number)

@pytest.mark.promise("b")
def test_b(counted):
    counted("races")
    assert RESULT

def test_none():
    assert False, "is not part of the run"
"""


def run(place: Path, tests: str) -> tuple[int, str, str]:
    """Run tests like `make reliability`; return the exit code, the output and the page."""
    (place / "conftest.py").write_text(CONFTEST)
    (place / "test_it.py").write_text(tests)
    (place / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n")
    page = place / "page.md"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-m", "promise", str(place)],
        env={
            **os.environ,
            "PYTHONPATH": f"{ROOT}/tests:{ROOT}",
            "MLC_RELIABILITY_PAGE": str(page),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr, page.read_text() if page.exists() else ""


def test_promises_that_hold(tmp_path: Path) -> None:
    code, said, page = run(tmp_path, HOLDING.replace("RESULT", "True"))
    assert code == 0, said
    assert "All 2 promises held" in page
    assert "| [test_it.py](../test_it.py) `test_both` | passed (2 cases) |" in page
    assert "| kills | 3 |" in page
    assert "| races | 1 |" in page
    assert "FAILED" not in page


def test_a_promise_whose_test_fails(tmp_path: Path) -> None:
    code, said, page = run(tmp_path, HOLDING.replace("RESULT", "False"))
    assert code == 1
    assert "reliability: b: FAILED" in said
    assert "1 of 2 promises did not hold in this run: b." in page
    assert "`test_b` | **FAILED**: 1 failed |" in page


@pytest.mark.parametrize(
    "tests",
    [
        "import pytest\n@pytest.mark.promise('a')\ndef test_a(): pass\n",
        HOLDING.replace("assert RESULT", "import pytest; pytest.skip('no')").replace(
            '"a", "b"', '"a"'
        ),
    ],
    ids=["no test", "skipped"],
)
def test_a_promise_without_a_test(tmp_path: Path, tests: str) -> None:
    code, said, page = run(tmp_path, tests)
    assert code == 1, said
    assert "did not hold in this run: b." in page


def test_an_unknown_promise(tmp_path: Path) -> None:
    code, said, page = run(
        tmp_path, "import pytest\n@pytest.mark.promise('c')\ndef test_c(): pass\n"
    )
    assert code != 0
    assert "no such promise: {'c'}" in said
    assert "FAILED" in page


def test_each_promise_is_one_sentence() -> None:
    for promise in PROMISES.values():
        assert promise.sentence.endswith(".")
        assert "\n" not in promise.sentence
