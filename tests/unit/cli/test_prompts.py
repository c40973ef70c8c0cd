"""Questions on the terminal."""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from collections.abc import Callable

import pytest
from support.accounts import PASSWD, THESIS_LABELS
from support.fakes.engine import FakeContainer, FakeEngine
from support.fakes.slurm import FakeSlurm
from support.questions import have_answers
from support.run_command import call

import mlc_patched
from mlc_patched.cli import prompts
from mlc_patched.cluster.slurm import scheduler
from mlc_patched.context import Context
from mlc_patched.errors import (
    DeclinedError,
    EngineError,
    InvalidValueError,
    MlcError,
    NotFoundError,
    UsageError,
)
from mlc_patched.settings.model import SLURM, Settings

Answer = Callable[..., io.StringIO]


def test_a_question_is_asked_until_its_answer_is_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    have_answers(monkeypatch, "", "maybe", "YES", "n")
    assert prompts.ask_yes_no("Sure?", False) is False
    assert prompts.ask_yes_no("Sure?", False) is True
    assert prompts.ask_yes_no("Sure?", True) is False
    have_answers(monkeypatch, "0", "4", "x", "2", "", "b")
    assert prompts.ask_choice("Which?", ["a", "b", "c"]) == 1
    assert prompts.ask_choice("Which?", ["a", "b"], default=0) == 0
    assert prompts.ask_choice("Which?", ["a", "b"]) == 1

    def check(text: str) -> None:
        if text == "bad":
            raise UsageError("not that")

    have_answers(monkeypatch, "", "bad", "good", "")
    assert prompts.ask_text("Name", check=check) == "good"
    assert prompts.ask_text("Name", "default") == "default"


def test_an_input_that_ends_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    have_answers(monkeypatch)
    with pytest.raises(MlcError, match="input ended"):
        prompts.ask_yes_no("Sure?", True)


def test_a_failing_engine_is_no_wrong_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    have_answers(monkeypatch, "a", "b")

    def check(text: str) -> None:
        raise EngineError("away")

    with pytest.raises(EngineError, match="away"):
        prompts.ask_text("Name", check=check)


def test_ctrl_c_at_a_question_ends_the_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(prompt: str) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("builtins.input", interrupt)
    with pytest.raises(KeyboardInterrupt):
        prompts.ask_yes_no("Sure?", True)
    assert capsys.readouterr().out == "\n"


def test_a_file_or_pipe_has_answers_and_a_stream_of_python_s_has_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nothing = argparse.Namespace()
    have_answers(monkeypatch, "y")
    assert not prompts.may_ask(nothing, piped=True)
    with tempfile.TemporaryFile("w+") as file:
        monkeypatch.setattr(sys, "stdin", file)
        assert prompts.may_ask(nothing, piped=True)
        assert not prompts.may_ask(nothing)
        assert not prompts.may_ask(argparse.Namespace(json=True), piped=True)
        assert not prompts.may_ask(argparse.Namespace(script=True), "script", piped=True)


def confirmed(**more: object) -> None:
    prompts.confirm(argparse.Namespace(), "Sure?", **more)  # type: ignore[arg-type]


def test_a_confirmation_is_a_yes_or_an_error(answer: Answer) -> None:
    answer("y", "n", "")
    confirmed()
    for _ in range(2):
        with pytest.raises(DeclinedError, match="Nothing was done"):
            confirmed()
    answer()
    with pytest.raises(MlcError, match="input ended"):
        confirmed(default=True)
    for flag in ("force", "yes", "script"):
        prompts.confirm(argparse.Namespace(**{flag: True}), "Sure?")


