"""Doctor on GPUs that several users share."""

from __future__ import annotations

import grp
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.fakes.engine import FakeEngine
from support.findings import assert_finding
from support.nvidia_smi import Gpu, Mig, NvidiaSmi
from support.settings import with_settings

from mlc_patched.engine.address import EngineAddress
from mlc_patched.engine.specification import ContainerSpecification
from mlc_patched.maintenance.checks import Machine
from mlc_patched.maintenance.checks_gpus import shared_gpus


@pytest.fixture
def smi(machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NvidiaSmi:
    found = NvidiaSmi(tmp_path)
    found.set(Gpu(0), Gpu(1))
    environ = machine.context.environ
    machine.context.environ = {**environ, "PATH": f"{found.place}:{environ['PATH']}"}
    monkeypatch.setattr(grp, "getgrnam", lambda name: SimpleNamespace(gr_mem=["alice"]))
    return found


def add_container(fake: FakeEngine, user: str) -> None:
    image = fake.add_image("base:1")
    labels = {"aime.mlc": user}
    fake.create_container(ContainerSpecification(f"c._.{user}", image.id, labels=labels))


def test_free_is_recommended_for_several_gpus_and_users(
    machine: Machine, fake: FakeEngine, smi: NvidiaSmi
) -> None:
    add_container(fake, "alice")
    assert_finding(shared_gpus(machine), "ok", "2, for one user")
    add_container(fake, "bob")
    found = shared_gpus(machine)
    assert_finding(found, "warning", "2 GPUs for 2 users")
    assert "assign = free and default = 1" in found.remedy
    smi.set(Gpu(0))
    assert shared_gpus(machine) == ()
    smi.set(Gpu(0, mig=[Mig(1), Mig(2), Mig(3)]))
    assert_finding(shared_gpus(machine), "warning", "3 GPUs for 2 users")


@pytest.mark.parametrize(
    ("more", "health", "words"),
    [
        ("", "warning", "without -g a container asks for every GPU"),
        ("default = 1", "ok", "one container at a time"),
        ("largest = 1", "ok", "one container at a time"),
    ],
)
def test_free_needs_another_default_than_all(
    machine: Machine, smi: NvidiaSmi, tmp_path: Path, more: str, health: str, words: str
) -> None:
    with_settings(machine.context, f"[gpus]\nassign = free\n{more}\n", tmp_path)
    assert_finding(shared_gpus(machine), health, words)


def test_what_free_needs_and_is_missing(machine: Machine, smi: NvidiaSmi, tmp_path: Path) -> None:
    with_settings(machine.context, "[gpus]\nassign = free\n", tmp_path)
    smi.fail()
    assert_finding(shared_gpus(machine), "broken", "couldn't communicate with the NVIDIA driver")
    smi.program.unlink()
    assert_finding(shared_gpus(machine), "broken", "nvidia-smi, which shows what is free")


def test_nothing_is_said_without_gpus_or_of_a_remote_engine(
    machine: Machine, smi: NvidiaSmi
) -> None:
    smi.program.unlink()
    assert shared_gpus(machine) == ()
    smi.set(Gpu(0), Gpu(1))
    machine.context.__dict__["address"] = EngineAddress("ssh://me@gpu2", "gpu2")
    assert shared_gpus(machine) == ()
