"""Waiting for what was submitted to a cluster."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from support.recording_reporter import RecordingReporter

from mlc_patched.cluster import wait
from mlc_patched.cluster.interface import Found
from mlc_patched.cluster.state import ENDED, LOST, PLACING, QUEUED, RUNNING, STARTING, ServiceState
from mlc_patched.context import Context
from mlc_patched.engine.cluster import Service
from mlc_patched.errors import EngineError, MlcError

SERVICE = Service("7", "it-1001", "image", {})
OTHER = Found(Service("8", "other-1001", "image", {}), ServiceState(RUNNING, "running"))


class Cluster:
    """A cluster where a service has one state after the other; None is that it is gone."""

    name = "Docker Swarm"

    def __init__(self, *states: ServiceState | None) -> None:
        self.states = list(states)
        self.pauses: list[float] = []
        self.cancelled: list[str] = []
        self.refusals = 0

    def entries(self, is_wanted: Callable[[Service], bool]) -> list[Found]:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        found = [OTHER, *([Found(SERVICE, state)] if state else [])]
        return [each for each in found if is_wanted(each.service)]

    def cancel(self, identity: str) -> None:
        if self.refusals:
            self.refusals -= 1
            raise EngineError("busy")
        self.cancelled.append(identity)


@pytest.fixture
def run(context: Context, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Cluster]:
    """Return a function that has the context use a cluster of these states."""
    context.report = RecordingReporter()

    def begin(*states: ServiceState | None) -> Cluster:
        made = Cluster(*states)
        monkeypatch.setattr(wait, "scheduler_of", lambda context: made)
        clock = SimpleNamespace(sleep=made.pauses.append, monotonic=lambda: sum(made.pauses))
        monkeypatch.setattr(wait, "time", clock)
        monkeypatch.setattr("mlc_patched.undo._PAUSE", 0)
        return made

    return begin


Begin = Callable[..., Cluster]
PLACES = ServiceState(PLACING, "looking for a node")
PULLS = ServiceState(STARTING, "pulling the image", node="n1")
WAITS = ServiceState(QUEUED, "waiting for a GPU, 1 ahead")
RUNS = ServiceState(RUNNING, "running", node="n1")


def test_what_starts_is_waited_for_and_each_status_reported_once(
    context: Context, run: Begin
) -> None:
    run(PLACES, PULLS, PULLS, RUNS)
    found = wait.wait_while_starting(Found(SERVICE, PLACES), "it", context)
    assert found.state == RUNS
    assert context.report.said == ["[it] looking for a node", "[it] pulling the image"]


def test_what_waits_for_a_node_is_not_waited_for(context: Context, run: Begin) -> None:
    cluster = run(WAITS)
    assert wait.wait_while_starting(Found(SERVICE, WAITS), "it", context).state == WAITS
    assert wait.wait_while_starting(Found(SERVICE, PLACES), "it", context).state == WAITS
    assert len(cluster.pauses) == 1


def test_what_has_ended_or_was_removed_before_it_was_asked_for_is_an_error(
    context: Context, run: Begin
) -> None:
    for waiting in (
        lambda: wait.look("7", "it", context),
        lambda: wait.wait_while_starting(Found(SERVICE, PLACES), "it", context),
        lambda: wait.wait_until_running("7", "it", context),
    ):
        run(None)
        with pytest.raises(
            MlcError,
            match=r"it is no longer on the cluster: it has ended, or another .*container-list",
        ):
            waiting()


def test_a_place_is_waited_for_but_not_forever(context: Context, run: Begin) -> None:
    run(PLACES, PLACES, WAITS)
    assert wait.wait_until_placed("7", "it", context) == WAITS
    run(PLACES)
    assert wait.wait_until_placed("7", "it", context) == PLACES


def test_a_queue_is_asked_less_and_less_often_until_something_changes(
    context: Context, run: Begin
) -> None:
    cluster = run(*[WAITS] * 30, PULLS, RUNS)
    assert wait.wait_until_running("7", "it", context) == RUNS
    assert context.report.said == ["[it] waiting for a GPU, 1 ahead", "[it] pulling the image"]
    *queued, pulled = cluster.pauses
    assert queued == sorted(queued)
    assert queued[-1] == 2
    assert pulled == queued[0]


@pytest.mark.parametrize("state", [ENDED, LOST])
def test_what_cannot_run_is_removed(context: Context, run: Begin, state: str) -> None:
    cluster = run(PULLS, ServiceState(state, "ended: no such image"))
    cluster.refusals = 1
    with pytest.raises(MlcError, match=r"run: ended: no such image\. It was"):
        wait.wait_until_running("7", "it", context)
    assert cluster.cancelled == ["7"]
    cluster.name = "Slurm"
    with pytest.raises(MlcError, match=r"Its messages are in ~/.mlc-slurm-7.log until: container-"):
        wait.wait_until_running("7", "it", context)
