"""A command of mlc's on the node of a job: Slurm's srun is a shell here."""

from __future__ import annotations

import os
import shlex

import pytest

from mlc_patched.cluster.interface import Step
from mlc_patched.containers import on_node
from mlc_patched.containers.on_node import run_on_node, said_on_node
from mlc_patched.context import Context
from mlc_patched.errors import MlcError

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
        ("srun: error: n1: tasks 0,2-4: Exited with exit code 1\n", ""),
        ("Error: full\nsrun: error: n1: task 0: Exited with exit code 3\n", "Error: full\n"),
        ("srun: error: Unable to create step\n", "srun: error: Unable to create step\n"),
        ("Password: ", "Password: "),
        ("srun: err", "srun: err"),
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


def test_what_a_command_printed_on_the_node_is_returned(context: Context) -> None:
    script = 'cat; echo note >&2; printf "%s," "$@"'
    assert said_on_node(step(script), ("slurm-save", "a"), context) == "slurm-save,a,"


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (
            "printf 'a note\\nError: it is full.\\nsrun: error: n1: task 0: Exited' >&2; exit 1",
            "On n1: .*Error: it is full.$",
        ),
        ("echo 'srun: error: node n1 is down' >&2; exit 1", "On n1: .*node n1 is down"),
    ],
    ids=["of mlc", "of srun alone"],
)
def test_a_failure_on_the_node_has_its_reason(context: Context, script: str, message: str) -> None:
    with pytest.raises(MlcError, match=f"(?s){message}") as failed:
        said_on_node(step(script), (), context)
    assert "Exited" not in str(failed.value)
