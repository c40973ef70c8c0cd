"""Jobs: what `mlc start -d` runs can be listed, read and waited for, whatever becomes of it."""

from __future__ import annotations

import contextlib
import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.account_in_container import account, state
from support.aime_containers import container as aime_container
from support.base_images import BASE
from support.engine_state import inspect
from support.users import User

pytestmark = pytest.mark.real_engine


@pytest.fixture
def it(ldap_user: User, labelled) -> User:
    """The user of a directory server with the container `it`."""
    assert ldap_user.mlc("create", "it", "--image", labelled(ldap_user), "-s").returncode == 0
    return ldap_user


@pytest.fixture
def alices(alice: User, labelled) -> User:
    """The everyday user with the container `it`."""
    assert alice.mlc("create", "it", "--image", labelled(alice), "-s").returncode == 0
    return alice


def jobs(user: User, name: str = "it") -> list[dict[str, Any]]:
    """Return a container's jobs by `mlc jobs --json`."""
    done = user.mlc("jobs", name, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["jobs"]


def ok(user: User, *argv: str) -> str:
    """Run mlc, which must succeed, and return its output."""
    done = user.mlc(*argv)
    assert done.returncode == 0, done.stderr
    return done.stdout


def followers(user: User) -> int:
    """Count the processes in the container that follow a job."""
    own = Path("/proc", str(inspect(user.tag("it"))["State"]["Pid"]))
    namespace = (own / "ns/pid").readlink()
    found = 0
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
            if b"mlc-job\0follow" in (process / "cmdline").read_bytes():
                found += (process / "ns/pid").readlink() == namespace
    return found


def eventually(true: Callable[[], bool]) -> None:
    """Wait for something to come true."""
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_the_life_of_a_job(it: User) -> None:
    line = "echo begun; id -u; until [ -e go ]; do sleep 0.1; done; echo over >&2; exit 3"
    out = ok(it, "start", "it", "-d", line)
    assert out.startswith(f"[it] job 1 runs in the background: {line}\n")
    assert "mlc logs it -f" in out
    [job] = jobs(it)
    assert (job["number"], job["state"], job["exit_status"]) == (1, "running", None)
    assert job["command"] == line
    assert job["output"] == f"/home/{account(it)}/.mlc/jobs/1.log"
    assert ok(it, "logs", "it").splitlines() == ["begun", str(it.uid)]
    assert "running: echo begun" in ok(it, "list")
    following = it.start(it.tree / "bin/mlc", "logs", "it", "-f", "-n", "1")
    waiting = it.start(it.tree / "bin/mlc", "wait", "it")
    assert following.stdout.readline() == f"{it.uid}\n"
    eventually(lambda: followers(it) == 2)
    it.file("workspace/go")
    assert following.communicate(timeout=30)[0] == "over\n[it] job 1 has ended: exit 3.\n"
    assert waiting.communicate(timeout=30)[0] == "[it] job 1: exit 3.\n"
    assert (following.returncode, waiting.returncode) == (0, 3)
    [job] = jobs(it)
    assert (job["state"], job["exit_status"]) == ("ended", 3)
    assert "last: exit 3 (" in ok(it, "list")
    ok(it, "stop", "it", "-s")
    assert ok(it, "logs", "it").splitlines() == ["begun", str(it.uid), "over"]
    assert jobs(it) == [job]
    assert it.mlc("wait", "it").returncode == 3


def test_a_command_that_fails_at_once_is_a_failure(alices: User) -> None:
    done = alices.mlc("start", "it", "-d", "echo no such data; exit 7")
    assert (done.returncode, done.stdout) == (7, "")
    assert "no such data" in done.stderr
    assert "Error: " in done.stderr
    assert "failed within a second: exit 7" in done.stderr.splitlines()[-1]
    assert alices.mlc("start", "it", "-d", "nope").returncode == 127
    killed = alices.mlc("start", "it", "-d", "kill -9 $$")
    assert killed.returncode == 137
    assert "exit 137 (SIGKILL)" in killed.stderr
    assert "has ended already: exit 0" in ok(alices, "start", "it", "-d", "true")
    assert [job["exit_status"] for job in jobs(alices)] == [7, 127, 137, 0]


def test_a_job_ends_with_its_container(alices: User) -> None:
    ok(alices, "start", "it", "-d", "sleep 1000")
    done = alices.mlc("stop", "it", stdin="y\n")
    assert done.returncode == 0
    assert "[it] sleep 1000 has run for " in done.stderr
    assert "seconds and will end." in done.stderr
    assert [job["state"] for job in jobs(alices)] == ["stopped"]
    ok(alices, "start", "it")
    assert [job["state"] for job in jobs(alices)] == ["stopped"]
    assert "running" not in ok(alices, "list")
    waited = alices.mlc("wait", "it")
    assert (waited.returncode, waited.stdout) == (1, "[it] job 1: stopped.\n")


def test_a_killed_job_does_not_run_for_ever(alices: User) -> None:
    ok(alices, "start", "it", "-d", "sleep 1000")
    ok(alices, "exec", "it", "sh", "-c", "kill -9 $(cut -d ' ' -f2 ~/.mlc/jobs/records/1/started)")
    eventually(lambda: jobs(alices)[0]["state"] == "unknown")
    assert "running" not in ok(alices, "list")


def test_jobs_that_start_at_once_have_different_numbers(alices: User) -> None:
    ok(alices, "start", "it")
    mlc = alices.tree / "bin/mlc"
    children = [alices.start(mlc, "start", "it", "-d", f"echo {n}; sleep 60") for n in range(4)]
    for child in children:
        assert child.wait(timeout=60) == 0
    assert [job["number"] for job in jobs(alices)] == [1, 2, 3, 4]
    said = {ok(alices, "logs", "it", "-j", str(n)).strip() for n in (1, 2, 3, 4)}
    assert said == {"0", "1", "2", "3"}


def test_who_stops_following_leaves_nothing_in_the_container(alices: User) -> None:
    ok(alices, "start", "it", "-d", "echo begun; sleep 1000")
    child = alices.spawn(alices.tree / "bin/mlc", "logs", "it", "-f")
    child.expect("begun")
    child.sendintr()
    child.wait()
    assert child.exitstatus == 130
    follower = alices.start(alices.tree / "bin/mlc", "wait", "it")
    eventually(lambda: followers(alices) == 1)
    follower.send_signal(signal.SIGTERM)
    assert follower.wait(timeout=30) != 0
    eventually(lambda: followers(alices) == 0)
    assert jobs(alices)[0]["state"] == "running"


def test_exec_passes_every_word_and_the_exit_status(alices: User) -> None:
    done = alices.mlc("exec", "it", "--", "printf", "%s|", "a  b", "$HOME", "--", "-d", "")
    assert (done.returncode, done.stdout) == (0, "a  b|$HOME|--|-d||")
    assert state(alices) == "running"
    assert alices.mlc("exec", "it", "sh", "-c", "exit 5").returncode == 5
    child = alices.spawn(alices.tree / "bin/mlc", "exec", "it", "--", "tty")
    child.expect("/dev/pts/")
    child.wait()
    assert child.exitstatus == 0


def test_jobs_in_a_container_of_aime_s(alice: User) -> None:
    aime_container(alice, "it", BASE)
    ok(alice, "start", "it", "-d", "id -un; sleep 60")
    assert [job["state"] for job in jobs(alice)] == ["running"]
    assert ok(alice, "logs", "it").strip() == f"aime{alice.uid}"
