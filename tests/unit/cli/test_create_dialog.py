"""The questions of `mlc create`: AIME's, in AIME's order, with AIME's answers."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import pytest
from support.fakes.engine import FakeEngine
from support.questions import Questions

from mlc_patched.cli import create_dialog, prompts
from mlc_patched.containers.create import create
from mlc_patched.context import Context
from mlc_patched.errors import DeclinedError, InvalidValueError
from mlc_patched.host.hardware import Host
from mlc_patched.plan.request import CreateRequest

FULL = CreateRequest("new", "Pytorch", "2.8.0")
EMPTY = CreateRequest("", "", "")


class Dialog(Questions):
    """mlc create's request, completed with answers on a terminal, or from a pipe."""

    context: Context
    monkeypatch: pytest.MonkeyPatch

    def __call__(
        self,
        request: CreateRequest,
        *answers: str,
        terminal: bool = True,
        piped: bool = False,
        **flags: bool,
    ) -> CreateRequest:
        self.monkeypatch.setattr(prompts, "on_terminal", lambda: terminal)
        self.monkeypatch.setattr(prompts, "_has_piped_answers", lambda: piped)
        arguments = argparse.Namespace(**{"script": False, "yes": False, **flags})
        return self.answer(
            lambda: create_dialog.complete(request, arguments, self.context), *answers
        )


