"""create in either flow: what it asks, what it refuses, and what it leaves."""

from __future__ import annotations

import shlex
from functools import partial

import pytest
from support.base_images import BASE
from support.engine_state import container_names, docker, inspect, nothing_left
from support.users import User

pytestmark = pytest.mark.real_engine

MLC = "bin/mlc"


def test_only_what_is_missing_is_asked_for(alice: User) -> None:
    child = alice.spawn(alice.tree / MLC, "create", "half", "tensorflow")
    child.expect(r"1\) 2\.16\.1")
    child.sendline("1")
    child.expect(r"Create the container half from tensorflow 2\.16\.1\? \(Y/n\)")
    child.sendline("y")
    child.expect(r"\[half\] ready")
    child.wait()
    assert child.exitstatus == 0
    labels = inspect(alice.tag("half"))["Config"]["Labels"]
    assert labels["aime.mlc.FRAMEWORK"] == "Tensorflow-2.16.1"


def test_script_mode_asks_nothing_on_a_terminal(alice: User) -> None:
    with nothing_left():
        child = alice.spawn(alice.tree / MLC, "create", "half", "-s")
        child.expect("Missing: a framework and a version")
        child.wait()
        assert child.exitstatus == 1


@pytest.mark.parametrize("key", ["\x04", "\x03"], ids=["end of input", "Ctrl-C"])
def test_a_question_can_be_cancelled(alice: User, key: str) -> None:
    with nothing_left():
        child = alice.spawn(alice.tree / MLC, "create", "left", "Pytorch", "2.8.0", NO_COLOR="1")
        child.expect(r"\(Y/n\)")
        child.send(key)
        child.expect(r"\nError: (The input ended|Interrupted)")
        child.wait()
        assert child.exitstatus == (130 if key == "\x03" else 1)


def test_a_missing_value_without_an_answer_is_a_usage_error(user: User) -> None:
    with nothing_left():
        done = user.mlc("create", "half")
        assert done.returncode == 2
        assert "The input ended before the question was answered" in done.stderr


def test_answers_are_read_from_a_pipe(alice: User) -> None:
    with nothing_left():
        assert alice.mlc("create", "half", stdin="1\n1\nn\n").returncode == 1
    done = alice.mlc("create", "half", stdin="1\n1\ny\n")
    assert done.returncode == 0, done.stderr
    assert inspect(alice.tag("half"))["Config"]["Labels"]["aime.mlc.FRAMEWORK"] == "Pytorch-2.8.0"


def test_no_terminal_and_nothing_missing_needs_no_script_mode(alice: User, labelled) -> None:
    done = alice.mlc("create", "it", "--image", labelled(alice))
    assert done.returncode == 0, done.stderr


@pytest.mark.this_host
def test_the_spellings_of_aimes_first_version(alice: User, labelled) -> None:
    image = labelled(alice)
    alice.file("my data/")
    done = alice.run(
        *(alice.tree / "bin/mlc-create", "old", "Pytorch", "2.8.0", f"-w={alice.workspace}"),
        *(f"-d={alice.home}/my data", "-g=device=0,1", "-Y", "--image", image),
    )
    assert done.returncode == 0, done.stderr
    found = inspect(alice.tag("old"))
    assert f"{alice.home}/my data:/data" in found["HostConfig"]["Binds"]
    assert found["HostConfig"]["DeviceRequests"][0]["DeviceIDs"] == ["0", "1"]


def test_yes_answers_the_question_on_a_terminal(alice: User, labelled) -> None:
    image = labelled(alice)
    child = alice.spawn(alice.tree / "bin/mlc-create", "yes", "--image", image, "-Y")
    child.expect(r"\[yes\] ready")
    child.wait()
    assert child.exitstatus == 0


def test_info_shows_the_catalog_for_the_architecture(alice: User) -> None:
    shown = alice.mlc("create", "--info")
    assert shown.returncode == 0
    lines = shown.stdout.splitlines()
    assert lines[0] == "Architectures: CUDA_ADA, CUDA_AMPERE, ROCM6"
    assert [line.split(None, 1) for line in lines[3:]] == [
        ["Pytorch", "2.8.0, 2.7.1"],
        ["Tensorflow", "2.16.1"],
        ["Bare", "1.0"],
        ["Absent", "1.0"],
    ]
    rocm = alice.mlc("create", "-i", "-arch", "ROCM6").stdout
    assert "2.6.0" in rocm
    assert "Tensorflow" not in rocm


