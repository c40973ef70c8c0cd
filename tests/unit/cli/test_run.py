"""mlc run on the command line: here, with the command's exit status, or as a job of Slurm."""

from __future__ import annotations

import json

import pytest
from support.accounts import PASSWD, THESIS_LABELS
from support.fakes.engine import FakeEngine
from support.fakes.slurm import FakeJob, FakeSlurm
from support.run_command import Outcome, call

from mlc_patched.cluster.slurm import scheduler
from mlc_patched.context import Context
from mlc_patched.settings.model import SLURM, Settings


@pytest.fixture
def thesis(fake: FakeEngine) -> FakeEngine:
    """An engine with the image of alice's project."""
    fake.add_image("ds01-1001/thesis", THESIS_LABELS, PASSWD)
    return fake


def test_a_command_runs_here_and_leaves_nothing(
    thesis: FakeEngine, context: Context, client: None, capfd: pytest.CaptureFixture[str]
) -> None:
    argv = ["mlc", "run", "thesis", "--", "sh", "-c", 'echo "$1"; exit 4', "sh", "a  b"]
    done = call(argv, context)
    assert (done.code, capfd.readouterr().out) == (4, "a  b\n")
    assert thesis.made == {}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "mlc run PROJECT -- COMMAND"),
        (["thesis"], "mlc run PROJECT -- COMMAND"),
        (["thesis", "--json", "--", "true"], "is all there is. Leave out --json."),
        (["thesis", "-q", "--", "true"], "is all there is. Leave out -q."),
        (["thesis", "--array", "0-3", "--", "true"], "--array: only with Slurm"),
    ],
)
def test_what_cannot_run_here_is_refused(
    thesis: FakeEngine, context: Context, client: None, words: list[str], message: str
) -> None:
    done = call(["mlc", "run", *words], context)
    assert (done.code, message in done.err) == (2, True), done
    assert thesis.made == {}


@pytest.fixture
def slurm(thesis: FakeEngine, context: Context, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    """A cluster of one node."""
    made = FakeSlurm(("n1",))
    monkeypatch.setattr(scheduler, "call", made.call)
    context.__dict__["settings"] = Settings(cluster_engine=SLURM)
    return made


def submit(context: Context, *flags: str) -> Outcome:
    done = call(["mlc", "run", "thesis", "-g", "1", *flags, "--", "python3", "a.py"], context)
    assert done.code == 0, done
    return done


def test_a_job_is_submitted_with_all_that_its_user_needs(
    slurm: FakeSlurm, context: Context
) -> None:
    first = submit(context).out
    assert first.startswith("[thesis-run-1] submitted as job 1, running")
    assert f"{context.account.home}/workspace/thesis-run-1.out" in first
    assert "scancel 1" in first
    assert submit(context).out.startswith("[thesis-run-2] submitted as job 2, waiting")
    assert submit(context, "-q").out == "3\n"
    found = json.loads(submit(context, "--json").out)["run"]
    assert (found["id"], found["name"], found["is_array"]) == ("4", "thesis-run-4", False)


def test_an_array_has_one_output_for_each_task(slurm: FakeSlurm, context: Context) -> None:
    said = submit(context, "--array", "0-3").out
    assert said.startswith("[thesis-run-1] submitted as job 1.\n")
    assert "thesis-run-1_TASK.out" in said


def test_a_job_that_has_ended_by_then_was_submitted_all_the_same(
    slurm: FakeSlurm, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = slurm.add

    def add_and_end(*arguments: object) -> FakeJob:
        job = add(*arguments)  # type: ignore[arg-type]
        del slurm.jobs[job.number]
        return job

    monkeypatch.setattr(slurm, "add", add_and_end)
    assert submit(context).out.startswith("[thesis-run-1] submitted as job 1.\n")
