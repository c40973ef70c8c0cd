"""Leftovers: what prune removes, and what it never touches."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
from support.base_images import BASE
from support.fakes.engine import FakeEngine

import mlc_patched
from mlc_patched.context import Context
from mlc_patched.engine.interface import Container, Image, Layer
from mlc_patched.engine.specification import ContainerSpecification
from mlc_patched.errors import UsageError
from mlc_patched.host.account import Account
from mlc_patched.maintenance import doctor, prune
from mlc_patched.maintenance.leftover_files import left_files
from mlc_patched.maintenance.leftovers import Kind, is_labelled, left_containers, left_images
from mlc_patched.maintenance.orphans import list_orphans, own_orphans, retire_orphans
from mlc_patched.names import images as names
from mlc_patched.names import labels
from mlc_patched.names.labels import Claim, claim_labels
from mlc_patched.plan.limits import BASE_NAME

SETUP = {labels.SETUP_FOR: "it._.1001"}
OURS = claim_labels(Claim(1001, 2001, "alice"))


def container(name: str, own: dict[str, str], state: str = "exited", created: int = 0) -> Container:
    return Container(f"id-{name}", name, "img", "sha256:img", own, state, state, created)


def container_of(image: str) -> Container:
    return Container("x", "n", "img", image, {}, "exited", "", 0)


@pytest.mark.parametrize(
    ("each", "is_left"),
    [
        (container("mlc-setup-1001-0123abcd", SETUP), True),
        (container("mlc-look-1001-0123abcd", {labels.TEMPORARY: "look"}), True),
        (container("mlc-setup-1001-0123abcd", {}), False),  # not ours by label
        (container("mlc-setup-mine", SETUP), False),  # not ours by name
        (container("it._.1001", SETUP), False),  # made of an image that was committed
        (container("mlc-setup-1002-0123abcd", SETUP), False),  # another user's
        (container("mlc-setup-1001-0123abcd", SETUP, "running"), False),
        (container("mlc-setup-1001-0123abcd", SETUP, created=1000), False),  # too young
    ],
)
def test_set_up_containers_are_leftovers_by_label_name_and_age(
    each: Container, is_left: bool
) -> None:
    assert [found.id for found in left_containers([each], 1001, 500)] == [each.id] * is_left


def test_committed_images_are_the_caller_s_by_tag_and_labels() -> None:
    images = [
        Image("sha256:1", ("base:gone._.1001",), OURS),
        Image("sha256:2", ("base:aime._.1001",)),
        Image("sha256:3", ("base:lie._.1001",), {**OURS, labels.USER_ID: "5"}),
        Image("sha256:4", ("base:theirs._.1002",), OURS),
        Image("sha256:5", ("base:used._.1001",), OURS),
        Image("sha256:6", ("base:named._.1001",), OURS),
        Image("sha256:7", ("base:latest",), OURS),
        Image("sha256:8", ("base:odd._.1001",), {labels.HAS_USER_SETUP: "maybe"}),
    ]
    containers = [
        container("named._.1001", {}),
        Container("x", "other", "img", "sha256:5", {}, "exited", "", 0),
    ]
    found = left_images(images, containers, 1001, time.time())
    assert [(each.kind, each.name) for each in found] == [
        (Kind.ORPHAN, "base:gone._.1001"),
        (Kind.ORPHAN, "base:aime._.1001"),
    ]
    assert [is_labelled(each) for each in images[:2]] == [True, False]


BASE_ID = f"sha256:{'a' * 64}"


def account_image(uid: int = 1001, base: str = BASE_ID, **more: object) -> Image:
    name = ":".join(names.account_image(base, uid))
    claim = claim_labels(Claim(uid, uid, "alice"))
    return Image(f"sha256:of-{uid}", (name,), {**claim, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("images", "is_left", "is_unused"),
    [
        ([account_image()], True, True),
        ([account_image(), Image(BASE_ID, ("base:latest",))], False, True),  # a cache
        ([account_image(1002)], False, False),  # another user's
        ([account_image(**{labels.USER_ID: "5"})], False, False),  # against its labels
        ([account_image(**{labels.HAS_USER_SETUP: "false"})], False, False),  # not ours
        ([Image("sha256:of-1001", ("mlc-account-1001:mine",), OURS)], False, False),
        ([Image("sha256:of-1001", (f"x/mlc-account-1001:{'a' * 64}",), OURS)], False, False),
    ],
)
def test_an_account_image_is_a_leftover_once_its_base_has_changed(
    images: list[Image], is_left: bool, is_unused: bool
) -> None:
    for unused, expected in ((False, is_left), (True, is_unused)):
        found = left_images(images, [], 1001, time.time(), unused=unused)
        assert [each.id for each in found] == ["sha256:of-1001"] * expected
    using = container_of("sha256:of-1001")
    assert list(left_images(images, [using], 1001, time.time(), unused=True)) == []


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
    assert prune.prune(prune.find(context), context).removed == own.references
    fake.add_image(own.references[0], own.labels)
    assert retire_orphans(own_orphans(context), context).removed == own.references
    assert fake.image(other.references[0]) is not None


def test_previous_images_belong_to_projects() -> None:
    images = [
        Image("sha256:1", ("ds01-1001/a:previous",), OURS),
        Image("sha256:2", ("ds01-1001/a:latest",), OURS),
        Image("sha256:3", ("ds01-1002/b:previous",), OURS),
        Image("sha256:4", ("somebody/c:previous",), OURS),
        Image("sha256:5", ("ds01-1001/d:previous",)),
    ]
    found = left_images(images, [], 1001, time.time())
    assert [(each.kind, each.name) for each in found] == [(Kind.PREVIOUS, "ds01-1001/a:previous")]


def test_unfinished_images_are_found_by_name_and_age() -> None:
    young = "2100-01-01T00:00:00Z"
    images = [
        Image("sha256:1", ("ds01-1001/a:build-0123abcd",)),
        Image("sha256:2", ("ds01-1001/a:build-0123abcd-ca",)),
        Image("sha256:3", ("ds01-1001/a:build-0123456789ab",)),  # as retire --save has it
        Image("sha256:4", ("mlc-import:build-1001-0123abcd",)),
        Image("sha256:5", ("ds01-1001/a:build-exchange",)),  # a rollback goes on from it
        Image("sha256:6", ("ds01-1001/a:build-mine", "ds01-1001/a:latest")),
        Image("sha256:7", ("ds01-1002/a:build-0123abcd",)),
        Image("sha256:8", ("mlc-import:build-1002-0123abcd",)),
        Image("sha256:9", ("somebody/a:build-0123abcd",)),
        Image("sha256:a", ("ds01-1001/a:build-00000000",), created=young),
        Image("sha256:b", ("ds01-1001/a:build-11111111",)),
    ]
    using = [container_of("sha256:b")]
    found = left_images(images, using, 1001, time.time())
    assert [each.id[-1] for each in found] == ["1", "2", "3", "4"]
    everybodys = left_images(images, [], None, time.time())
    assert [each.uid for each in everybodys if each.id[-1] in "78"] == [1002, 1002]


def test_nameless_images_are_found_by_labels() -> None:
    images = [
        Image("sha256:1", (), OURS),
        Image("sha256:2", (), {}),
        Image("sha256:3", (), claim_labels(Claim(1002, 1002, "bob"))),
        Image("sha256:4", (), {labels.HAS_USER_SETUP: "maybe"}),
        Image("sha256:5", (), OURS),
    ]
    found = left_images(images, [container_of("sha256:5")], 1001, time.time())
    assert [each.name for each in found] == ["sha256:1"]


def test_an_image_that_only_its_digest_names_is_nameless(
    context: Context, fake: FakeEngine
) -> None:
    """As a fetch leaves one if the engine goes away, once the image has been retired."""
    image = fake.add_image("ds01-1001/p:latest", OURS)
    fake.tag_image(image.id, "registry:5000/ds01-1001/p", "latest")
    digest = fake.registry().push("registry:5000/ds01-1001/p:latest", lambda line: None)
    fake.pull(f"registry:5000/ds01-1001/p@{digest}", lambda line: None)
    fake._untag("registry:5000/ds01-1001/p:latest")
    fake.remove_image("ds01-1001/p:latest")
    found = prune.find(context, older_than=0)
    assert [each.kind for each in found.items] == [Kind.NAMELESS]
    prune.prune(found, context)
    assert fake.image(image.id) is None


def test_half_written_files_are_found_by_name_owner_and_age(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Path(context.account.home)
    left = {
        "dockerfiles/.a.Dockerfile.0123abcd.mlc-part": True,
        "dockerfiles/.a.Dockerfile.20261124": False,
        "dockerfiles/a.Dockerfile": False,
        ".ds01-config/images/.a.json.0123abcd.mlc-part": True,
        ".ds01-config/images/a.json": False,
        ".ds01-config/locks": False,
        ".n.mlc.tar.0123abcd.part": True,
        "n.mlc.tar": False,
        "workspace/.x.0123abcd": False,
        "tmp/mlc-build-abc_d123/Dockerfile": True,
        "tmp/mlc-edit-abc_d123/a.Dockerfile": True,
        "tmp/other/Dockerfile": False,
    }
    for name in left:
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text("x")
    monkeypatch.chdir(home)
    owner = context.account
    context.environ = {**context.environ, "TMPDIR": str(home / "tmp")}
    other = Account("bob", os.getuid() + 1, os.getgid() + 1, str(home))
    assert left_files(other, context.environ, time.time()) == []
    assert left_files(owner, context.environ, time.time() - 60) == []
    found = prune.find(context, older_than=0)
    assert {each.kind for each in found.items} == {Kind.FILE}
    prune.prune(found, context)
    assert {name: (home / name).exists() for name in left} == {
        name: not is_left for name, is_left in left.items()
    }


def test_only_root_may_prune_for_all_users(
    context: Context, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under sudo, too, where the account is the calling user's."""
    fake.add_image("base:gone._.1002", claim_labels(Claim(1002, 1002, "bob")))
    monkeypatch.setattr(os, "geteuid", lambda: 1001)
    with pytest.raises(UsageError, match="root"):
        prune.find(context, all_users=True)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr("mlc_patched.host.files.is_root_for", lambda account: False)
    assert prune.find(context).items == ()
    assert [each.uid for each in prune.find(context, all_users=True).items] == [1002]


