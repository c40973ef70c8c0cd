"""start: a container runs again, with or without a command in it."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from support.account_in_container import close_terminal, run, state
from support.devices import devices
from support.engine_state import docker, inspect
from support.reliability import Counted
from support.users import User

pytestmark = pytest.mark.real_engine


@pytest.fixture
def it(user: User, labelled) -> User:
    """A user with the container `it`."""
    done = user.mlc("create", "it", "--image", labelled(user), "-s")
    assert done.returncode == 0, done.stderr
    return user


@pytest.fixture
def alices(alice: User, labelled) -> User:
    """The everyday user with the container `it`."""
    done = alice.mlc("create", "it", "--image", labelled(alice), "-s")
    assert done.returncode == 0, done.stderr
    return alice


def test_it_runs_and_goes_on_running(it: User) -> None:
    done = it.mlc("start", "it", "-s")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[it] started. Open a shell with: mlc open it\n"
    assert state(it) == "running"
    again = it.mlc("start", "it")
    assert again.returncode == 0
    assert "is already running" in again.stdout


def test_a_command_runs_as_the_user_in_the_workspace(it: User) -> None:
    line = "id -u; id -g; pwd; echo \"a  b\" '$HOME'; echo to-error >&2"
    done = it.mlc("start", "it", line)
    assert done.returncode == 0
    assert done.stdout.splitlines() == [str(it.uid), str(it.gid), "/workspace", "a  b $HOME"]
    assert "to-error" in done.stderr.splitlines()
    assert state(it) == "running"


@pytest.mark.parametrize(("line", "status"), [("exit 7", 7), ("kill -9 $$", 137), ("nope", 127)])
def test_the_exit_status_is_passed_on(alices: User, line: str, status: int) -> None:
    assert alices.mlc("start", "it", line, "-s").returncode == status


def test_input_reaches_the_command(alices: User) -> None:
    assert alices.mlc("start", "it", "tr a-z A-Z", stdin="shout\n").stdout == "SHOUT\n"


def test_variables_are_passed_on(alices: User) -> None:
    line = "echo $DISPLAY $NCCL_P2P_LEVEL ${SECRET-none}"
    done = alices.mlc("start", "it", line, DISPLAY=":7", NCCL_P2P_LEVEL="NVL", SECRET="x")
    assert done.stdout.split() == [":7", "NVL", "none"]


def test_a_detached_command_is_left_to_itself(it: User) -> None:
    done = it.mlc("start", "it", "-d", "sleep 1000")
    assert done.returncode == 0, done.stderr
    assert "in the background" in done.stdout
    last = docker("top", it.tag("it"), "-eo", "uid,pid,args").splitlines()[-1].split(None, 2)
    assert (last[0], last[2]) == (str(it.uid), "sleep 1000")


def test_detach_without_a_command_just_starts(alices: User) -> None:
    assert alices.mlc("start", "it", "-d").returncode == 0
    assert state(alices) == "running"


def test_stop_and_remove_right_after_a_start_do_not_race_it(it: User) -> None:
    for verb in ("start", "stop", "start", "stop", "remove"):
        done = it.mlc(verb, "it", "-s")
        assert done.returncode == 0, done.stderr
    assert docker("ps", "-aq", "--filter", f"name=^/{it.tag('it')}$") == ""


def test_ctrl_c_ends_the_command_and_not_the_container(alices: User) -> None:
    child = alices.spawn(alices.tree / "bin/mlc", "start", "it", "echo go; sleep 1000")
    child.expect("go")
    child.sendintr()
    child.wait()
    assert child.exitstatus == 130
    assert state(alices) == "running"


@pytest.mark.promise("terminal")
def test_a_command_goes_on_when_its_terminal_closes(alices: User, counted: Counted) -> None:
    """Closing a laptop does not end a training of days, whatever it writes afterwards."""
    go, done = alices.workspace / "go", alices.workspace / "done"
    line = "echo begun; until [ -e go ]; do sleep 0.1; done; seq 100000 && echo $? >done"
    child = alices.spawn(alices.tree / "bin/mlc", "start", "it", line)
    child.expect("begun")
    close_terminal(child)
    counted("terminals closed")
    eventually(lambda: not child.isalive())
    try:
        go.touch()
        eventually(lambda: done.is_file() and done.read_text() == "0\n")
        assert state(alices) == "running"
    finally:
        for path in (go, done):
            path.unlink(missing_ok=True)


def eventually(true: Callable[[], bool]) -> None:
    """Wait for something to come true."""
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_missing_container_is_a_failure(alice: User) -> None:
    done = alice.mlc("start", "it", "-s")
    assert (done.returncode, done.stdout) == (1, "")
    assert "You have no container 'it'" in done.stderr


def test_no_name_is_asked_for_on_a_terminal_only(alices: User) -> None:
    assert alices.mlc("start").returncode == 2  # no answer in the pipe
    child = alices.spawn(alices.tree / "bin/mlc", "start")
    child.expect(r"1\) it.*Which one to start")
    child.sendline("it")
    child.expect("started")
    child.wait()
    assert child.exitstatus == 0


def test_a_container_that_cannot_start_says_why(alice: User, labelled) -> None:
    image = labelled(alice)
    container = docker("create", image)
    try:
        docker("commit", '--change=ENTRYPOINT ["/not/there"]', container, image)
    finally:
        docker("rm", container)
    assert alice.mlc("create", "it", "--image", image, "-s").returncode == 0
    done = alice.mlc("start", "it", "-s")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"Error: The container {alice.tag('it')} cannot be started" in done.stderr
    assert "/not/there" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.this_host
def test_existing_devices_are_passed(alice: User, labelled) -> None:
    image = labelled(alice)
    with devices("/dev/video0", "/dev/snd"):
        assert alice.mlc("create", "it", "--image", image, "-s").returncode == 0
        host = inspect(alice.tag("it"))["HostConfig"]
        assert [each["PathOnHost"] for each in host["Devices"]] == ["/dev/snd", "/dev/video0"]
        assert run(alice, "ls /dev/snd/seq /dev/video0").split() == ["/dev/snd/seq", "/dev/video0"]


def test_rocm_devices_belong_to_the_group_video(alice: User, labelled) -> None:
    image = labelled(alice)
    with devices("/dev/kfd", "/dev/dri"):
        done = alice.mlc("create", "it", "--image", image, "-s", MLC_ARCH="ROCM6")
        assert done.returncode == 0, done.stderr
        assert run(alice, "echo $ROCM_PATH") == "/opt/rocm"
        owners = ""
        for _ in range(40):
            owners = run(alice, "stat -c %U:%G /dev/kfd /dev/dri /dev/dri/renderD128")
            if owners.split() == ["root:video"] * 3:
                break
            time.sleep(0.05)
        assert owners.split() == ["root:video"] * 3
