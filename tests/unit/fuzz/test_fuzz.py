"""Every fuzzing harness, on the inputs that once failed and on new ones.

In `make test` hypothesis makes the new ones; in the reliability run atheris does, led by what
the parsers execute. `make fuzz` runs atheris for longer.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.reliability import Counted, is_full
from support.users import ROOT

PLACE = ROOT / "tests/fuzz"

from fuzz import CORPUS, one  # noqa: E402
from harnesses import HARNESSES, starting_nothing  # noqa: E402
from words import WORDS  # noqa: E402

SECONDS = 2
each_harness = pytest.mark.parametrize("name", HARNESSES)
inputs = st.one_of(
    st.binary(max_size=300),
    st.lists(st.sampled_from(WORDS) | st.binary(max_size=3), max_size=25).map(b"".join),
)


@pytest.mark.promise("no-crash", "no-command")
@each_harness
def test_inputs_that_once_failed_no_longer_fail(name: str, counted: Counted) -> None:
    for file in sorted((CORPUS / name).glob("*")):
        HARNESSES[name](file.read_bytes())
        counted("inputs")


@pytest.mark.promise("no-crash", "no-command")
@each_harness
@settings(
    max_examples=60,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[*HealthCheck],
)
@given(data=inputs)
def test_new_inputs_do_not_fail(name: str, data: bytes) -> None:
    HARNESSES[name](data)


if is_full():  # atheris is installed by `make reliability` and `make fuzz`, not for `make test`

    @pytest.mark.promise("no-crash", "no-command")
    @pytest.mark.timeout(300)
    @each_harness
    def test_inputs_led_by_coverage(name: str, counted: Counted, tmp_path: Path) -> None:
        runs, fault = one(name, SECONDS, tmp_path)
        assert not fault, fault
        assert runs > 0
        counted("fuzz executions", runs)


def test_an_input_that_starts_a_program_fails() -> None:
    run = starting_nothing(lambda data: subprocess.run([b"echo", data], check=True) and None)
    with pytest.raises(AssertionError, match=r"subprocess\.Popen.*a name"):
        run(b"a name")


def test_the_corpus_is_of_harnesses_that_there_are() -> None:
    assert {each.name for each in CORPUS.iterdir()} <= set(HARNESSES)
