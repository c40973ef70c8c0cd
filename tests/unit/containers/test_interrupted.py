"""After a reboot: which containers ran, and starting them again."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from support.accounts import OWN, own_image
from support.fakes.engine import FakeContainer, FakeEngine
from support.fakes.jobs import record
from support.run_command import call

import mlc_patched
from mlc_patched.containers import interrupted as module
from mlc_patched.context import Context
from mlc_patched.engine.address import EngineAddress
from mlc_patched.engine.observations import Activity
from mlc_patched.errors import EngineError, NotFoundError
from mlc_patched.host.hardware import boot_time

NOW = time.time()
BOOTED = NOW - 3600


@pytest.fixture
def it(fake: FakeEngine, context: Context, monkeypatch: pytest.MonkeyPatch) -> FakeContainer:
    """The stopped container `it` on a server that was started an hour ago."""
    monkeypatch.setattr("mlc_patched.host.hardware.boot_time", lambda: BOOTED)
    own_image(fake)
    made = fake.made[mlc_patched.create("it", image=OWN, context=context).id]
    made.state, made.exit_status = "exited", 137
    return made


def ended(it: FakeContainer, exit_status: int, after_boot: float) -> None:
    """Let the container have ended some time after the boot, or before."""
    it.exit_status = exit_status
    it.activity = Activity(BOOTED - 7200, BOOTED + after_boot, exit_status)


@pytest.mark.parametrize(
    ("exit_status", "after_boot", "ran"),
    [
        (137, -60, True),  # the shutdown stopped it
        (143, -15 * 60, True),
        (255, 20, True),  # a power failure: the engine found it dead
        (129, -60, False),  # mlc stop
        (0, -60, False),
        (137, -3600, False),  # stopped long before
        (137, 60, False),  # stopped since
    ],
)
def test_a_container_that_ran_when_the_server_went_down_is_named(
    it: FakeContainer, context: Context, exit_status: int, after_boot: float, ran: bool
) -> None:
    ended(it, exit_status, after_boot)
    for argv in (["mlc", "list"], ["container-list"]):
        outcome = call(argv, context)
        said = "[it] ran when the server went down. Start what ran with: mlc start --all"
        assert (said in outcome.err) == ran
        assert f'"ran_at_shutdown": {str(ran).lower()}' in call([*argv, "--json"], context).out
    assert call(["mlc", "start", "--all"], context).code == (0 if ran else 1)


def test_whose_it_is_does_not_depend_on_the_user_database(
    it: FakeContainer, context: Context
) -> None:
    ended(it, 255, 20)
    context.__dict__["account"] = replace(context.account, login="1001")
    assert "ran when the server went down" in call(["mlc", "list"], context).err


def test_what_ran_is_started_and_its_jobs_are_named(
    fake: FakeEngine, it: FakeContainer, context: Context
) -> None:
    ended(it, 255, 20)
    it.files |= record(1, "sleep", "1", started=BOOTED - 9000)  # before the container's last start
    it.files |= record(2, "true", started=BOOTED - 600, status=0)
    it.files |= record(3, "bash", "-c", "python3 train.py", started=BOOTED - 500)
    assert "stopped: python3 train.py" in call(["mlc", "list"], context).out
    outcome = call(["mlc", "start", "--all"], context)
    assert outcome.out.splitlines() == [
        "[it] started.",
        "  Its job 3 was interrupted. Run it again with: mlc start it -d 'python3 train.py'",
    ]
    assert it.state == "running"
    again = call(["mlc", "start", "--all"], context)
    assert again.last.startswith("Error: None of your containers ran when this server last went")


def test_a_list_mentions_it_for_a_week_only(
    it: FakeContainer, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended(it, 255, 20)
    monkeypatch.setattr(module, "_NEWS_SECONDS", 3000)
    assert "went down" not in call(["mlc", "list"], context).err
    assert call(["mlc", "start", "--all"], context).code == 0


def test_nothing_is_claimed_of_a_remote_server(it: FakeContainer, context: Context) -> None:
    ended(it, 255, 20)
    context.__dict__["address"] = EngineAddress("ssh://far")
    assert module.interrupted(context.containers(), context) == []


def test_one_that_cannot_start_does_not_keep_the_others(
    fake: FakeEngine, it: FakeContainer, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = fake.made[mlc_patched.create("b", image=OWN, context=context).id]
    for each in (it, other):
        each.state = "exited"
        ended(each, 137, -60)
    start = fake.start

    def refuses(container: str) -> None:
        if container == other.id:
            raise EngineError("no such device")
        start(container)

    monkeypatch.setattr(fake, "start", refuses)
    outcome = call(["mlc", "start", "--all"], context)
    assert (outcome.code, outcome.out) == (1, "[it] started.\n")
    assert "no such device" in outcome.err
    assert "1 of 2 containers were not started: b" in outcome.last


@pytest.mark.parametrize("call_", ["activity", "files_below"])
def test_one_that_is_removed_meanwhile_is_left_out(
    fake: FakeEngine,
    it: FakeContainer,
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
    call_: str,
) -> None:
    def refuse(*arguments: object) -> None:
        raise NotFoundError("No such container")

    ended(it, 255, 20)
    monkeypatch.setattr(fake, call_, refuse)
    for argv in (["mlc", "list", "-a"], ["container-list"]):
        outcome = call(argv, context)
        assert outcome.code == 0
        assert "went down" not in outcome.err


def test_one_whose_jobs_cannot_be_read_is_named_without_them(
    fake: FakeEngine, it: FakeContainer, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise EngineError("mount /home/alice/workspace: not a directory")

    ended(it, 255, 20)
    monkeypatch.setattr(fake, "files_below", refuse)
    outcome = call(["mlc", "list"], context)
    assert outcome.code == 0
    assert "The jobs of [it] are not shown: mount /home/alice/workspace" in outcome.err
    assert "[it] ran when the server went down." in outcome.err


def test_all_takes_no_name(context: Context) -> None:
    assert call(["mlc", "start", "--all", "x"], context).code == 2


def test_the_time_of_the_boot_is_the_kernels(tmp_path: Path) -> None:
    assert boot_time() < NOW
    stat = tmp_path / "stat"
    assert boot_time(stat) is None
    stat.write_text("cpu 1 2\nbtime 1700000000\nprocesses 1\n")
    assert boot_time(stat) == 1700000000
