"""CI runs every test: a skip that is not listed fails, and no variable selects a part of them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest
from support import skips
from support.users import ROOT

TESTS = """\
import pytest

@pytest.fixture
def engine():
    pytest.skip("no engine: it is off")

@pytest.mark.skipif(True, reason="no groff")
def test_marked():
    pass

def test_of_a_fixture(engine):
    pass

def test_that_passes():
    pass

@pytest.mark.xfail
def test_that_fails():
    assert False
"""
UNLISTED = {
    "ERROR test_it.py::test_marked - skipped: no groff",
    "ERROR test_it.py::test_of_a_fixture - skipped: no engine: it is off",
    "FAILED test_it.py::test_that_fails - skipped: expected to fail",
    "ERROR test_whole.py - skipped: could not import 'nothing_of_this_name'",
}
LISTED = """\
always  test_whole.py  could not import 'nothing_of_this_name'
always  test_it.py::test_marked     no groff
always  *::test_of_a_fixture  no engine: it is off
always  test_it.py::test_that_*  expected to fail
"""


def run(place: Path, listed: str) -> tuple[int, str]:
    """Run tests as in CI, with a list; return the exit code and the output."""
    (place / "conftest.py").write_text(
        f"import pathlib\nfrom support import skips\n"
        f"skips.LIST = pathlib.Path({str(place / 'skips.txt')!r})\n"
        "pytest_plugins = ['support.skips']\n"
    )
    (place / "pytest.ini").write_text("[pytest]\naddopts = -ra\n")
    (place / "test_it.py").write_text(TESTS)
    (place / "test_whole.py").write_text(
        "import pytest\npytest.importorskip('nothing_of_this_name', reason=\"could not import "
        "'nothing_of_this_name'\")\n"
    )
    (place / "skips.txt").write_text(listed)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--continue-on-collection-errors", str(place)],
        env={
            **os.environ,
            "PYTHONPATH": f"{ROOT}/tests:{ROOT}",
            "COLUMNS": "200",
            skips.NO_SKIPS: "1",
        },
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_a_skip_that_is_not_listed_fails_the_run(tmp_path: Path) -> None:
    code, said = run(tmp_path, "")
    assert code != 0, said
    lines = {line for line in said.splitlines() if line.startswith(("FAILED", "ERROR test"))}
    assert lines == UNLISTED
    assert "1 passed" in said


def test_a_skip_that_is_listed_with_its_reason_is_allowed(tmp_path: Path) -> None:
    code, said = run(tmp_path, LISTED)
    assert code == 0, said
    assert "1 passed, 3 skipped, 1 xfailed" in said


@pytest.mark.parametrize(
    ("test", "reason", "uid", "is_refused"),
    [
        ("a::test", "only root can", 1001, False),
        ("a::test", "only root can", 0, True),
        ("b::test", "only root can", 1001, True),
        ("a::test", "no groff", 1001, True),
    ],
)
def test_a_skip_is_refused_unless_when_test_and_reason_are_those_of_the_list(
    test: str,
    reason: str,
    uid: int,
    is_refused: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "skips.txt").write_text("# a comment\n\nuser  a::*  only root can\n")
    monkeypatch.setattr(skips, "LIST", tmp_path / "skips.txt")
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    monkeypatch.setenv(skips.NO_SKIPS, "1")
    assert skips.is_refused(test, reason) is is_refused
    monkeypatch.delenv(skips.NO_SKIPS)
    assert not skips.is_refused(test, reason)


def test_skips_of_bats_are_found_in_its_output() -> None:
    output = (
        "1..4\nok 1 one # two in 57ms # skip because of # it\nok 2 three # skip\n"
        "ok 3 four in 87ms\nnot ok 4 five in 2ms\n"
    )
    assert skips.skipped_by_bats(output) == {"one # two": "because of # it", "three": ""}


def test_the_list_names_tests_that_there_are() -> None:
    for skip in skips.parse(skips.LIST.read_text()):
        assert [*ROOT.glob(skip.tests.partition("::")[0])], skip
        assert skip.reason


def test_ci_runs_everything_whatever_the_environment_selects(tmp_path: Path) -> None:
    make = tmp_path / "make"
    make.write_text('#!/bin/sh\necho "make $*"; env\n')
    make.chmod(0o755)
    script = tmp_path / ".ci/run"  # a copy: it changes to its tree, where it starts more
    script.parent.mkdir()
    shutil.copy(ROOT / ".ci/run", script)
    selecting = ("PYTEST_ARGS", "PYTEST_ADDOPTS", "IMAGES", "MAKEFLAGS", "ALSO")
    done = subprocess.run(
        [script],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", **dict.fromkeys(selecting, "--co")},
        capture_output=True,
        text=True,
        check=True,
    )
    targets = [line for line in done.stdout.splitlines() if line.startswith("make ")]
    assert targets == ["make lint", "make test ALSO=newest"]
    assert "--co" not in done.stdout


def test_pytest_looks_for_tests_in_every_directory_that_has_some(
    pytestconfig: pytest.Config,
) -> None:
    ignored = pytestconfig.getini("norecursedirs")
    for file in (ROOT / "tests").rglob("test_*.py"):
        for directory in file.relative_to(ROOT).parts[:-1]:
            assert not any(fnmatch(directory, each) for each in ignored), file
