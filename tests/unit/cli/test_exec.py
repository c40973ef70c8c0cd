"""mlc exec: a program's words, output and exit status are as the user typed them."""

from __future__ import annotations

import pytest
from support.fakes.engine import FakeContainer
from support.run_command import call

import mlc_patched
from mlc_patched.context import Context
from mlc_patched.errors import UsageError


def test_a_program_gets_its_words_and_gives_its_exit_status(
    it: FakeContainer, context: Context, client: None, capfd: pytest.CaptureFixture[str]
) -> None:
    script = 'printf "%s\\n" "$0" "$@"; exit 5'
    done = call(["mlc", "exec", "it", "--", "sh", "-c", script, "a  b", "--json", "*"], context)
    assert (done.code, done.out) == (5, "")
    assert capfd.readouterr().out == "a  b\n--json\n*\n"
    assert it.state == "running"


@pytest.mark.parametrize("words", [[], ["it"], ["it", "--"]])
def test_without_a_program_nothing_is_started(
    it: FakeContainer, context: Context, words: list[str]
) -> None:
    done = call(["mlc", "exec", *words], context)
    assert (done.code, "mlc exec NAME -- COMMAND" in done.last) == (2, True)
    assert it.state == "created"


def test_the_api_refuses_what_cannot_be_passed_to_a_command(
    it: FakeContainer, context: Context, client: None
) -> None:
    with pytest.raises(UsageError, match="too long"):
        mlc_patched.run("it", ["echo", "x" * 200_000], context=context)
    with pytest.raises(UsageError, match="no UTF-8 text has"):
        mlc_patched.run("it", ["cat"], input="\ud800", context=context)