def test_images_that_have_come_into_use_are_kept(context: Context, fake: FakeEngine) -> None:
    image = fake.add_image("base:gone._.1001", OURS, size=10)
    fake.add_image("base:free._.1001", OURS, size=5)
    found = prune.find(context)
    assert found.frees == 15
    fake.create_container(ContainerSpecification(name="now", image=image.id))
    pruned = prune.prune(found, context)
    assert pruned.removed == ("base:free._.1001",)
    assert pruned.kept == ("base:gone._.1001: a container uses it by now",)
    assert fake.image("base:gone._.1001") is not None


def test_an_image_with_another_name_frees_nothing(context: Context, fake: FakeEngine) -> None:
    image = fake.add_image("base:gone._.1001", OURS, size=10)
    fake.tag_image(image.id, "mine", "kept")
    found = prune.find(context)
    assert [(each.name, each.frees) for each in found.items] == [("base:gone._.1001", 0)]
    prune.prune(found, context)
    assert fake.image("mine:kept") is not None


def test_young_set_ups_are_left_alone(context: Context, fake: FakeEngine) -> None:
    image = fake.add_image("base")
    name = "mlc-setup-1001-0123abcd"
    fake.create_container(ContainerSpecification(name=name, image=image.id, labels=SETUP))
    assert prune.find(context).items == ()
    assert [each.name for each in prune.find(context, older_than=-5).items] == [name]


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


