"""Following jobs, through Docker's client, and waiting for them."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import replace

import pytest
from support.fakes.engine import FakeContainer, FakeEngine
from support.fakes.jobs import RECORDS, record

from mlc_patched.containers import background
from mlc_patched.containers.background import end_jobs, follow, last_output, start_job, wait
from mlc_patched.containers.jobs import RUNNING, find_job
from mlc_patched.containers.shell import HANG_UP
from mlc_patched.context import Context
from mlc_patched.errors import EngineError, MlcError, NotFoundError


@pytest.fixture
def it(started: FakeContainer, context: Context) -> FakeContainer:
    """A running container with job 1, which runs."""
    start_job(context.get("it"), ("train",), context)
    assert find_job("it", 1, context)[1].state == RUNNING
    return started


Client = Callable[..., list[tuple[str, ...]]]


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    """Return a function for what happens while Docker's client runs; it returns the commands."""
    monkeypatch.setattr(background, "fitting_client", lambda *arguments: "docker")

    def runs(happens: Callable[[], object], status: int = 0) -> list[tuple[str, ...]]:
        commands: list[tuple[str, ...]] = []

        def shown(container: object, command: tuple[str, ...], *rest: object) -> int:
            commands.append(tuple(command))
            happens()
            return status

        monkeypatch.setattr(background, "run_shown", shown)
        return commands

    return runs


def hung_up(it: FakeContainer) -> bool:
    return any(HANG_UP in command for command, _ in it.commands)


def test_a_job_in_a_deleted_directory_is_refused_with_what_happened(
    fake: FakeEngine, it: FakeContainer, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "OCI runtime exec failed: current working directory is outside of container mount "
    monkeypatch.setattr(fake, "exec_run", lambda *_: (126, f"{said}namespace root -- possible"))
    with pytest.raises(MlcError, match="that it works in was deleted") as raised:
        start_job(context.get("it"), ("train",), context)
    assert "mlc stop it; mlc start it" in raised.value.hint
    assert "/.mlc/jobs" not in str(raised.value)


def test_a_job_is_waited_for_until_it_ends(
    it: FakeContainer, context: Context, client: Client
) -> None:
    commands = client(lambda: it.files.update(record(1, "train", status=3)))
    assert wait("it", context=context).exit_status == 3
    assert commands[0][-3:] == (RECORDS.removesuffix("/records"), "1", "none")
    assert not hung_up(it)
    assert wait("it", 1, context=context).exit_status == 3, "it is not followed again"
    assert len(commands) == 1


def test_a_wait_that_is_cut_off_says_that_the_job_goes_on(
    it: FakeContainer, context: Context, client: Client
) -> None:
    client(lambda: None)
    with pytest.raises(MlcError, match="job 1 of it was cut off; it goes on") as failed:
        wait("it", context=context)
    assert failed.value.hint == "Wait again with: mlc wait it --job 1"
    assert hung_up(it), "what followed it in the container"


@pytest.mark.parametrize("is_forgotten", [True, False])
def test_a_job_whose_container_is_stopped_is_stopped_once_the_engine_says_so(
    fake: FakeEngine,
    it: FakeContainer,
    context: Context,
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    is_forgotten: bool,
) -> None:
    """The engine forgets the commands in a container before it knows that it has ended."""
    _, job = find_job("it", 1, context)
    if is_forgotten:
        it.activity = replace(it.activity, commands=())
    client(lambda: None, status=137)
    monkeypatch.setattr(background.time, "sleep", lambda seconds: fake.stop(it.id))
    assert follow("it", job, context).state == "stopped"


@pytest.mark.parametrize(("lines", "word"), [(None, "all"), (5, "5"), (0, "0")])
def test_a_job_is_followed_from_its_beginning_or_its_last_lines(
    it: FakeContainer, context: Context, client: Client, lines: int | None, word: str
) -> None:
    commands = client(lambda: it.files.update(record(1, "train", status=3)))
    _, job = find_job("it", 1, context)
    assert follow("it", job, context, lines).exit_status == 3
    assert commands[0][-1] == word


def test_following_that_is_cut_off_says_so_unless_nobody_reads_it(
    it: FakeContainer, context: Context, client: Client
) -> None:
    client(lambda: None)
    _, job = find_job("it", 1, context)
    with pytest.raises(MlcError, match="Following job 1 of it was cut off") as failed:
        follow("it", job, context)
    assert failed.value.hint == "Follow it again with: mlc logs it -f --job 1"
    assert hung_up(it)
    client(lambda: None, status=-signal.SIGPIPE)
    with pytest.raises(BrokenPipeError):
        follow("it", job, context)


def test_a_job_that_does_not_exist_is_not_waited_for(
    it: FakeContainer, context: Context, client: Client
) -> None:
    client(lambda: None)
    with pytest.raises(NotFoundError):
        wait("it", 9, context=context)


def test_the_last_lines_of_a_job_are_those_of_its_file(
    it: FakeContainer, context: Context, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    container, job = find_job("it", 1, context)
    chunks = [b"a\nb", b"b\nc\n", b"d"]
    monkeypatch.setattr(fake, "stream_file", lambda *arguments: iter(chunks))
    whole = b"a\nbb\nc\nd"
    for lines, said in ((2, b"c\nd"), (3, b"bb\nc\nd"), (9, whole), (10**30, whole), (0, b"")):
        assert last_output(container, job, lines, context) == said
    chunks.pop()
    assert last_output(container, job, 1, context) == b"c\n"


def test_a_job_whose_output_was_deleted_has_none(it: FakeContainer, context: Context) -> None:
    container, job = find_job("it", 1, context)
    del it.files[job.output]
    assert last_output(container, job, 5, context) == b""


def test_a_container_that_cannot_record_a_job_runs_none(
    it: FakeContainer, context: Context, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fake, "exec_run", lambda *arguments: (1, "mkdir: no space left\n"))
    commands = len(it.commands)
    with pytest.raises(MlcError, match=r"it cannot record a job in .*: mkdir: no space left"):
        start_job(context.get("it"), ("train",), context)
    assert len(it.commands) == commands


def test_a_job_that_left_no_record_did_not_start(
    it: FakeContainer, context: Context, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fake, "exec_detached", lambda *arguments: None)
    with pytest.raises(MlcError, match="The command did not start in it"):
        start_job(context.get("it"), ("train",), context)


def test_jobs_are_ended_together_as_the_user(it: FakeContainer, context: Context) -> None:
    it.files |= record(2, "b")
    jobs = [find_job("it", number, context)[1] for number in (1, 2)]
    end_jobs(context.get("it"), jobs, context)
    command, user = it.commands[-1]
    assert command[4:] == ("end", RECORDS.removesuffix("/records"), "1", "2")
    assert user == "1001:2001"


def test_nothing_is_followed_without_a_client(it: FakeContainer, context: Context) -> None:
    context.environ = {**context.environ, "PATH": "/nowhere"}
    with pytest.raises(EngineError, match="following a job needs it"):
        wait("it", context=context)
