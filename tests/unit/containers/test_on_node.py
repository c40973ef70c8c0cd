"""A command of mlc's on the node of a job: Slurm's srun is a shell here."""

from __future__ import annotations

import pytest

from mlc_patched.cluster.interface import Step
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
