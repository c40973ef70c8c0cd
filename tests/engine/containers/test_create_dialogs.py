"""The create dialog takes AIME's answers, and ends with the container that AIME's makes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import pytest
from support.engine_state import container_names, docker, inspect, nothing_left
from support.users import User

pytestmark = pytest.mark.real_engine

FRAMEWORK = (r"1\) Pytorch.*Which one\? \(1-\d\): ", "1")
VERSION = (r"1\) 2\.8\.0.*Which one\? \(1-2\) \[1\]: ", "1")
NAME = ("Name of the container: ", "it")
KEEP = (r"Keep the current workspace directory .*\(Y/n\): ", "")
OTHER = (r"Keep the current workspace directory .*\(Y/n\): ", "n")
NO_DATA = (r"data directory\? \(y/N\): ", "")
DATA = (r"data directory\? \(y/N\): ", "y")
NO_MODELS = (r"models directory\? \(y/N\): ", "n")
MODELS = (r"models directory\? \(y/N\): ", "y")
YES = (r"Create the container it from Pytorch 2\.8\.0\? \(Y/n\): ", "y")
MENUS = (FRAMEWORK, VERSION, NAME)


def path(what: str, answer: str) -> tuple[str, str]:
    return rf"Path of the {what} directory: ", answer


@dataclass(frozen=True)
class Dialog:
    """A command line, the questions with their answers, and the mounts of the container."""

    line: str
    steps: tuple[tuple[str, str], ...]
    workspace: str = "~/workspace"
    data: str = "-"
    models: str = "-"


here = partial(pytest.param, marks=pytest.mark.this_host)
DIALOGS = {
    "defaults": Dialog("", (*MENUS, KEEP, NO_DATA, NO_MODELS, YES)),
    "Enter creates": Dialog("", (*MENUS, KEEP, NO_DATA, NO_MODELS, (YES[0], ""))),
    "another workspace": Dialog(
        "", (*MENUS, OTHER, path("workspace", "~/mine"), NO_DATA, NO_MODELS, YES), "~/mine"
    ),
    "data": Dialog("", (*MENUS, KEEP, DATA, path("data", "~/mine"), NO_MODELS, YES), data="~/mine"),
    "models": Dialog(
        "", (*MENUS, KEEP, NO_DATA, MODELS, path("models", "~/mine"), YES), models="~/mine"
    ),
    "everything": Dialog(
        "",
        (
            *(*MENUS, OTHER, path("workspace", "~/mine"), DATA, path("data", "~/mine")),
            *(MODELS, path("models", "~/mine"), YES),
        ),
        *("~/mine", "~/mine", "~/mine"),
    ),
    "a wrong path is asked for again": here(
        Dialog(
            "",
            (
                *(*MENUS, OTHER, path("workspace", "/no/where")),
                ("does not exist.*Path of the workspace directory: ", "~/mine"),
                *(NO_DATA, NO_MODELS, YES),
            ),
            "~/mine",
        )
    ),
    "a wrong number is asked for again": Dialog(
        "",
        (
            *((FRAMEWORK[0], "7"), ("number from 1.*: ", "1")),
            *(VERSION, NAME, KEEP, NO_DATA, NO_MODELS, YES),
        ),
    ),
    "a wrong name is asked for again": Dialog(
        "",
        (
            *(FRAMEWORK, VERSION, (NAME[0], "a name")),
            ("not a valid container name.*Name of the container: ", "it"),
            *(KEEP, NO_DATA, NO_MODELS, YES),
        ),
    ),
    "a name only": Dialog("it", (FRAMEWORK, VERSION, YES)),
    "name and framework": Dialog("it Pytorch", (VERSION, YES)),
    "all given": Dialog("it Pytorch 2.8.0", (YES,)),
    "a wrong framework": Dialog(
        "it Caffe 2.8.0", (("no framework 'Caffe'.*" + FRAMEWORK[0], "1"), YES)
    ),
    "a wrong version": Dialog("it Pytorch 9", (("no Pytorch 9.*" + VERSION[0], "1"), YES)),
    "a wrong name": Dialog(
        "a#b Pytorch 2.8.0", (("'#', which Docker.*Name of the container: ", "it"), YES)
    ),
    "a wrong workspace": here(
        Dialog(
            "it Pytorch 2.8.0 -w /no/where",
            (("does not exist.*Path of the workspace directory: ", "~/mine"), YES),
            "~/mine",
        )
    ),
    "a wrong architecture": Dialog(
        "it Pytorch 2.8.0 -arch VAX", ((r"'VAX' is unknown.*1\) CUDA_ADA.*: ", "1"), YES)
    ),
}


@pytest.mark.parametrize("dialog", DIALOGS.values(), ids=DIALOGS)
def test_a_dialog_ends_with_its_container(alice: User, dialog: Dialog) -> None:
    alice.file("mine/")
    child = alice.spawn(alice.tree / "bin/mlc", "create", *dialog.line.split(), timeout=60)
    for question, answer in dialog.steps:
        child.expect(question)
        child.sendline(answer)
    child.expect(r"\[it\] ready")
    child.wait()
    assert child.exitstatus == 0
    labels = inspect(alice.tag("it"))["Config"]["Labels"]
    assert labels["aime.mlc.FRAMEWORK"] == "Pytorch-2.8.0"
    assert labels["aime.mlc.ARCH"] == "CUDA_ADA"
    found = [labels[f"aime.mlc.{which}_MOUNT"] for which in ("WORK", "DATA", "MODELS")]
    wanted = (dialog.workspace, dialog.data, dialog.models)
    assert found == [each.replace("~", str(alice.home)) for each in wanted]


def test_a_name_in_use_is_asked_for_again(alice: User, labelled) -> None:
    assert alice.mlc("create", "used", "--image", labelled(alice), "-s").returncode == 0
    child = alice.spawn(alice.tree / "bin/mlc", "create", "used", "Pytorch", "2.8.0", timeout=60)
    child.expect("You have a container 'used' already.*Name of the container: ")
    child.sendline("it")
    child.expect(YES[0])
    child.sendline("y")
    child.expect(r"\[it\] ready")
    child.wait()
    assert {alice.tag("used"), alice.tag("it")} <= container_names()


def test_the_whole_is_shown_before_the_last_question_and_no_creates_nothing(alice: User) -> None:
    with nothing_left():
        child = alice.spawn(alice.tree / "bin/mlc", "create", "it", "Pytorch", "2.8.0")
        child.expect("Container name: +it.*Framework: +Pytorch.*Version: +2.8.0")
        child.expect(r"Architecture: +CUDA_ADA.*Workspace:.*Data:.*Models:.*\(Y/n\): ")
        child.sendline("n")
        child.expect("Nothing was done")
        child.wait()
        assert child.exitstatus == 1
    assert docker("ps", "-aq", "--filter", f"name={alice.tag('it')}") == ""
