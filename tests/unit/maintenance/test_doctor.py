"""Run all checks and repairs."""

from __future__ import annotations

import time

import pytest
from support.fakes.engine import FakeEngine

from mlc_patched.context import Context
from mlc_patched.engine.specification import ContainerSpecification
from mlc_patched.maintenance import doctor, prune
from mlc_patched.names import labels
from mlc_patched.names.labels import Claim, claim_labels

SETUP = {labels.SETUP_FOR: "it._.1001"}
OURS = claim_labels(Claim(1001, 2001, "alice"))


def test_doctor_repairs_only_set_up_containers(
    context: Context, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two days later: the set-up container is removed, the committed image is left to its user."""
    image = fake.add_image("base:gone._.1001", OURS)
    setup = ContainerSpecification(
        name="mlc-setup-1001-0123abcd", image=fake.add_image("base").id, labels=SETUP
    )
    fake.create_container(setup)
    fake.create_container(ContainerSpecification(name="mlc-setup-1001-mine", image=image.id))
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 2 * prune.DAY)
    found = [each for each in doctor.doctor(context) if each.repair]
    assert [each.text for each in found] == ["1 set-up containers older than a day"]
    doctor.repair(found, context)
    assert [each.name for each in fake.containers()] == ["mlc-setup-1001-mine"]
    assert fake.image("base:gone._.1001") is not None