def test_prune_goes_on_until_no_image_without_a_name_is_found(
    context: Context, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image that another is built on is found only once that one is gone."""
    # As in containerd's image store: the images below one are not removed with it.
    monkeypatch.setattr(fake, "remove_image", fake.images.pop)
    below = fake.add_image("x:1", OURS, created="2020-01-01T00:00:00Z")
    steps = [below.id]
    for number in range(2, 5):
        step = fake.add_image(f"x:{number}", OURS, created="2020-01-01T00:00:00Z")
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


def test_an_account_image_is_needed_while_its_base_is_here_under_another_id(
    context: Context, fake: FakeEngine
) -> None:
    """The store was changed: the base has a new ID, and the name still has the former one."""
    base = fake.add_image("hub/base:1", layers=("b",))
    made = account_image(**{BASE_NAME: "hub/base:1"})
    moved = fake.add_image(made.references[0], made.labels, layers=("b", "account"))
    assert prune.find(context).items == ()
    assert list_orphans(context).items == ()
    assert [each.id for each in prune.find(context, unused=True).items] == [moved.id]
    fake.images[base.id].image = replace(base, layers=("newer",))
    assert [each.id for each in prune.find(context).items] == [moved.id], "the base was updated"


@pytest.mark.parametrize(
    ("made_in", "is_now", "is_left"),
    [
        (False, False, True),
        (True, True, True),
        (False, True, False),  # its container is hidden in the store that was in use
        (True, False, False),
    ],
)
def test_a_committed_image_from_another_image_store_is_no_leftover(
    context: Context, fake: FakeEngine, made_in: bool, is_now: bool, is_left: bool
) -> None:
    fake.in_containerd = made_in
    fake.add_image(BASE)
    mlc_patched.create("it", "Pytorch", "2.8.0", context=context)
    fake.made.clear()
    fake.in_containerd = is_now
    assert len(prune.find(context).items) == is_left
    assert len(own_orphans(context).items) == is_left


def test_aimes_images_have_no_label_for_their_store(context: Context, fake: FakeEngine) -> None:
    fake.add_image("hub/base:it._.1001")
    fake.in_containerd = True
    assert [each.kind for each in prune.find(context, aime=True).items] == [Kind.ORPHAN]


def test_an_image_committed_from_one_of_containerds_names_todays_store(
    context: Context, fake: FakeEngine
) -> None:
    fake.add_image(BASE, {labels.IMAGE_STORE: labels.CONTAINERD})
    made = mlc_patched.create("it", "Pytorch", "2.8.0", context=context)
    assert fake.images[made.image_id].image.labels[labels.IMAGE_STORE] == labels.NOT_CONTAINERD
