"""mlc start on the command line: how a command ended, and what to do next."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from support.accounts import OWN
from support.fakes.engine import FakeContainer, FakeEngine
from support.fakes.jobs import record
from support.run_command import call

import mlc_patched
from mlc_patched.context import Context


def test_a_line_runs_in_bash_and_its_exit_status_is_passed_on(
    it: FakeContainer, context: Context, client: None, capfd: pytest.CaptureFixture[str]
) -> None:
    done = call(["mlc", "start", "it", "echo $((1 + 1)); exit 3"], context)
    assert (done.code, capfd.readouterr().out) == (3, "2\n")
    assert it.state == "running"


def test_a_second_container_that_was_meant_is_mentioned(
    it: FakeContainer, context: Context, client: None
) -> None:
    mlc_patched.create("other", image=OWN, context=context)
    done = call(["mlc", "start", "it", "other"], context)
    assert done.code == 127
    assert "mlc start --names it other" in done.err
    assert "--names" not in call(["mlc", "start", "it", "no-such-program"], context).err


def test_without_a_command_it_says_whether_it_ran(it: FakeContainer, context: Context) -> None:
    assert "[it] started." in call(["mlc", "start", "it"], context).out
    assert "[it] is already running." in call(["mlc", "start", "it"], context).out


def test_a_name_is_chosen_from_those_that_are_stopped(
    it: FakeContainer, context: Context, answer: Callable[..., object]
) -> None:
    mlc_patched.create("other", image=OWN, context=context)
    answer("2")
    done = call(["mlc", "start"], context)
    assert "Which one to start?" in done.out
    assert it.state == "running"


def test_a_job_that_goes_on_says_where_its_output_is(it: FakeContainer, context: Context) -> None:
    done = call(["mlc", "start", "it", "-d", "train"], context)
    assert (done.code, "[it] job 1 runs in the background: train" in done.out) == (0, True)
    assert "mlc logs it -f" in done.out


@pytest.mark.parametrize("status", [0, 3])
def test_a_job_that_ends_at_once_has_succeeded_or_failed(
    it: FakeContainer,
    fake: FakeEngine,
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
) -> None:
    real = fake.exec_run

    def end_while_watched(container: str, command: tuple[str, ...], user: str) -> tuple[int, str]:
        if "watch" in command:
            it.files |= record(1, "bash", "-c", "train", status=status)
        return real(container, command, user)

    monkeypatch.setattr(fake, "exec_run", end_while_watched)
    done = call(["mlc", "start", "it", "-d", "train"], context)
    assert done.code == status
    if status:
        assert "first\nlast\nThe command failed within a second: exit 3." in done.err
        assert done.last.endswith("mlc jobs it")
    else:
        assert "[it] job 1 has ended already: exit 0." in done.out


def test_several_are_started_and_what_cannot_be_said_together_is_refused(
    it: FakeContainer, context: Context
) -> None:
    mlc_patched.create("other", image=OWN, context=context)
    done = call(["mlc", "start", "--names", "it", "other", "it", "--json"], context)
    assert [each["name"] for each in json.loads(done.out)["started"]] == ["it", "other"]
    for words, message in (
        (["--all", "--names", "it"], "--all and --names exclude each other."),
        (["it", "--all"], "--all takes no name. Use: mlc start --all"),
        (["--all", "-d"], "--all takes no command. Use: mlc start --all"),
        (["--names", "it", "-d"], "--names takes no command. Use: mlc start --names NAME…"),
    ):
        done = call(["mlc", "start", *words], context)
        assert (done.code, done.last) == (2, f"Error: {message}")


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_an_empty_command_is_refused_in_the_background(
    it: FakeContainer, context: Context, more: list[str]
) -> None:
    """As of `mlc start NAME -d "$UNSET"`."""
    done = call(["mlc", "start", "it", "-d", "", *more], context)
    assert (done.code, "The command is empty." in done.err) == (2, True)
