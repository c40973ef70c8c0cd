"""The batch step of a Slurm job, on its node."""

from __future__ import annotations

import errno
import io
import json
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.accounts import PASSWD
from support.fakes.engine import FakeEngine
from support.fakes.slurm import AWAY
from support.recording_reporter import RecordingReporter

from mlc_patched.cluster.slurm.job import (
    VARIABLE,
    JobSpecification,
    comment_of,
    fitted,
    saving_of,
)
from mlc_patched.containers import job_output, slurm_job
from mlc_patched.containers.create import create
from mlc_patched.containers.slurm_job import run_job
from mlc_patched.context import Context
from mlc_patched.engine.specification import ContainerSpecification
from mlc_patched.errors import EngineError, MlcError, SlurmError, Terminated
from mlc_patched.host.process_identity import is_alive, this_process
from mlc_patched.names import labels
from mlc_patched.names.labels import Claim, claim_labels
from mlc_patched.plan.request import CreateRequest

OWN = claim_labels(Claim(1001, 2001, "alice"))
IMAGE = "ds01-1001/thesis:latest"
NAME = "thesis._.1001"


class Node:
    """A node with a fake engine, what its step told the queue, and what happens while it waits."""

    def __init__(self, context: Context, fake: FakeEngine) -> None:
        self.context, self.engine = context, fake
        self.told: list[str] = []
        self.is_away = False
        self.events: list[Callable[[], object]] = []

    def call(self, context: Context, program: str, *arguments: str, **more: str) -> str:
        if self.is_away:
            raise SlurmError(AWAY)
        if arguments == ("show", "config"):
            return "JobRequeue = 1\nKillWait                = 40 sec\n"
        assert (program, arguments[:2]) == ("scontrol", ("update", "JobId=7"))
        comment = json.loads(arguments[2].removeprefix("Comment="))
        assert comment["request"] == "word"
        self.told.append(comment["status"])
        return ""

    def wait(self, container: str) -> int:
        self.events.pop(0)()
        return self.engine.made[container].exit_status if container in self.engine.made else 0

    def run(
        self, gpus: int = 1, image: str = IMAGE, *, is_batch: bool = False, **environ: str
    ) -> int:
        container = fitted(
            ContainerSpecification(NAME, image, labels={labels.OWNER: "alice"}), ("CHOWN",)
        )
        job = JobSpecification(container, gpus, comment_of(container, "word"), is_batch)
        given = {VARIABLE: job.encoded(), "SLURM_JOB_ID": "7", "SLURM_JOB_GPUS": "3", **environ}
        self.context.environ = {**self.context.environ, **given}
        return run_job(self.context)

    def container(self):
        [found] = self.engine.made.values()
        return found

    def end(self, status: int = 0) -> None:
        self.engine.stop(self.container().id)
        self.container().exit_status = status