@pytest.fixture
def dialog(
    context: Context, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Dialog:
    made = Dialog(monkeypatch, capsys)
    made.context, made.monkeypatch = context, monkeypatch
    return made


def test_without_arguments_everything_is_asked(dialog: Dialog, tmp_path: Path) -> None:
    home = tmp_path / "home"
    for name in ("mine", "data", "models"):
        (home / name).mkdir()
    paths = [str(home / name) for name in ("mine", "data", "models")]
    answers = ("1", "2", "new", "n", paths[0], "y", paths[1], "yes", paths[2], "")
    made = dialog(EMPTY, *answers)
    assert (made.name, made.framework, made.version) == ("new", "Pytorch", "2.7.1")
    assert [made.workspace, made.data, made.models] == paths
    questions = [
        *("Frameworks:", "Versions of Pytorch, newest first:", "Name of the container"),
        *("Keep the current workspace directory", "Path of the workspace directory"),
        *("Mount a data directory?", "Path of the data directory"),
        *("Mount a models directory?", "Path of the models directory"),
        "Create the container new from Pytorch 2.7.1?",
    ]
    places = [dialog.shown.index(each) for each in questions]
    assert places == sorted(places)


def test_empty_answers_keep_the_workspace_and_mount_nothing(dialog: Dialog) -> None:
    made = dialog(EMPTY, "1", "", "new", "", "", "", "")
    assert (made.version, made.workspace, made.data, made.models) == ("2.8.0", None, None, None)


def test_directories_are_asked_for_only_if_nothing_was_given(dialog: Dialog) -> None:
    made = dialog(CreateRequest("new", "Pytorch", ""), "2", "")
    assert made == replace(FULL, version="2.7.1")
    assert "data directory?" not in dialog.shown


def test_a_complete_request_is_shown_and_confirmed(dialog: Dialog) -> None:
    assert dialog(FULL, "") == FULL
    for line in ("Container name:  new", "Architecture:    CUDA_ADA", "Data:            none"):
        assert f"  {line}\n" in dialog.shown
    assert "Image:" not in dialog.shown
    with pytest.raises(DeclinedError, match="Nothing was done"):
        dialog(FULL, "n")


@pytest.mark.parametrize(
    ("has_gpu", "gpus", "shown"),
    [
        (True, None, "unknown"),
        (True, "none", "CPU"),
        (False, "all", "unknown"),
        (False, None, "CPU"),
    ],
)
def test_an_unknown_architecture_is_called_cpu_only_without_gpus(
    dialog: Dialog, has_gpu: bool, gpus: str | None, shown: str
) -> None:
    dialog.context.environ = {}
    dialog.context.__dict__["host"] = Host(None, has_gpu, frozenset(), is_here=False)
    dialog(replace(FULL, gpus=gpus), "")
    assert f"  Architecture:    {shown}\n" in dialog.shown


def test_what_runs_without_a_question(dialog: Dialog) -> None:
    assert dialog(FULL, script=True) == FULL
    assert dialog(FULL, yes=True) == FULL
    assert dialog(FULL, terminal=False) == FULL
    assert dialog(FULL, terminal=False, piped=True) == FULL
    assert dialog.shown == ""


def test_what_is_missing_is_named_where_nobody_can_be_asked(dialog: Dialog) -> None:
    with pytest.raises(InvalidValueError, match="Missing: a framework and a version"):
        dialog(CreateRequest("new", "", ""), script=True)
    with pytest.raises(InvalidValueError, match="name, a framework and a version"):
        dialog(EMPTY, terminal=False)
    with pytest.raises(InvalidValueError, match=r"Missing: a version\."):
        dialog(replace(FULL, version=""), script=True)


def test_answers_from_a_pipe_complete_it(dialog: Dialog) -> None:
    made = dialog(CreateRequest("new", "Pytorch", ""), "1", "y", terminal=False, piped=True)
    assert made == FULL


def test_with_answers_from_a_pipe_nothing_of_the_command_line_is_asked_for_again(
    dialog: Dialog,
) -> None:
    request = CreateRequest("BAD/", "Pytorch", "")
    assert dialog(request, "1", "y", terminal=False, piped=True).name == "BAD/"
    request = replace(EMPTY, data="/nowhere")
    made = dialog(request, "1", "1", "new", "y", "n", "y", terminal=False, piped=True)
    assert made.data == "/nowhere"
    request = CreateRequest("", "Nothing", "1")
    made = dialog(request, "new", "y", terminal=False, piped=True)
    assert (made.framework, made.version) == ("Nothing", "1")
    request = CreateRequest("", "Pytorch", "9")
    assert dialog(request, "new", "y", terminal=False, piped=True).version == "9"


def test_what_is_wrong_on_the_command_line_is_asked_for_again(
    dialog: Dialog, fake: FakeEngine
) -> None:
    fake.add_image("mlc-test/base:bookworm")
    create(replace(FULL, name="taken"), dialog.context)
    request = CreateRequest("taken", "Pytorsh", "2", workspace="/nowhere", data="/nowhere")
    there = dialog.context.account.home
    made = dialog(request, "Pytorch", "1", "new", there, there, "y")
    assert made == replace(FULL, workspace=there, data=there)
    assert "There is no framework 'Pytorsh' for CUDA_ADA." in dialog.shown
    assert "There is no Pytorch 2 for CUDA_ADA." in dialog.shown
    assert "taken" in dialog.shown


def test_an_architecture_the_catalog_does_not_know_is_asked_for(dialog: Dialog) -> None:
    made = dialog(replace(FULL, architecture="CUDA_X"), "CUDA_AMPERE", "1", "y")
    assert (made.architecture, made.version) == ("CUDA_AMPERE", "2.7.1")
    assert "Architectures:" in dialog.shown
    with pytest.raises(InvalidValueError):
        request = replace(FULL, name="", architecture="CUDA_X")
        dialog(request, "new", terminal=False, piped=True)


def test_an_image_of_one_s_own_needs_no_framework(dialog: Dialog) -> None:
    made = dialog(CreateRequest("new", image="debian:12"), "y")
    assert made.image == "debian:12"
    assert "Image:           debian:12" in dialog.shown
    assert "Create the container new from debian:12?" in dialog.shown


def test_the_default_workspace_may_be_missing(dialog: Dialog, tmp_path: Path) -> None:
    (tmp_path / "home/workspace").rmdir()
    assert dialog(replace(FULL, workspace="~/workspace"), "").workspace is None