def test_where_nobody_can_be_asked_the_default_or_an_error_decides(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    have_answers(monkeypatch)
    confirmed(default=True)
    confirmed(unattended=True)
    for more in ({}, {"default": True, "unattended": False}):
        with pytest.raises(UsageError, match=r"Sure\? Cannot prompt .* pass -y"):
            confirmed(flag="-y", **more)
    monkeypatch.setattr(prompts, "_has_piped_answers", lambda: True)
    with pytest.raises(UsageError, match="pass -f"):
        confirmed(piped=True)  # the pipe is empty


def test_a_yes_that_is_missing_with_json_or_q_is_not_put_down_to_the_terminal(
    answer: Answer,
) -> None:
    for given, why in (({"json": True}, "--json"), ({"quiet": True}, "-q")):
        with pytest.raises(UsageError) as caught:
            prompts.confirm(argparse.Namespace(**given), "Sure?", flag="-y")
        assert str(caught.value) == f"Sure? Cannot prompt with {why}; pass -y to confirm."


def chosen(context: Context, name: str | None = None, verb: str = "stop", **more: bool) -> str:
    flags = {"script": False, "force": False, **more}
    running = flags.pop("running", None)
    arguments = argparse.Namespace(container_name=name, **flags)
    return prompts.choose_container(arguments, context, verb, running=running)


def test_a_container_is_chosen_by_its_number_or_name(
    it: FakeContainer, context: Context, answer: Answer, capsys: pytest.CaptureFixture[str]
) -> None:
    mlc_patched.create("other", image="ds01-1001/p:latest", context=context)
    mlc_patched.start("other", context=context)
    answer("2", "it", "1")
    assert chosen(context) == "it"
    assert chosen(context) == "it"
    assert chosen(context, running=True) == "other"
    shown = capsys.readouterr().out
    assert "1) other" in shown
    assert "2) it" in shown
    assert "Which one to stop?" in shown
    mlc_patched.stop("other", context=context)
    with pytest.raises(NotFoundError, match="You have no running container"):
        chosen(context, running=True)


def test_a_wrong_name_leads_to_the_menu_on_a_terminal_only(
    it: FakeContainer, context: Context, answer: Answer, capsys: pytest.CaptureFixture[str]
) -> None:
    answer("1", "1")
    assert chosen(context, "ti") == "it"
    assert "You have no container 'ti'." in capsys.readouterr().out
    assert chosen(context, "no/name") == "it"
    assert chosen(context, "it") == "it"
    assert chosen(context, "ti", script=True) == "ti"
    assert chosen(context, "ti", force=True) == "ti"


def test_without_a_name_and_a_terminal_the_use_is_shown(
    it: FakeContainer, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    have_answers(monkeypatch)
    with pytest.raises(InvalidValueError, match="mlc stop NAME"):
        chosen(context)
    assert chosen(context, "ti") == "ti"


def test_what_runs_on_the_cluster_is_no_wrong_name(
    context: Context, fake: FakeEngine, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "call", FakeSlurm().call)
    context.__dict__["settings"] = Settings(cluster_engine=SLURM)
    fake.add_image("ds01-1001/thesis", THESIS_LABELS, PASSWD)
    argv = ["mlc", "run", "thesis", "-q", "--", "true"]
    assert call(argv, context).out == "1\n"
    answer()
    assert chosen(context, "thesis-run-1", "start") == "thesis-run-1"
    with pytest.raises(NotFoundError, match="You have no container"):
        chosen(context, "thesis-run-2", "start")


def test_a_project_is_chosen_from_those_there_are(
    context: Context, fake: FakeEngine, answer: Answer
) -> None:
    nothing = argparse.Namespace()
    answer("2")
    with pytest.raises(NotFoundError, match="Create one with: image-create"):
        prompts.choose_project(nothing, context, "update")
    for name in ("paper", "thesis"):
        fake.add_image(f"ds01-1001/{name}", {**THESIS_LABELS, "aime.mlc.DS01_PROJECT": name})
    assert prompts.choose_project(nothing, context, "update") == "thesis"
    with pytest.raises(UsageError, match="image-update PROJECT"):
        prompts.choose_project(argparse.Namespace(yes=True), context, "update")


@pytest.mark.parametrize(
    ("line", "argument"),
    [
        ("mlc stop", "NAME"),
        ("container-stop", "NAME"),
        ("container-start", "NAME"),
        ("container-open", "NAME"),
        ("container-attach", "NAME"),
        ("container-remove", "NAME"),
        ("image-retire", "PROJECT"),
        ("image-delete", "PROJECT"),
        ("image-push", "PROJECT"),
    ],
)
def test_a_missing_name_is_asked_for_with_the_command_that_was_typed(
    line: str, argument: str, context: Context
) -> None:
    outcome = call(line.split(), context)
    assert outcome.last.endswith(f"? Use: {line} {argument}")