here = partial(pytest.param, marks=pytest.mark.this_host)
REFUSED = {
    "a name with #": ("create a#b Pytorch 2.8.0", 1, "'#', which Docker does not allow"),
    "a name with a slash": ("create a/b Pytorch 2.8.0", 1, "not a valid container name"),
    "a long name": (f"create {'a' * 200} Pytorch 2.8.0", 1, "200 characters"),
    "no such framework": ("create it Caffe 1", 1, "There is no framework Caffe"),
    "no such version": ("create it Pytorch 9", 1, "Available: 2.8.0, 2.7.1"),
    "not for the architecture": ("create it Pytorch 2.6.0", 1, "no Pytorch 2.6.0 for CUDA_ADA"),
    "no such architecture": ("create it Pytorch 2.8.0 -arch VAX", 1, "'VAX' is unknown"),
    "GPUs that are none": ("create it Pytorch 2.8.0 -g many", 2, "'many' is not understood"),
    "no such workspace": ("create it Pytorch 2.8.0 -w /no/where", 1, "mkdir -p /no/where"),
    "no such data": here("create it Pytorch 2.8.0 -d /no/where", 1, "data directory /no/where"),
    "no such models": here("create it Pytorch 2.8.0 -m /no/where", 1, "models directory /no/where"),
    "a file as workspace": here("create it Pytorch 2.8.0 -w /etc/passwd", 1, "not a directory"),
    "an unknown flag": ("create it Pytorch 2.8.0 --bogus", 2, "--bogus"),
    "an empty name": ("create '' Pytorch 2.8.0", 1, "The name is empty. Use: mlc create NAME"),
    "two words alone": ("create Pytorch 2.8.0", 1, "Missing: a version"),
}


@pytest.mark.parametrize(("line", "status", "words"), REFUSED.values(), ids=REFUSED)
def test_invalid_requests_leave_nothing(alice: User, line: str, status: int, words: str) -> None:
    with nothing_left():
        done = alice.mlc(*shlex.split(line), "-s")
        assert (done.returncode, done.stdout) == (status, "")
        assert words in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("flow", ["old", "labelled"])
def test_a_name_in_use_is_refused_and_the_container_stays(user: User, labelled, flow) -> None:
    how = ["--image", labelled(user)] if flow == "labelled" else ["Pytorch", "2.8.0"]
    assert user.mlc("create", "it", *how, "-s").returncode == 0
    first = inspect(user.tag("it"))
    with nothing_left():
        done = user.mlc("create", "it", *how, "-s")
        assert done.returncode == 1
        assert "You have a container 'it' already" in done.stderr.splitlines()[-1]
    assert inspect(user.tag("it"))["Id"] == first["Id"]
    docker("image", "inspect", first["Config"]["Image"])


def test_two_users_may_use_one_name(alice: User, ldap_user: User, labelled) -> None:
    for user in (alice, ldap_user):
        done = user.mlc("create", "same", "--image", labelled(user), "-s")
        assert done.returncode == 0, done.stderr
    assert {alice.tag("same"), ldap_user.tag("same")} <= container_names()


@pytest.mark.this_host
def test_a_relative_workspace_is_made_absolute(alice: User, labelled) -> None:
    image = labelled(alice)
    alice.file("here/below/")
    done = alice.mlc(
        *("create", "it", "--image", image, "-s", "-w", "below", "-d", "~/here"),
        cwd=alice.home / "here",
    )
    assert done.returncode == 0, done.stderr
    labels = inspect(alice.tag("it"))["Config"]["Labels"]
    assert labels["aime.mlc.WORK_MOUNT"] == f"{alice.home}/here/below"
    assert labels["aime.mlc.DATA_MOUNT"] == f"{alice.home}/here"


@pytest.mark.this_host
def test_a_missing_default_workspace_is_created(user: User, labelled) -> None:
    image = labelled(user)
    user.workspace.rename(user.home / "moved")
    try:
        assert user.mlc("create", "it", "--image", image, "-s").returncode == 0
        made = user.workspace.stat()
        assert (made.st_uid, made.st_gid) == (user.uid, user.gid)
        user.workspace.rmdir()
    finally:
        (user.home / "moved").rename(user.workspace)


def test_the_last_line_says_that_no_engine_answers(alice: User) -> None:
    done = alice.mlc("create", "it", "--image", BASE, "-s", DOCKER_HOST="unix:///no/socket")
    assert done.returncode == 1
    assert "No Docker Engine answers" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
