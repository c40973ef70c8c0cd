"""What doctor says of a cluster, and of a node of Slurm's."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from support.fakes.engine import FakeEngine
from support.fakes.slurm import AWAY, FakeSlurm
from support.nvidia_smi import Gpu, Mig, NvidiaSmi

from mlc_patched.cluster.slurm import scheduler
from mlc_patched.context import Context
from mlc_patched.maintenance.checks import Finding, Health, Machine
from mlc_patched.maintenance.checks_cluster import cluster, node
from mlc_patched.settings.model import SLURM, SWARM, Settings


@pytest.fixture
def slurm(context: Context, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    made = FakeSlurm()
    monkeypatch.setattr(scheduler, "call", made.call)
    context.__dict__["settings"] = Settings(cluster_engine=SLURM, registry="registry:5000")
    return made


def machine(context: Context) -> Machine:
    return Machine(context, context.engine.info())


def of_node(context: Context) -> dict[str, Finding]:
    return {each.name: each for each in node(machine(context))}


def test_without_a_cluster_nothing_is_said(context: Context) -> None:
    assert cluster(machine(context)) == ()


def test_a_setting_that_cannot_be_is_broken(context: Context) -> None:
    context.__dict__["settings"] = Settings(cluster_engine=SWARM)
    found = cluster(machine(context))
    assert isinstance(found, Finding)
    assert found.health is Health.BROKEN
    assert "cluster.engine is swarm" in found.text


def test_a_swarm_is_shown(context: Context, fake: FakeEngine) -> None:
    fake.swarm.join("server-1", gpus=2)
    found = cluster(machine(context))
    assert isinstance(found, Finding)
    assert found.text == "Docker Swarm, 1 nodes, 2 GPUs (cluster.engine = auto)"
    fake.swarm.change("server-1", state="down")
    found = cluster(machine(context))
    assert isinstance(found, Finding)
    assert found.health is Health.WARNING
    assert "not available: server-1" in found.text


def test_slurm_is_shown_and_what_keeps_it_away(context: Context, slurm: FakeSlurm) -> None:
    found = cluster(machine(context))
    assert isinstance(found, Finding)
    assert found.text.startswith("Slurm, 2 nodes, 2 GPUs")
    slurm.reason = AWAY
    found = cluster(machine(context))
    assert isinstance(found, Finding)
    assert found.health is Health.BROKEN
    assert of_node(context)["node"].health is Health.BROKEN


def test_a_node_is_found_by_its_host(
    context: Context, slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "n2.lab")
    found = of_node(context)
    assert found["node"].text == "n2 answers, with 1 GPUs for jobs"
    assert found["node registry"].health is Health.OK
    monkeypatch.setattr(socket, "gethostname", lambda: "other")
    assert "has no node other; it has n1, n2" in of_node(context)["node"].text
    context.__dict__["settings"] = Settings(cluster_engine=SLURM)
    assert of_node(context)["node registry"].health is Health.WARNING


def test_where_slurm_is_not_set_up_there_is_no_node(context: Context) -> None:
    context.__dict__["settings"] = Settings(cluster_engine=SWARM)
    (found,) = node(machine(context))
    assert (found.health, found.text) == (Health.BROKEN, "Slurm is not set up on this host")


@pytest.mark.parametrize(
    ("gpus", "health"),
    [
        ((), Health.OK),
        ((Gpu(0),), Health.OK),
        ((Gpu(0), Gpu(1)), Health.WARNING),
        ((Gpu(0, mig=(Mig(2), Mig(3))),), Health.OK),  # Slurm gives the parts
    ],
)
def test_gpus_that_slurm_does_not_give_are_said(
    context: Context,
    slurm: FakeSlurm,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    gpus: tuple[Gpu, ...],
    health: Health,
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "n1")
    smi = NvidiaSmi(tmp_path)
    smi.set(*gpus)
    context.environ = {**context.environ, "PATH": f"{smi.place}:{context.environ['PATH']}"}
    found = of_node(context)["node"]
    assert found.health is health
    if health is Health.WARNING:
        assert found.text == "Slurm gives 1 GPUs of n1, nvidia-smi shows 2"


@pytest.mark.parametrize(("state", "word"), [("drained", "drained"), ("down*", "down")])
def test_a_node_that_takes_no_jobs_is_broken(
    context: Context, slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch, state: str, word: str
) -> None:
    def call(context: Context, program: str, *arguments: str, **more: str) -> str:
        return f"n1|{state}|gpu:1|n1.lab\n"

    monkeypatch.setattr(scheduler, "call", call)
    monkeypatch.setattr(socket, "gethostname", lambda: "n1")
    found = of_node(context)["node"]
    assert (found.health, found.text) == (Health.BROKEN, f"n1 is {word}")
    assert "State=RESUME" in (found.remedy or "")