@pytest.fixture
def node(context: Context, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> Node:
    fake.add_image(IMAGE, OWN, PASSWD)
    made = Node(context, fake)
    monkeypatch.setattr(slurm_job, "call", made.call)
    monkeypatch.setattr(fake, "wait", made.wait)
    return made


def test_a_container_with_the_jobs_gpus_is_removed_at_its_end(node: Node) -> None:
    def look() -> None:
        made = node.container().specification
        assert made.gpus is not None
        assert made.gpus.device_ids == ("3",)
        assert made.labels[labels.JOB] == "7"
        assert is_alive(made.labels[labels.STEP])
        assert node.container().state == "running"
        node.end(3)

    node.events = [look]
    assert node.run() == 3
    assert node.engine.made == {}
    assert node.told == ["pulling the image", "runs"]


def test_a_task_of_an_array_is_called_as_the_queue_calls_it(node: Node) -> None:
    def look() -> None:
        node.told.append(node.container().specification.labels[labels.JOB])
        node.end()

    node.events = [look]
    node.run(SLURM_ARRAY_JOB_ID="5", SLURM_ARRAY_TASK_ID="2")
    assert "5_2" in node.told


def test_a_command_prints_into_the_jobs_output_and_ends_with_its_status(node: Node) -> None:
    def look() -> None:
        made = node.container().specification
        assert made.name == "thesis-5_2._.1001"
        assert made.labels[labels.SERVICE] == made.name
        assert made.environment["SLURM_ARRAY_TASK_ID"] == "2"
        assert made.environment["MLC_CONTAINER_NAME"] == "thesis-5_2"
        assert "SLURM_CONF" not in made.environment
        node.end(4)

    node.events = [look]
    array = {"SLURM_ARRAY_JOB_ID": "5", "SLURM_ARRAY_TASK_ID": "2", "SLURM_CONF": "/x"}
    assert node.run(is_batch=True, **array) == 4
    assert node.engine.made == {}
    assert "attach" in node.engine.calls


def test_sigterm_stops_and_removes_the_container(node: Node) -> None:
    def terminate() -> None:
        raise Terminated(signal.SIGTERM)

    node.events = [terminate]
    with pytest.raises(Terminated):
        node.run()
    assert node.engine.made == {}
    assert "stop" in node.engine.calls


def test_a_suspended_job_has_its_container_paused(node: Node) -> None:
    def states(*wanted: tuple[int, str]) -> None:
        for number, state in wanted:
            signal.raise_signal(number)
            deadline = time.monotonic() + 5
            while node.container().state != state:
                assert time.monotonic() < deadline, node.container().state
                time.sleep(0.01)

    def suspend() -> None:
        stopped = (signal.SIGTSTP, "paused")
        states((signal.SIGCONT, "running"), stopped, stopped, (signal.SIGCONT, "running"), stopped)
        raise Terminated(signal.SIGTERM)

    node.events = [suspend]
    usual = signal.getsignal(signal.SIGTSTP)
    with pytest.raises(Terminated):
        node.run()
    assert node.engine.made == {}
    assert signal.getsignal(signal.SIGTSTP) == usual


def test_a_container_that_cannot_be_paused_is_warned_about(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(container: str) -> None:
        raise EngineError("no freezer here")

    def suspend() -> None:
        signal.raise_signal(signal.SIGTSTP)
        node.end()

    report = node.context.report = RecordingReporter()
    monkeypatch.setattr(node.engine, "pause", refuse)
    node.events = [suspend]
    assert node.run() == 0
    assert "The container was not paused: no freezer here" in str(report.said)


def test_the_job_goes_on_while_slurmctld_is_away(node: Node) -> None:
    node.is_away = True
    node.events = [node.end]
    assert node.run() == 0
    assert node.engine.made == {}


def test_a_container_that_is_started_again_goes_on(node: Node) -> None:
    def save() -> None:
        node.engine.stop(node.container().id)
        node.engine.start(node.container().id)

    node.events = [save, node.end]
    assert node.run() == 0
    assert node.events == []


def test_a_container_whose_saving_was_killed_is_started_again_once(node: Node) -> None:
    saving = Path(saving_of(node.context.account.home, "7"))

    def kill() -> None:
        saving.touch()
        node.end()

    def end() -> None:
        assert node.container().state == "running"
        assert not saving.exists()
        node.end(4)

    node.events = [kill, end]
    assert node.run() == 4
    assert node.engine.made == {}


def test_a_job_goes_on_for_longer_than_the_engine_answers_a_request(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_output, "_POLL_SECONDS", 0)
    monkeypatch.setattr(job_output, "_PATIENCE", -1)
    lines = ["one", "two"]

    def logs(container: str, follow: bool = False) -> Iterator[str]:
        yield from lines
        if len(lines) == 2:
            lines.append("three")
            raise EngineError("timed out")

    def time_out() -> None:
        raise EngineError("timed out")

    monkeypatch.setattr(node.engine, "logs", logs)

    def attach(container: str) -> Iterator[bytes]:
        yield b"one\n"
        raise EngineError("timed out")

    monkeypatch.setattr(node.engine, "attach", attach)
    said = printed(monkeypatch)
    node.events = [time_out, time_out, node.end]
    assert node.run(is_batch=True) == 0
    assert said.getvalue() == b"one\ntwo\nthree\n"


def test_what_a_command_prints_is_passed_on_as_it_comes(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    said, is_shown = printed(monkeypatch), threading.Event()

    def attach(container: str) -> Iterator[bytes]:
        assert node.container().state == "created"
        return pieces()

    def pieces() -> Iterator[bytes]:
        yield b"first \n 10 %\r 20 %\r"
        is_shown.set()
        while node.container().state == "running":
            time.sleep(0.01)
        yield b"accuracy \xff 0.93"

    def look() -> None:
        assert is_shown.wait(5)
        assert said.getvalue() == b"first \n 10 %\r 20 %\r"
        node.end()

    monkeypatch.setattr(node.engine, "attach", attach)
    node.events = [look]
    assert node.run(is_batch=True) == 0
    assert said.getvalue() == b"first \n 10 %\r 20 %\raccuracy \xff 0.93"


def test_a_last_line_that_following_the_log_leaves_out_is_printed(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    def logs(container: str, follow: bool = False) -> Iterator[str]:
        yield "one"
        if not follow:
            yield "accuracy 0.93"

    def attach(container: str) -> Iterator[bytes]:
        raise EngineError("cut off")

    monkeypatch.setattr(node.engine, "attach", attach)
    monkeypatch.setattr(node.engine, "logs", logs)
    said = printed(monkeypatch)
    node.events = [node.end]
    assert node.run(is_batch=True) == 0
    assert said.getvalue() == b"one\naccuracy 0.93\n"


def test_a_full_disk_fails_the_job_once_its_command_has_ended(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.BytesIO):
        def write(self, text: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(Full()))
    monkeypatch.setattr(node.engine, "attach", lambda container: iter([b"one\n"]))
    node.events = [node.end]
    with pytest.raises(MlcError, match="could not be written: No space left"):
        node.run(is_batch=True)
    assert node.engine.made == {}


def test_sigterm_reaches_a_command_first_and_what_it_still_says_is_printed(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    said, stopped = printed(monkeypatch), []

    def attach(container: str) -> Iterator[bytes]:
        return pieces()

    def pieces() -> Iterator[bytes]:
        while node.container().state != "exited":
            time.sleep(0.01)
        yield b"saving"

    def stop(container: str, seconds: int, *, hang_up: bool = True) -> None:
        stopped.append((seconds, hang_up))
        node.end(1)

    def terminate() -> None:
        monkeypatch.setattr(node.engine, "stop", stop)
        raise Terminated(signal.SIGTERM)

    def end(status: int) -> None:
        node.container().state, node.container().exit_status = "exited", status

    monkeypatch.setattr(node.engine, "attach", attach)
    monkeypatch.setattr(node, "end", end)
    node.events = [terminate]
    with pytest.raises(Terminated) as ended:
        node.run(is_batch=True)
    assert ended.value.message.startswith("Slurm ended this job: it was cancelled")
    assert ended.value.signal_number == signal.SIGTERM
    assert stopped == [(35, False)]
    assert said.getvalue() == b"saving"
    assert node.engine.made == {}


def printed(monkeypatch: pytest.MonkeyPatch) -> io.BytesIO:
    """Return what the job prints."""
    said = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(said))
    return said


def test_a_job_ends_if_its_engine_stays_away(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_output, "_POLL_SECONDS", 0)
    monkeypatch.setattr(job_output, "_PATIENCE", 0)

    def fail() -> None:
        raise EngineError("no engine answers")

    monkeypatch.setattr(node.engine, "ping", fail)
    node.events = [fail] * 5
    with pytest.raises(EngineError, match="no engine answers"):
        node.run()
    assert node.told[-1] == "no engine answers"


def test_a_container_that_was_removed_ends_the_job(node: Node) -> None:
    node.events = [lambda: node.engine.remove_container(node.container().id, force=True)]
    assert node.run() == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"gpus": 2}, "Slurm gave 1 GPUs instead of 2"),
        ({"image": "registry:5000/ds01-1001/absent@sha256:1"}, "absent"),
        ({"image": "sha256:absent"}, "image-push"),
        ({"image": "other:1"}, "its labels name no account"),
    ],
)
def test_what_cannot_run_is_told_to_the_queue(node: Node, options: dict, words: str) -> None:
    node.engine.add_image("other:1", {}, PASSWD)
    with pytest.raises(MlcError, match=words):
        node.run(**options)
    assert words in node.told[-1]
    assert node.engine.made == {}


