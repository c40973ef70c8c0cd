"""Slurm's jobs, by its commands."""

from __future__ import annotations

import pytest
from support.slurm_queue import line, marked

from mlc_patched.cluster.slurm import scheduler
from mlc_patched.context import Context


@pytest.mark.parametrize("now", ["7_[2-9]", "7_9"])
def test_what_waits_of_an_array_is_cancelled_though_some_has_started(
    now: str, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its ID says which tasks wait, so it changes when one starts: here it was 7_[1-9]."""
    running, other, waiting = line("7_1"), line("8", "PENDING"), line(now, "PENDING")
    called: list[tuple[str, ...]] = []

    def call(context: Context, program: str, *arguments: str) -> str:
        called.append((program, *arguments))
        cancels = [each for each in called if each[0] == "scancel"]
        lines = (running, other) if cancels else (running, other, waiting)
        return marked(*lines, mark=arguments[-1].partition("|")[0])

    monkeypatch.setattr(scheduler, "call", call)
    scheduler.SlurmScheduler(context).cancel("7_[1-9]")
    (cancel,) = (each for each in called if each[0] == "scancel")
    assert cancel == ("scancel", "--state=PENDING", "7")
