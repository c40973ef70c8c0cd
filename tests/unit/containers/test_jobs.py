"""What is known of a container's jobs, running or not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support.accounts import OWN
from support.base_images import BASE
from support.fakes.engine import FakeContainer, FakeEngine
from support.fakes.jobs import NOW, RECORDS, record
from support.run_command import call

import mlc_patched
from mlc_patched.containers.jobs import directory_of, job_command, jobs_of
from mlc_patched.context import Context
from mlc_patched.engine.observations import Activity
from mlc_patched.engine.specification import ContainerSpecification
from mlc_patched.errors import (
    ConflictError,
    EngineError,
    EngineUnreachableError,
    MlcError,
    NotFoundError,
)
from mlc_patched.names import labels


@pytest.fixture
def it(started: FakeContainer) -> FakeContainer:
    """The running container `it`, which has run since a minute ago."""
    started.activity = Activity(started=NOW - 60)
    return started


def states(context: Context) -> list[tuple[int, str, str]]:
    found = jobs_of(context.get("it"), context)
    return [(job.number, job.state, job.status) for job in found]


def test_jobs_are_in_the_order_of_their_numbers(it: FakeContainer, context: Context) -> None:
    for number in (2, 10, 1):
        it.files |= record(number, "true", status=number)
    assert [number for number, *_ in states(context)] == [1, 2, 10]


def test_an_exit_status_is_shown_with_its_signal(it: FakeContainer, context: Context) -> None:
    for number, status in enumerate((0, 3, 137, 143, 255)):
        it.files |= record(number, "true", status=status)
    assert [status for *_, status in states(context)] == [
        "exit 0",
        "exit 3",
        "exit 137 (SIGKILL)",
        "exit 143 (SIGTERM)",
        "exit 255",
    ]


def test_a_job_runs_if_the_engine_or_the_container_says_so(
    fake: FakeEngine, it: FakeContainer, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    it.files |= record(1, "a", started=NOW - 90)  # before the container was started again
    it.files |= record(2, "b")
    it.files |= record(3, "c")
    it.files |= record(4, "d")
    command = job_command("run", RECORDS.removesuffix("/records"), "2", "b")
    it.activity = replace(it.activity, commands=(("bash",), command))
    processes = (
        "100.00 0.00\n3 (sh) S 0 3 3 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 30 0\n"
        "4 (sh) S 0 4 4 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 999 0\n\n"
        "==> /proc/3/cmdline <==\nsh\0\n==> /proc/4/cmdline <==\nsh\0"
    )
    monkeypatch.setattr(fake, "exec_run", lambda *arguments: (0, processes))
    assert states(context) == [
        (1, "stopped", "stopped"),
        (2, "running", "running"),
        (3, "running", "running"),
        (4, "unknown", "ended, exit status unknown"),
    ]
    fake.stop(it.id)
    assert [state for _, state, _ in states(context)] == ["stopped"] * 4


def test_a_job_that_ends_while_it_is_looked_at_has_its_exit_status(
    fake: FakeEngine, it: FakeContainer, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    it.files |= record(1, "a")

    def ends(*arguments: object) -> tuple[int, str]:
        it.files |= record(1, "a", status=3)
        return 0, ""

    monkeypatch.setattr(fake, "exec_run", ends)
    assert states(context) == [(1, "ended", "exit 3")]


@pytest.mark.parametrize(
    "broken",
    [
        {f"{RECORDS}/1/command": b"a\0"},  # it has not started
        {f"{RECORDS}/1/started": b"x y z\n"},
        {f"{RECORDS}/1/started": b""},
        {f"{RECORDS}/x/started": b"1 2 3\n"},
        {f"{RECORDS}/1": b""},
    ],
)
def test_a_record_that_cannot_be_read_is_no_job(
    it: FakeContainer, context: Context, broken: dict[str, bytes]
) -> None:
    it.files |= broken
    assert states(context) == []


def test_jobs_are_in_the_home_of_the_account(
    fake: FakeEngine, it: FakeContainer, context: Context
) -> None:
    assert directory_of(context.get("it"), context) == "/home/alice/.mlc/jobs"
    image = fake.add_image(BASE)
    owner = {labels.OWNER: "alice", labels.NAME: "aime"}
    made = fake.create_container(
        ContainerSpecification(name="aime._.1001", image=image.id, labels=owner)
    )
    assert directory_of(context.get("aime"), context) == "/tmp/.mlc-1001/jobs"
    fake.made[made].passwd += "lab:x:1001:2001::/srv/lab:/bin/bash\n"
    assert directory_of(context.get("aime"), context) == "/srv/lab/.mlc/jobs"


def test_a_list_is_complete_where_a_container_s_jobs_cannot_be_read(
    fake: FakeEngine, it: FakeContainer, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine mounts its directories to read them, and one may have become a file."""
    raised: list[MlcError] = [EngineError("mount /home/alice/workspace: not a directory")]

    def refuse(*arguments: object) -> None:
        raise raised[0]

    monkeypatch.setattr(fake, "files_below", refuse)
    for argv in (["mlc", "list"], ["container-list"]):
        outcome = call(argv, context)
        assert outcome.code == 0
        assert "it" in outcome.out
        assert "The jobs of [it] are not shown: mount /home/alice/workspace" in outcome.err
    raised[0] = EngineUnreachableError("No Docker Engine answers.")
    assert call(["mlc", "list"], context).code == 1


