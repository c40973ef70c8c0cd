"""Committed images whose containers are gone."""

from __future__ import annotations

import pytest
from support.fakes.engine import FakeEngine

from mlc_patched.context import Context
from mlc_patched.engine.interface import Image
from mlc_patched.engine.observations import Layer
from mlc_patched.engine.specification import ContainerSpecification
from mlc_patched.errors import ConflictError, MlcError, UsageError
from mlc_patched.host.account import Account
from mlc_patched.host.locks import exclusive
from mlc_patched.maintenance.orphans import list_orphans, own_orphans, retire_orphans
from mlc_patched.names.labels import Claim, claim_labels
from mlc_patched.report import SilentReporter

OURS = claim_labels(Claim(1001, 2001, "alice"))


def committed(fake: FakeEngine, name: str, labels: dict[str, str], **config: object) -> Image:
    """Add an image as the legacy flow commits one."""
    image = fake.add_image(name, labels, **config)
    fake.images[image.id].comment = "mlc create it._.1001"
    return image


def test_an_orphan_frees_its_own_layers_and_all_of_them_free_shared_layers_once(
    context: Context, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The size in the engine's list, which may include compressed layers, is not what is freed."""
    layers = {"base:latest": ("b",), "base:one._.1001": ("b", "1"), "base:two._.1001": ("b", "2")}
    for name, digests in layers.items():
        committed(fake, name, OURS, layers=digests, size=9_999)
    sizes = {"b": 1000, "1": 30, "2": 4}

    def history(image: str) -> list[Layer]:
        found = fake.images[image]
        return [Layer("RUN", sizes[each], found.comment) for each in reversed(found.image.layers)]

    monkeypatch.setattr(fake, "history", history)
    orphans = own_orphans(context)
    assert [each.reclaimed for each in orphans.items] == [30, 4]
    assert orphans.reclaimed == 34
    fake.remove_image("base:latest")
    assert [each.reclaimed for each in own_orphans(context).items] == [30, 4]
    assert own_orphans(context).reclaimed == 1034
    assert retire_orphans(own_orphans(context), context).reclaimed == 1034


def test_one_that_is_used_by_then_is_kept_and_the_others_are_removed(
    context: Context, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = {
        name: committed(fake, f"base:{name}._.1001", OURS, layers=(name,))
        for name in ("free", "refused", "used")
    }
    found = own_orphans(context)
    fake.create_container(ContainerSpecification("new", images["used"].id))
    remove = fake.remove_image

    def remove_or_refuse(reference: str) -> None:
        if "refused" in reference:
            raise ConflictError("an image depends on it")
        remove(reference)

    monkeypatch.setattr(fake, "remove_image", remove_or_refuse)
    retired = retire_orphans(found, context)
    assert retired.removed == ("base:free._.1001",)
    assert retired.kept == (
        "base:refused._.1001: an image depends on it",
        "base:used._.1001: a container uses it by now",
    )
    assert retired.reclaimed == found.items[0].reclaimed


def test_nobody_removes_the_orphans_of_others(context: Context, fake: FakeEngine) -> None:
    fake.add_image("base:theirs._.1002", {})
    found = list_orphans(context)
    with pytest.raises(UsageError, match=r"theirs\._\.1002 is not yours"):
        retire_orphans(found, context)
    assert own_orphans(context).items == ()
    context.__dict__["account"] = Account("root", 0, 0, "/root")
    with pytest.raises(MlcError, match="by the user they were made for"):
        own_orphans(context)
    assert fake.image("base:theirs._.1002") is not None


def test_an_image_of_another_user_or_that_somebody_built_on_ours_is_none(
    context: Context, fake: FakeEngine
) -> None:
    committed(fake, "base:lie._.1001", claim_labels(Claim(1002, 1002, "bob")))
    fake.add_image("mine:test._.1001", OURS)
    committed(fake, "base:it._.1001", OURS)
    other = fake.add_image("other:1")
    fake.create_container(ContainerSpecification("it._.1001", other.id))
    assert list_orphans(context).items == ()


def test_a_create_that_has_committed_its_image_is_waited_for(
    context: Context, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed(fake, "base:it._.1001", OURS)
    remove, is_locked = fake.remove_image, []

    def look_and_remove(reference: str) -> None:
        with exclusive(context.account, "it._.1001", SilentReporter(), waits=False) as held:
            is_locked.append(not held)
        remove(reference)

    monkeypatch.setattr(fake, "remove_image", look_and_remove)
    assert retire_orphans(own_orphans(context), context).removed == ("base:it._.1001",)
    assert is_locked == [True]


def test_a_name_that_another_image_has_by_then_is_kept(context: Context, fake: FakeEngine) -> None:
    committed(fake, "base:it._.1001", OURS)
    found = own_orphans(context)
    newer = committed(fake, "base:it._.1001", OURS)
    kept = retire_orphans(found, context).kept
    assert kept == ("base:it._.1001: it is the name of another image by now",)
    assert fake.image("base:it._.1001") == newer