def test_the_users_own_container_of_the_name_is_kept(node: Node) -> None:
    create(CreateRequest("thesis", image=IMAGE), node.context)
    with pytest.raises(MlcError, match="has a container thesis"):
        node.run()
    assert len(node.engine.made) == 1


def test_containers_of_killed_steps_are_removed_by_the_next_job(node: Node) -> None:
    own = this_process()
    boot, pid, started = own.split()
    gone = (f"other-boot {pid} {started}", f"{boot} 4194305 1", f"{boot} {pid} 1", "nonsense")
    # An image saved from a job's container has its labels, empty: so do its own containers.
    node.engine.create_container(
        ContainerSpecification("saved._.1002", IMAGE, labels={labels.STEP: "", labels.JOB: ""})
    )
    # One that docker made from an image that docker committed has even their values.
    committed = {labels.STEP: gone[0], labels.SERVICE: "c1._.1002"}
    node.engine.create_container(ContainerSpecification("docker-run", IMAGE, labels=committed))
    for number, step in enumerate((own, *gone)):
        name = f"c{number}._.1002"
        given = {labels.STEP: step, labels.SERVICE: name}
        node.engine.create_container(ContainerSpecification(name, IMAGE, labels=given))

    def look() -> None:
        names = {each.specification.name for each in node.engine.made.values()}
        assert names == {"c0._.1002", "saved._.1002", "docker-run", NAME}
        [made] = [e for e in node.engine.made.values() if e.specification.name == NAME]
        node.engine.stop(made.id)

    node.events = [look]
    node.run()
    names = {each.specification.name for each in node.engine.made.values()}
    assert names == {"c0._.1002", "saved._.1002", "docker-run"}
