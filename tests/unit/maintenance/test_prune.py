"""Remove leftovers."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from support.accounts import account_image
from support.fakes.engine import FakeEngine

from mlc_patched.context import Context
from mlc_patched.engine.interface import Image
from mlc_patched.engine.specification import ContainerSpecification
from mlc_patched.errors import UsageError
from mlc_patched.maintenance import doctor, prune
from mlc_patched.maintenance.leftovers import Kind
from mlc_patched.maintenance.orphans import list_orphans, own_orphans, retire_orphans
from mlc_patched.names import labels
from mlc_patched.names.labels import Claim, claim_labels

SETUP = {labels.SETUP_FOR: "it._.1001"}
OURS = claim_labels(Claim(1001, 2001, "alice"))


def committed(fake: FakeEngine, name: str, labels: dict[str, str], **config: object) -> Image:
    """Add an image as the legacy flow commits one."""
    image = fake.add_image(name, labels, **config)
    fake.images[image.id].comment = "mlc create gone._.1001"
    return image


def test_account_images_are_shown_and_removed_by_their_user(
    context: Context, fake: FakeEngine
) -> None:
    """By image-list and image-retire, too. Their bases no longer have a name."""
    own, other = account_image(), account_image(1002)
    fake.add_image(own.references[0], own.labels, size=10)
    fake.add_image(other.references[0], other.labels)
    found = list_orphans(context).items
    assert {each.image for each in found} == {*own.references, *other.references}
    (orphan,) = own_orphans(context).items
    assert (orphan.image, orphan.container, orphan.uid) == (own.references[0], "", 1001)
    found = [each for each in doctor.doctor(context) if each.name == "leftovers"]
    assert [each.text for each in found] == ["1 images that no container uses, 10B to be freed"]
    pruned = prune.prune(prune.find(context), context)
    assert (pruned.removed, pruned.frees) == (own.references, 10)
    fake.add_image(own.references[0], own.labels)
    assert retire_orphans(own_orphans(context), context).removed == own.references
    assert fake.image(other.references[0]) is not None


def test_an_image_that_only_its_digest_names_is_nameless(
    context: Context, fake: FakeEngine
) -> None:
    """As a fetch leaves one if the engine goes away, once the image has been retired."""
    image = committed(fake, "ds01-1001/p:latest", OURS)
    fake.tag_image(image.id, "registry:5000/ds01-1001/p", "latest")
    digest = fake.registry().push("registry:5000/ds01-1001/p:latest", lambda line: None)
    fake.pull(f"registry:5000/ds01-1001/p@{digest}", lambda line: None)
    fake._untag("registry:5000/ds01-1001/p:latest")
    fake.remove_image("ds01-1001/p:latest")
    found = prune.find(context, older_than=0)
    assert [each.kind for each in found.items] == [Kind.NAMELESS]
    prune.prune(found, context)
    assert fake.image(image.id) is None


def test_only_root_may_prune_for_all_users(
    context: Context, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under sudo, too, where the account is the calling user's."""
    committed(fake, "base:gone._.1002", claim_labels(Claim(1002, 1002, "bob")))
    monkeypatch.setattr(os, "geteuid", lambda: 1001)
    with pytest.raises(UsageError, match="root"):
        prune.find(context, all_users=True)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr("mlc_patched.host.files.is_root_for", lambda account: False)
    assert prune.find(context).items == ()
    assert [each.uid for each in prune.find(context, all_users=True).items] == [1002]


def test_images_that_have_come_into_use_are_kept(context: Context, fake: FakeEngine) -> None:
    image = committed(fake, "base:gone._.1001", OURS, size=10)
    committed(fake, "base:free._.1001", OURS, size=5)
    found = prune.find(context)
    assert found.frees == 15
    fake.create_container(ContainerSpecification(name="now", image=image.id))
    pruned = prune.prune(found, context)
    assert pruned.removed == ("base:free._.1001",)
    assert pruned.kept == ("base:gone._.1001: a container uses it by now",)
    assert pruned.frees == 5
    assert fake.image("base:gone._.1001") is not None


def test_an_image_with_another_name_frees_nothing(context: Context, fake: FakeEngine) -> None:
    image = committed(fake, "base:gone._.1001", OURS, size=10)
    fake.tag_image(image.id, "mine", "kept")
    found = prune.find(context)
    assert [(each.name, each.frees) for each in found.items] == [("base:gone._.1001", 0)]
    prune.prune(found, context)
    assert fake.image("mine:kept") is not None


def test_young_set_ups_are_left_alone(context: Context, fake: FakeEngine) -> None:
    image = fake.add_image("base")
    name = "mlc-setup-1001-0123456789ab"
    fake.create_container(ContainerSpecification(name=name, image=image.id, labels=SETUP))
    assert prune.find(context).items == ()
    assert [each.name for each in prune.find(context, older_than=-5).items] == [name]


def test_prune_goes_on_until_no_image_without_a_name_is_found(
    context: Context, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image that another is built on is found only once that one is gone."""
    # As in containerd's image store: the images below one are not removed with it.
    monkeypatch.setattr(fake, "remove_image", fake.images.pop)
    below = committed(fake, "x:1", OURS, created="2020-01-01T00:00:00Z")
    steps = [below.id]
    for number in range(2, 5):
        step = committed(fake, f"x:{number}", OURS, created="2020-01-01T00:00:00Z")
        fake.images[step.id].parent = steps[-1]
        steps.append(step.id)
    for each in steps:
        image = fake.images[each]
        image.image = replace(image.image, references=())
    found = prune.find(context)
    assert [each.id for each in found.items] == steps[-1:]
    pruned = prune.prune(found, context)
    assert set(pruned.removed) == set(steps)
    assert not fake.images
    assert prune.find(context).items == ()
