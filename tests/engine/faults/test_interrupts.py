"""What a signal, a closed terminal or a race leaves behind: nothing half done."""

from __future__ import annotations

import signal
import subprocess
import time

import pytest
from support.account_in_container import close_terminal
from support.engine_proxy import Recording
from support.engine_state import container_names, docker, inspect, nothing_left
from support.reliability import Counted
from support.users import User

pytestmark = pytest.mark.real_engine

CREATORS = 20


@pytest.fixture
def slow_image(image_from) -> str:
    """An image in which the set-up takes long enough to be interrupted."""
    return image_from(
        "mv /usr/sbin/useradd /usr/sbin/useradd.real;"
        "printf '#!/bin/sh\\nsleep 60\\n' > /usr/sbin/useradd; chmod 755 /usr/sbin/useradd"
    )


def wait_for_set_up(user: User) -> str:
    """Wait until the user's set-up container runs; return its name."""
    for _ in range(200):
        names = docker("ps", "--format", "{{.Names}}", "--filter", f"name=mlc-setup-{user.uid}-")
        if names:
            return names
        time.sleep(0.05)
    raise AssertionError("no set-up container came to be")


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
)
def test_a_signal_in_the_set_up(
    user: User, slow_image: str, number: signal.Signals, status: int
) -> None:
    with nothing_left():
        command = user.start(user.tree / "bin/mlc", "create", "it", "--image", slow_image, "-s")
        wait_for_set_up(user)
        command.send_signal(number)
        output, _ = command.communicate(timeout=30)
        assert command.returncode == status, output
        assert "were rolled back" in output.splitlines()[-1]
        assert "ready" not in output


def test_ctrl_c_on_the_terminal(alice: User, slow_image: str) -> None:
    with nothing_left():
        child = alice.spawn(alice.tree / "bin/mlc", "create", "it", "--image", slow_image, "-s")
        wait_for_set_up(alice)
        child.sendintr()
        child.sendintr()  # an impatient second one must not cut the cleaning short
        child.expect("Interrupted")
        child.wait()
        assert child.exitstatus == 130


@pytest.mark.promise("terminal")
def test_a_closed_terminal(alice: User, slow_image: str, counted: Counted) -> None:
    counted("terminals closed")
    with nothing_left():
        child = alice.spawn(alice.tree / "bin/mlc", "create", "it", "--image", slow_image, "-s")
        wait_for_set_up(alice)
        close_terminal(child)
        for _ in range(200):
            if not child.isalive():
                break
            time.sleep(0.05)
        assert not child.isalive()


@pytest.mark.parametrize("call", ["POST /commit", "POST /containers/create.*it"])
def test_a_signal_while_the_engine_works(alice: User, engine_calls: Recording, call: str) -> None:
    """The engine completes the request; what it created is removed all the same."""
    with nothing_left():
        command: list[subprocess.Popen[str]] = []
        engine_calls.before[call] = lambda: command[0].send_signal(signal.SIGTERM)
        command.append(
            alice.start(
                *(alice.tree / "bin/mlc", "create", "it", "Pytorch", "2.8.0", "-s"),
                DOCKER_HOST=engine_calls.address,
            )
        )
        output, _ = command[0].communicate(timeout=30)
        assert not engine_calls.before, "the signal was not sent"
        assert command[0].returncode == 143, output
        wait_until_quiet(alice)


def wait_until_quiet(user: User) -> None:
    """Give the engine the time to finish what nobody waits for any more."""
    for _ in range(40):
        if not [name for name in container_names() if name.endswith(f"._.{user.uid}")]:
            return
        time.sleep(0.05)


@pytest.mark.parametrize("flow", ["old", "labelled"])
def test_twenty_creates_of_one_name(alice: User, labelled, flow: str) -> None:
    how = ["--image", labelled(alice)] if flow == "labelled" else ["Pytorch", "2.8.0"]
    with nothing_left():
        commands = [
            alice.start(alice.tree / "bin/mlc", "create", "one", *how, "-s")
            for _ in range(CREATORS)
        ]
        outputs = [command.communicate(timeout=120)[0] for command in commands]
        statuses = sorted(command.returncode for command in commands)
        assert statuses == [0] + [1] * (CREATORS - 1), outputs
        losers = [
            output
            for command, output in zip(commands, outputs, strict=True)
            if command.returncode == 1
        ]
        for output in losers:
            assert "You have a container 'one' already" in output.splitlines()[-1]
        mine = {name for name in container_names() if name.endswith(f"._.{alice.uid}")}
        assert mine == {alice.tag("one")}
        assert inspect(alice.tag("one"))["State"]["Status"] == "created"
        assert alice.mlc("start", "one", "id -u", "-s").stdout.strip() == str(alice.uid)
        docker("stop", "-t", "0", alice.tag("one"))
        assert alice.mlc("remove", "one", "-s").returncode == 0


def test_different_names_at_once_do_not_wait_for_each_other(alice: User) -> None:
    names = [f"n{number}" for number in range(4)]
    commands = [
        alice.start(alice.tree / "bin/mlc", "create", name, "Pytorch", "2.8.0", "-s")
        for name in names
    ]
    for command in commands:
        output, _ = command.communicate(timeout=120)
        assert command.returncode == 0, output
        assert "Waiting" not in output
    assert {alice.tag(name) for name in names} <= container_names()
