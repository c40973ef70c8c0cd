"""A command of mlc's on the node of a job: Slurm's srun is a shell here."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.recording_reporter import RecordingReporter

from mlc_patched.cluster.interface import Step
from mlc_patched.containers import on_node
from mlc_patched.containers.on_node import (
    interrupted_with_input,
    run_on_node,
    said_on_node,
    watch_on_node,
)
from mlc_patched.context import Context
from mlc_patched.errors import MlcError, Terminated

ENDED = (
    "slurmstepd-n1: error: *** STEP 18.1 ON n1 CANCELLED AT 2026-11-29T09:04:53 ***\n"
    "srun: error: n1: task 0: Killed\n"
)
"""What srun says once its step was ended, by the caller or by somebody else."""
ENVIRON = {"PATH": "/usr/bin:/bin", "OF": "the job"}


def step(script: str) -> Step:
    """Return a step whose script has mlc's words as its arguments."""
    return Step("n1", ("sh", "-c", script, "srun"), ("false",), ENVIRON)


def test_a_command_runs_on_the_node_with_the_jobs_environment(
    context: Context, capfd: pytest.CaptureFixture[str]
) -> None:
    script = 'printf "%s\\n" "$OF" "$@"; exit 3'
    assert run_on_node(step(script), ("open", "a b", "-s"), context) == 3
    assert capfd.readouterr().out.splitlines() == ["the job", "open", "a b", "-s"]


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        ("srun: error: n1: task 0: Exited with exit code 3\n", ""),
        ("srun: error: n1: task 0: Exited with exit code 3\r\n", ""),
        ("srun: error: n1: tasks 0,2-4: Exited with exit code 1\n", ""),
        ("Error: full\nsrun: error: n1: task 0: Exited with exit code 3\n", "Error: full\n"),
        ("srun: error: Unable to create step\n", "srun: error: Unable to create step\n"),
        ("Password: ", "Password: "),
        ("srun: err", "srun: err"),
        (ENDED,) * 2,  # not by the caller
        (f"{ENDED}more\n",) * 2,
        ("1 %\r2 %\rdone\n\nüml", "1 %\r2 %\rdone\n\nüml"),
        ("> srun: error: n1: task 0: Exited with exit code 3\n",) * 2,
    ],
)
@pytest.mark.parametrize("between", ["", "; sleep 0.01"])
def test_what_it_says_is_shown_as_it_comes_without_sruns_line_on_its_exit_status(
    context: Context,
    capfd: pytest.CaptureFixture[str],
    printed: str,
    shown: str,
    between: str,
) -> None:
    pieces = [printed] if not between else [printed[:9], printed[9:]]
    words = between.join(f"; printf %s {shlex.quote(each)} >&2" for each in pieces)
    run_on_node(step(f":{words}"), (), context)
    assert capfd.readouterr().err == shown


