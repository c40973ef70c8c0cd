"""stop: a running container stops, after confirmation on a terminal."""

from __future__ import annotations

import pytest
from support.account_in_container import state
from support.engine_state import docker
from support.users import User

pytestmark = pytest.mark.real_engine


@pytest.fixture
def running(user: User, labelled) -> User:
    """A user whose container `it` runs."""
    assert user.mlc("create", "it", "--image", labelled(user), "-s").returncode == 0
    docker("start", user.tag("it"))
    return user


@pytest.fixture
def alices(alice: User, labelled) -> User:
    """The everyday user, whose container `it` runs."""
    assert alice.mlc("create", "it", "--image", labelled(alice), "-s").returncode == 0
    docker("start", alice.tag("it"))
    return alice


@pytest.mark.parametrize("flag", ["-s", "-f", "-Y"])
def test_flags_answer_the_question(running: User, flag: str) -> None:
    done = running.mlc("stop", "it", flag)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[it] stopped.\n"
    assert state(running) == "exited"


def test_a_container_that_does_not_run_is_no_failure(alices: User) -> None:
    docker("kill", alices.tag("it"))
    done = alices.mlc("stop", "it", "-s")
    assert (done.returncode, done.stdout) == (0, "[it] was not running.\n")


def test_the_answer_may_come_from_a_pipe(running: User) -> None:
    done = running.mlc("stop", "it", stdin="y\n")
    assert done.returncode == 0, done.stderr


def test_without_an_answer_it_is_refused(running: User) -> None:
    done = running.mlc("stop", "it")
    assert done.returncode == 2
    assert "pass -f to confirm" in done.stderr.splitlines()[-1]
    assert state(running) == "running"


@pytest.mark.parametrize("answer", ["", "n", "no"])
def test_the_default_answer_is_no(alices: User, answer: str) -> None:
    child = alices.spawn(alices.tree / "bin/mlc", "stop", "it")
    child.expect(r"Stop the container it\?.*\(y/N\): ")
    child.sendline(answer)
    child.expect("Nothing was done")
    child.wait()
    assert child.exitstatus == 1
    assert state(alices) == "running"


def test_yes_stops_it(alices: User) -> None:
    child = alices.spawn(alices.tree / "bin/mlc-stop", "it")
    child.expect(r"\(y/N\): ")
    child.sendline("perhaps")
    child.expect("Please answer y or n")
    child.sendline("y")
    child.expect(r"\[it\] stopped")
    child.wait()
    assert child.exitstatus == 0
    assert state(alices) == "exited"


def test_the_menu_offers_what_runs(alices: User, labelled) -> None:
    assert alices.mlc("create", "asleep", "--image", labelled(alices), "-s").returncode == 0
    child = alices.spawn(alices.tree / "bin/mlc", "stop")
    child.expect(r"Your containers:(.*)Which one to stop\?")
    assert "it" in child.match[1]
    assert "asleep" not in child.match[1]
    child.sendline("1")
    child.expect(r"\(y/N\): ")
    child.sendline("y")
    child.expect(r"\[it\] stopped")
    child.wait()
    assert child.exitstatus == 0


def test_no_name_without_a_terminal_is_a_usage_error(alices: User) -> None:
    done = alices.mlc("stop", "-s")
    assert (done.returncode, state(alices)) == (1, "running")


def test_a_missing_container_is_a_failure(user: User) -> None:
    done = user.mlc("stop", "nowhere", "-s")
    assert (done.returncode, done.stdout) == (1, "")
    assert "You have no container 'nowhere'" in done.stderr.splitlines()[-1]


def test_another_users_container_is_not_stopped(alices: User, ldap_user: User) -> None:
    assert ldap_user.mlc("stop", "it", "-s").returncode == 1
    assert state(alices) == "running"


def test_a_paused_container_stops(alices: User) -> None:
    docker("pause", alices.tag("it"))
    done = alices.mlc("stop", "it", "-s")
    assert done.returncode == 0, done.stderr
    assert state(alices) == "exited"
