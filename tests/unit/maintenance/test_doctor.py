"""Run all checks and repairs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.fakes.engine import FakeEngine
from support.findings import INFO, assert_finding
from support.recording_reporter import RecordingReporter
from support.run_command import call

from mlc_patched.context import Context
from mlc_patched.engine.interface import Image
from mlc_patched.engine.specification import ContainerSpecification
from mlc_patched.errors import EngineError
from mlc_patched.maintenance import checks_settings as settings
from mlc_patched.maintenance import doctor, prune
from mlc_patched.maintenance.checks import Health, Machine
from mlc_patched.names import labels
from mlc_patched.names.labels import Claim, claim_labels

SETUP = {labels.SETUP_FOR: "it._.1001"}
OURS = claim_labels(Claim(1001, 2001, "alice"))


def _fail() -> None:
    raise EngineError("it is busy")


def test_doctor_repairs_only_set_up_containers(
    context: Context, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two days later: the set-up container is removed, the committed image is left to its user."""
    image = fake.add_image("base:gone._.1001", OURS)
    setup = ContainerSpecification(
        name="mlc-setup-1001-0123456789ab", image=fake.add_image("base").id, labels=SETUP
    )
    fake.create_container(setup)
    fake.create_container(ContainerSpecification(name="mlc-setup-1001-mine", image=image.id))
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 2 * prune.DAY)
    found = [each for each in doctor.doctor(context) if each.repair]
    assert [each.text for each in found] == ["1 set-up containers older than a day"]
    context.report = RecordingReporter()
    with monkeypatch.context() as failing:
        failing.setattr(fake, "remove_container", lambda name: _fail())
        doctor.repair(found, context)
    assert context.report.said == [f"Kept: {setup.name}: it is busy"]
    doctor.repair(found, context)
    assert [each.name for each in fake.containers()] == ["mlc-setup-1001-mine"]
    assert fake.image("base:gone._.1001") is not None


def test_settings_that_cannot_be_read_stop_no_other_check(context: Context, tmp_path: Path) -> None:
    file = tmp_path / "settings"
    file.write_text("[nonsense\n")
    context.environ = {**context.environ, "DS01_SETTINGS": str(file)}
    del context.__dict__["host"]
    outcome = call(["mlc", "doctor"], context)
    assert (outcome.code, outcome.out.count(str(file))) == (1, 1), outcome
    found = {each.name: each for each in doctor.doctor(context)}
    assert found["settings"].health is Health.BROKEN
    assert str(file) in found["settings"].text
    file.write_text("[images]\nold_flow = no\n")
    assert_finding(settings.settings(Machine(context, INFO)), "warning", "legacy_flow")
    assert {"engine", "workspace", "leftovers", "completion"} <= set(found)


def test_an_engine_that_stops_answering_is_reported_once(
    context: Context, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**options: object) -> Iterator[Image]:
        raise EngineError("gone")

    monkeypatch.setattr(fake, "find_images", refuse)
    found = [each for each in doctor.doctor(context) if each.health is Health.BROKEN]
    assert [(each.name, each.text) for each in found if each.name == "engine"] == [
        ("engine", "it stopped answering: gone")
    ]
