"""Committed images whose containers are gone."""

from __future__ import annotations

import pytest
from support.fakes.engine import FakeEngine

from mlc_patched.context import Context
from mlc_patched.engine.observations import Layer
from mlc_patched.maintenance.orphans import own_orphans, retire_orphans
from mlc_patched.names.labels import Claim, claim_labels

OURS = claim_labels(Claim(1001, 2001, "alice"))


def test_an_orphan_frees_its_own_layers_and_all_of_them_free_shared_layers_once(
    context: Context, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The size in the engine's list, which may include compressed layers, is not what is freed."""
    layers = {"base:latest": ("b",), "base:one._.1001": ("b", "1"), "base:two._.1001": ("b", "2")}
    for name, digests in layers.items():
        fake.add_image(name, OURS, layers=digests, size=9_999)
    sizes = {"b": 1000, "1": 30, "2": 4}

    def history(image: str) -> list[Layer]:
        found = fake.image(image)
        assert found is not None
        return [Layer("RUN", sizes[each]) for each in reversed(found.layers)]

    monkeypatch.setattr(fake, "history", history)
    orphans = own_orphans(context)
    assert [each.reclaimed for each in orphans.items] == [30, 4]
    assert orphans.reclaimed == 34
    fake.remove_image("base:latest")
    assert [each.reclaimed for each in own_orphans(context).items] == [30, 4]
    assert own_orphans(context).reclaimed == 1034
    assert retire_orphans(own_orphans(context), context).reclaimed == 1034
