"""mlc jobs and mlc logs on the command line."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from support.fakes.engine import FakeContainer
from support.fakes.jobs import NOW, RECORDS, record
from support.run_command import call

import mlc_patched
from mlc_patched.containers import background
from mlc_patched.context import Context
from mlc_patched.engine.observations import Activity
from mlc_patched.errors import Terminated


@pytest.fixture
def running(it: FakeContainer, context: Context) -> FakeContainer:
    """The container `it`, which has run since a day."""
    mlc_patched.start("it", context=context)
    it.activity = Activity(started=NOW - 86400)
    return it


def test_jobs_are_a_row_each(running: FakeContainer, context: Context) -> None:
    running.files |= record(1, "bash", "-c", "python3 first.py", started=NOW - 7200, status=0)
    running.files |= record(2, "python3", "a b.py", started=NOW - 3600, status=137)
    done = call(["mlc", "jobs", "it"], context)
    heading, first, second = done.out.splitlines()
    assert heading.split() == ["JOB", "STATUS", "STARTED", "ENDED", "COMMAND"]
    assert first.split()[:3] == ["1", "exit", "0"]
    assert "2 h ago" in first
    assert first.endswith("python3 first.py")
    assert "exit 137 (SIGKILL)" in second
    assert second.endswith("python3 'a b.py'")


def test_one_that_runs_has_no_end(running: FakeContainer, context: Context) -> None:
    mlc_patched.start("it", "sleep 9", detach=True, context=context)
    row = call(["mlc", "jobs", "it"], context).out.splitlines()[1].split()
    assert (row[1], row[-3:]) == ("running", ["-", "sleep", "9"])


def test_without_jobs_it_says_how_to_start_one(
    running: FakeContainer, context: Context, answer: Callable[..., object]
) -> None:
    answer("it")
    done = call(["mlc", "jobs"], context)
    assert (done.code, "Which one?" in done.out) == (0, True)
    assert "mlc start it -d" in done.err


def test_the_output_of_the_last_job_or_its_end(running: FakeContainer, context: Context) -> None:
    running.files |= record(1, "true", status=0)
    running.files |= record(2, "true", status=0)
    running.files[f"{RECORDS.rpartition('/')[0]}/1.log"] = b"of the first\n"
    assert call(["mlc", "logs", "it"], context).out == "first\nlast\n"
    assert call(["mlc", "logs", "it", "-n", "1"], context).out == "last\n"
    assert call(["mlc", "logs", "it", "-n", "0"], context).out == ""
    assert call(["mlc", "logs", "it", "--job", "1"], context).out == "of the first\n"
    assert call(["mlc", "logs", "it", "-f"], context).out == "first\nlast\n", "it has ended"
    for words, code in ((["-n", "-1"], 2), (["-n", "9" * 30], 0), (["--job", "7"], 1)):
        assert call(["mlc", "logs", "it", *words], context).code == code


def test_an_output_that_was_deleted_is_a_failure(running: FakeContainer, context: Context) -> None:
    running.files |= record(1, "true", status=0)
    log = f"{RECORDS.rpartition('/')[0]}/1.log"
    del running.files[log]
    done = call(["mlc", "logs", "it"], context)
    assert (done.code, log in done.last) == (1, True)
    assert call(["mlc", "logs", "it", "-n", "3"], context).code == 0


@pytest.fixture
def stopped() -> list[KeyboardInterrupt]:
    """What ends the following or waiting, last one first."""
    return []


@pytest.fixture
def following(
    running: FakeContainer,
    context: Context,
    client: None,
    stopped: list[KeyboardInterrupt],
    monkeypatch: pytest.MonkeyPatch,
) -> list[tuple[str, ...]]:
    """A running job: it ends when it is followed from its beginning, else that is `stopped`.

    Returns the words of the script that follows it.
    """
    mlc_patched.start("it", "train", detach=True, context=context)
    followed: list[tuple[str, ...]] = []

    def shown(container: object, command: tuple[str, ...], *rest: object) -> int:
        followed.append(command[-2:])
        if command[-1] != "all":
            raise stopped.pop()
        running.files |= record(1, "train", started=time.time(), status=4)
        return 0

    monkeypatch.setattr(background, "run_shown", shown)
    return followed


@pytest.mark.usefixtures("following")
def test_a_job_that_ended_in_an_unknown_way_has_ended_once(
    running: FakeContainer,
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def killed(*arguments: object) -> int:
        running.activity = replace(running.activity, commands=())
        return 0

    monkeypatch.setattr(background, "run_shown", killed)
    done = call(["mlc", "logs", "it", "-f"], context)
    assert "[it] job 1 has ended: exit status unknown." in done.err


def test_a_job_is_followed_to_its_end(following: list[tuple[str, ...]], context: Context) -> None:
    done = call(["mlc", "logs", "it", "-f"], context)
    assert (done.code, "[it] job 1 has ended: exit 4." in done.err) == (0, True)
    assert following == [("1", "all")]


@pytest.mark.parametrize(
    ("interrupt", "code"),
    [(KeyboardInterrupt(), 130), (Terminated(15), 143), (Terminated(1), 129)],
    ids=["Ctrl-C", "SIGTERM", "SIGHUP"],
)
def test_what_ends_the_following_leaves_the_job(
    following: list[tuple[str, ...]],
    stopped: list[KeyboardInterrupt],
    context: Context,
    interrupt: KeyboardInterrupt,
    code: int,
) -> None:
    stopped += [interrupt] * 3
    followed = call(["mlc", "logs", "it", "-f", "-n", "1"], context)
    assert following == [("1", "1")]
    assert followed.code == code
    said = "" if code == 130 else "mlc logs it -f --job 1"
    assert said in followed.err
    assert bool(followed.err) == bool(said)
    waited = call(["mlc", "wait", "it"], context)
    assert (waited.code, "mlc wait it --job 1" in waited.last) == (code, True)
    told = json.loads(call(["mlc", "wait", "it", "--json"], context).out)["error"]
    assert told["code"] == "interrupted"
