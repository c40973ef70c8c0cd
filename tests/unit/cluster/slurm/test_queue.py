"""Slurm's queue, and the state of a job in words."""

from __future__ import annotations

import json

import pytest
from support.slurm_queue import MARK, line, marked

from mlc_patched.cluster.slurm.queue import jobs_of, state_of
from mlc_patched.cluster.state import ENDED, LOST, PLACING, QUEUED, RUNNING, STARTING
from mlc_patched.names import labels


def said(*lines: str) -> tuple[str, str]:
    jobs = jobs_of(marked(*lines), MARK)
    state = state_of(jobs[-1], jobs)
    return state.state, state.status


def waits(reason: str, number: str = "9", **other: str) -> str:
    return line(number, "PENDING", nodes="", reason=reason, comment="(null)", **other)


def test_jobs_that_run() -> None:
    assert said(line()) == (RUNNING, "running on n1")
    assert said(line(left="1:00:00"))[1] == "running on n1, 60 min left of its time limit"
    assert said(line(left="2-03:00:00"))[1] == "running on n1, 2 days left of its time limit"
    assert said(line(left="365-00:00:00"))[1] == "running on n1"  # no limit, as it was scheduled
    assert said(line(left="364-23:59:59"))[1] == "running on n1, 364 days left of its time limit"
    assert said(line(left="30"))[1] == "running on n1, 30 s left of its time limit"
    assert said(line(state="SUSPENDED"))[1] == "suspended on n1"
    assert said(line(comment='{"request":"1"}')) == (STARTING, "starting on n1")
    pulling = json.dumps({"status": "pulling the image"})
    assert said(line(comment=pulling)) == (STARTING, "pulling the image on n1")
    failed = json.dumps({"status": "/data does not exist, so it cannot be mounted."})
    assert said(line(comment=failed)) == (STARTING, "being stopped on n1")
    # Not ended: who deploys it waits for the reason.
    assert said(line(state="COMPLETING", comment=failed)) == (STARTING, "being stopped on n1")


def test_jobs_that_wait_say_how_many_are_ahead() -> None:
    before = waits("(Resources)", "8", priority="200"), waits("(Priority)", "3")
    other = waits("(Resources)", "2", partition="cpu"), waits("(JobHeldUser)", "1")
    assert said(line(), *before, *other, waits("(Priority)")) == (
        QUEUED,
        "waiting for a GPU, 2 ahead",
    )
    assert said(waits("(Resources)", gpus="gres/gpu:a100:2"))[1] == "waiting for 2 GPUs, 0 ahead"
    assert said(waits("(Resources)", gpus="N/A"))[1] == "waiting for a node, 0 ahead"
    assert said(waits("(None)"))[0] == PLACING


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("(JobHeldUser)", "scontrol release"),
        ("(PartitionTimeLimit)", "longer than its partition allows"),
        ("(ReqNodeNotAvail, UnavailableNodes:n1)", "drained, down or reserved"),
        ("(Nodes required for job are DOWN, DRAINED or reserved)", "drained, down"),
        ("(QOSMaxGRESPerUser)", "a limit of your account or its QOS is reached"),
        ("(MaxCpuPerAccount)", "a limit of your account or its QOS is reached"),
        ("(PartitionConfig)", "waiting: it asks for more than a node of its partition has"),
        ("(QOSNotAllowed)", "never starts: its partition does not allow its QOS"),
        ("(AssocGrpGRES)", "(AssocGrpGRES)"),
        ("(Something new)", "waiting: Something new"),
    ],
)
def test_other_reasons_in_words(reason: str, words: str) -> None:
    state, status = said(waits(reason))
    assert state == QUEUED
    assert words in status


def test_jobs_that_have_ended() -> None:
    assert said(line(state="TIMEOUT")) == (ENDED, "ended on n1: its time limit was reached")
    failed = json.dumps({"status": "The registry cannot be reached."})
    assert said(line(state="FAILED", comment=failed))[1] == (
        "ended on n1: The registry cannot be reached."
    )
    assert said(line(state="FAILED"))[1] == "ended on n1: failed"
    assert said(line(state="FAILED", reason="NonZeroExitCode"))[1] == "ended on n1: failed"
    constraints = line(state="FAILED", reason="BadConstraints", nodes="(null)")
    assert said(constraints)[1] == "ended: no node has what it asks for"
    assert said(line(state="FAILED", reason="Odd"))[1] == "ended on n1: Odd"
    launch = line(state="FAILED", reason="JobLaunchFailure", comment='{"request":"1"}')
    assert said(launch)[1] == (
        "ended on n1: Slurm could not start it. Is the home there, where its output goes?"
    )
    for status in ("runs", "pulling the image"):  # so Slurm had started it
        killed = line(
            state="FAILED", reason="JobLaunchFailure", comment=json.dumps({"status": status})
        )
        assert said(killed)[1] == "ended on n1: mlc slurm-job, its process there, was killed"
    comment = json.dumps({"request": "1", "batch": "yes", labels.WORKSPACE: "/data/nosuch"})
    launch = line(state="FAILED", reason="JobLaunchFailure", comment=comment)
    assert said(launch)[1] == (
        "ended on n1: Slurm could not start it. Is /data/nosuch there, where its output goes?"
    )
    assert said(line(state="COMPLETING"))[1] == "being stopped on n1"
    state, status = said(line(state="NODE_FAIL"))
    assert state == LOST
    assert status.startswith("n1 failed")


def test_lines_of_others_that_cannot_be_read_are_left_out() -> None:
    odd = line("5", name="a|b", comment="x|y"), line("6", comment="one\ntwo | three")
    more = "garbage\n", line("12_3"), waits("(Priority)", "12_[4-9]")
    jobs = jobs_of(marked(*odd, *more), MARK)
    assert [job.id for job in jobs] == ["5", "6", "12_3", "12_[4-9]"]
    assert [dict(job.comment) for job in jobs[:2]] == [{}, {}]
    assert jobs[2].number == 12


def test_a_line_break_in_a_comment_makes_no_job() -> None:
    """Any user may write the comment of a job, so also a line that looks like a job of mine."""
    for end in ("\n", "\r", "\x0b", "\u2028"):
        forged = line("4242", name="forged._.1001").strip()
        odd = line("5", uid="65534", login="nobody", comment=f"x{end}{forged}{end}{MARK[:1]}")
        assert [job.id for job in jobs_of(marked(odd, line("6")), MARK)] == ["5", "6"]