def test_a_command_whose_messages_nobody_reads_any_more_ends(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in `mlc exec NAME -- … 2>&1 | head`; its pipe holds 64 KiB."""
    read, write = os.pipe()
    os.close(read)
    monkeypatch.setattr(on_node, "_STANDARD_ERROR", write)
    script = "trap '' PIPE; head -c 1000000 /dev/zero >&2 || exit 4"
    assert run_on_node(step(script), (), context) == 4
    os.close(write)


def test_a_command_ended_by_a_signal_has_a_shells_exit_status(context: Context) -> None:
    assert run_on_node(step("kill -TERM $$"), (), context) == 143


@pytest.fixture
def given() -> Iterator[None]:
    """Standard input with a line that is the caller's."""
    read, write = os.pipe()
    os.write(write, b"a line\n")
    os.close(write)
    kept = os.dup(0)
    os.dup2(read, 0)
    os.close(read)
    yield
    os.dup2(kept, 0)
    os.close(kept)


def test_only_a_command_that_reads_has_the_callers_input(
    given: None, context: Context, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_on_node(step("cat; exit 3"), (), context, reads=False) == 3
    assert watch_on_node(step("cat; exit 3"), (), context) == 3
    assert capfd.readouterr().out == ""
    assert run_on_node(step("cat; exit 3"), (), context) == 3
    assert capfd.readouterr().out == "a line\n"


def test_ctrl_c_ends_what_is_watched(context: Context, capfd: pytest.CaptureFixture[str]) -> None:
    said = f"printf {shlex.quote(ENDED)} >&2"
    ends = f'trap "echo ended >&2; {said}; kill \\$!; exit 1" TERM; sleep 60 &'
    script = f"{ends} sleep 0.3; kill -INT $PPID; wait"
    with pytest.raises(KeyboardInterrupt):
        watch_on_node(step(script), (), context)
    assert capfd.readouterr().err == "ended\n"


def test_what_a_command_printed_on_the_node_is_returned(context: Context) -> None:
    context.report = RecordingReporter()
    script = 'echo note >&2; echo "Warning: a is stopped" >&2; printf "%s," "$@"'
    assert said_on_node(step(script), ("slurm-save", "a"), "it", context) == "slurm-save,a,"
    assert context.report.said == ["a is stopped"]


@pytest.mark.parametrize(
    ("script", "message"),
    [("exit 143", ""), ("exit 0", "Interrupted, but saving it was complete and was not rolled")],
)
def test_an_interrupt_ends_the_commands_input_and_waits_until_it_has_rolled_back(
    context: Context, tmp_path: Path, script: str, message: str
) -> None:
    """The terminal's signals do not reach it: at the first one, srun would kill the command."""
    context.report = RecordingReporter()
    script = f"touch {tmp_path}/begun; cat; sleep 0.3; touch {tmp_path}/ended; {script}"

    def interrupt() -> None:
        while not (tmp_path / "begun").exists():
            time.sleep(0.01)
        signal.pthread_kill(main, signal.SIGINT)

    main = threading.get_ident()
    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt) as interrupted:
        said_on_node(step(script), (), "saving it", context)
    assert (tmp_path / "ended").exists()
    assert getattr(interrupted.value, "message", "").startswith(message)
    assert "Slurm cannot stop saving it; waiting to roll it back" in context.report.said[0]


def test_an_interrupt_while_srun_is_started_waits_for_it_too(
    context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(subprocess.Popen):
        def __init__(self, *arguments: object, **options: object) -> None:
            super().__init__(*arguments, **options)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        said_on_node(step(f"cat; touch {tmp_path}/ended"), (), "saving it", context)
    assert (tmp_path / "ended").exists()


def test_a_command_on_the_node_is_interrupted_when_its_input_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def terminate(number: int, frame: object) -> None:
        raise Terminated(number)

    read, write = os.pipe()
    monkeypatch.setattr(on_node, "_STANDARD_INPUT", read)
    before = signal.signal(signal.SIGTERM, terminate)
    try:
        with interrupted_with_input():
            pass
        with pytest.raises(Terminated), interrupted_with_input():
            os.close(write)
            time.sleep(10)
    finally:
        signal.signal(signal.SIGTERM, before)
        os.close(read)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (
            "printf 'a note\\nError: it is full.\\nsrun: error: n1: task 0: Exited' >&2; exit 1",
            "On n1: .*Error: it is full.$",
        ),
        ("echo 'srun: error: node n1 is down' >&2; exit 1", "On n1: .*node n1 is down"),
        (
            """echo Push >&2; echo '{"error": {"message": "It is full.", "hint": null}}'; exit 1""",
            "^On n1: It is full.$",
        ),
        (
            """echo '{"error": {"message": "It is full.", "hint": "See: df"}}'; exit 1""",
            "^On n1: It is full. See: df$",
        ),
        ("echo '{}'; echo 'Error: full' >&2; exit 1", "On n1: Error: full"),
    ],
    ids=["of mlc", "of srun alone", "as JSON", "with a hint", "of another version"],
)
def test_a_failure_on_the_node_has_its_reason(context: Context, script: str, message: str) -> None:
    with pytest.raises(MlcError, match=f"(?s){message}") as failed:
        said_on_node(step(script), (), "it", context)
    assert "Exited" not in str(failed.value)