@pytest.mark.parametrize("is_running", [True, False])
def test_a_container_that_mounts_what_is_missing_is_not_asked_for_its_jobs(
    fake: FakeEngine, it: FakeContainer, context: Context, is_running: bool
) -> None:
    """To read its files the engine mounts its directories, and creates a missing one as root."""
    it.files |= record(1, "train", status=0)
    workspace = Path(context.account.home, "workspace")
    workspace.rmdir()
    if not is_running:
        fake.stop(it.id)
    fake.calls.clear()
    said = f"{workspace} does not exist, which it mounts as /workspace. Create it with: mkdir -p"
    for verb in ("jobs", "logs", "wait"):
        outcome = call(["mlc", verb, "it"], context)
        assert (outcome.code, said in outcome.last) == (1, True)
    for argv in (["mlc", "list"], ["container-list"]):
        outcome = call(argv, context)
        assert (outcome.code, "it" in outcome.out) == (0, True)
        assert (f"The jobs of [it] are not shown: {said}" in outcome.err) == is_running
    assert "files_below" not in fake.calls


def test_listing_asks_only_for_running_containers(
    fake: FakeEngine, it: FakeContainer, context: Context
) -> None:
    for name in ("a", "b", "c"):
        mlc_patched.create(name, image=OWN, context=context)
    fake.calls.clear()
    mlc_patched.list_containers(context=context)
    assert fake.calls == ["containers", "containers", "files_below"]
    fake.stop(it.id)
    fake.calls.clear()
    mlc_patched.list_containers(context=context)
    assert fake.calls == ["containers", "containers"]


def test_many_running_containers_are_looked_at_together(
    fake: FakeEngine, it: FakeContainer, context: Context
) -> None:
    for number in range(20):
        mlc_patched.create(f"n{number}", image=OWN, context=context)
        mlc_patched.start(f"n{number}", context=context)
    it.files |= record(1, "a", status=3)
    found = {each.name: each.job for each in mlc_patched.list_containers(context=context)}
    assert found.pop("it").exit_status == 3
    assert set(found.values()) == {None}


@pytest.mark.parametrize("error", [NotFoundError("No such container"), ConflictError("is dead")])
@pytest.mark.parametrize("argv", [["mlc", "list"], ["container-list"]])
def test_a_container_that_is_removed_meanwhile_is_listed_without_a_job(
    fake: FakeEngine,
    it: FakeContainer,
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
    argv: list[str],
    error: MlcError,
) -> None:
    def refuse(container: str) -> Activity:
        raise error

    it.files |= record(1, "train")
    monkeypatch.setattr(fake, "activity", refuse)
    outcome = call(argv, context)
    assert outcome.code == 0
    assert "it" in outcome.out
    assert "train" not in outcome.out


@pytest.mark.parametrize("argv", [["mlc", "list"], ["container-list"]])
def test_lists_show_the_job_that_runs_else_the_last(
    it: FakeContainer, context: Context, argv: list[str]
) -> None:
    it.files |= record(1, "bash", "-c", "python3 train.py", started=NOW - 7300)
    it.files |= record(2, "true", status=0)
    it.activity = Activity(
        started=NOW - 9000,
        commands=(job_command("run", RECORDS.removesuffix("/records"), "1", "x"),),
    )
    assert "running: python3 train.py (2 h)" in call(argv, context).out
    it.files |= record(1, "bash", "-c", "python3 train.py", status=1)
    it.files |= record(2, "true", status=3)
    assert "last: exit 3 (" in call(argv, context).out


def test_output_can_be_read_of_a_stopped_container(
    fake: FakeEngine, it: FakeContainer, context: Context
) -> None:
    it.files |= record(1, "a", status=0) | record(2, "b", status=0)
    it.files[f"{RECORDS.removesuffix('/records')}/1.log"] = b"one\ntwo\nthree"
    fake.stop(it.id)
    assert call(["mlc", "logs", "it"], context).out == "first\nlast\n"
    assert call(["mlc", "logs", "it", "--job", "1"], context).out == "one\ntwo\nthree"
    assert call(["mlc", "logs", "it", "--job", "1", "-n", "2"], context).out == "two\nthree"
    assert call(["mlc", "logs", "it", "-n", "1"], context).out == "last\n"
    assert call(["mlc", "logs", "it", "-n", "0"], context).out == ""
    assert "has no job 3" in call(["mlc", "logs", "it", "--job", "3"], context).last


def test_waiting_for_a_job_that_has_ended_returns_its_exit_status(
    it: FakeContainer, context: Context
) -> None:
    assert "has run no command in the background" in call(["mlc", "wait", "it"], context).last
    it.files |= record(1, "a", status=7)
    outcome = call(["mlc", "wait", "it"], context)
    assert (outcome.code, outcome.out) == (7, "[it] job 1: exit 7.\n")


def test_a_command_that_has_no_place_for_its_record_is_not_started(
    fake: FakeEngine, it: FakeContainer, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fake, "exec_run", lambda *arguments: (1, "mkdir: no space left\n"))
    outcome = call(["mlc", "start", "it", "-d", "true"], context)
    assert outcome.code == 1
    assert "it cannot record a job in /home/alice/.mlc/jobs: mkdir: no space left" in outcome.err
    assert "exec_detached" not in fake.calls
