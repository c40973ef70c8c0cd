"""Leftovers: what prune removes, and what it never touches."""

from __future__ import annotations

import calendar
import time
from dataclasses import replace

import pytest
from support.accounts import BASE_ID, account_image
from support.base_images import BASE
from support.fakes.engine import FakeEngine, FakeImage

import mlc_patched
from mlc_patched import temporary
from mlc_patched.context import Context
from mlc_patched.engine.interface import Container, Image
from mlc_patched.engine.observations import Layer
from mlc_patched.maintenance import prune
from mlc_patched.maintenance.leftovers import (
    Kind,
    Leftover,
    is_labelled,
    left_containers,
    left_images,
    made_at,
)
from mlc_patched.maintenance.orphans import list_orphans, own_orphans
from mlc_patched.names import labels
from mlc_patched.names.labels import Claim, claim_labels
from mlc_patched.plan.limits import BASE_NAME

FIELDS = {"name": "mlc-look-1001-0123456789ab", "id": "abc", "uid": 1001, "frees": 0}
MOMENT = "2026-11-27T04:30:15.123456789Z"
SETUP = {labels.SETUP_FOR: "it._.1001"}
OURS = claim_labels(Claim(1001, 2001, "alice"))


def nobodys(image: Image) -> bool:
    """Say that no command of ours made an image."""
    return False


def container(name: str, own: dict[str, str], state: str = "exited", created: int = 0) -> Container:
    return Container(f"id-{name}", name, "img", "sha256:img", own, state, state, created)


def container_of(image: str) -> Container:
    return Container("x", "n", "img", image, {}, "exited", "", 0)


@pytest.mark.parametrize(
    ("each", "is_left"),
    [
        (container("mlc-setup-1001-0123456789ab", SETUP), True),
        (container("mlc-look-1001-0123456789ab", {labels.TEMPORARY: "look"}), True),
        (container("mlc-setup-1001-0123456789ab", {}), False),  # not ours by label
        (container("mlc-setup-1001-20261126", SETUP), False),  # a date
        (container("mlc-look-1001-0123456789ab", {labels.TEMPORARY: ""}), False),  # inherited
        (container("mlc-setup-mine", SETUP), False),  # not ours by name
        (container("it._.1001", SETUP), False),  # made of an image that was committed
        (container("mlc-setup-1002-0123456789ab", SETUP), False),  # another user's
        (container("mlc-setup-1001-0123456789ab", SETUP, "running"), False),
        (container("mlc-setup-1001-0123456789ab", SETUP, created=1000), False),  # too young
    ],
)
def test_set_up_containers_are_leftovers_by_label_name_and_age(
    each: Container, is_left: bool
) -> None:
    assert [found.id for found in left_containers([each], 1001, 500)] == [each.id] * is_left


def test_every_container_that_is_left_over_is_found_whoevers_it_is() -> None:
    own = {labels.TEMPORARY: "look"}
    all_there_are = [
        container("it._.1001", {}),
        container("mlc-look-1002-0123456789ab", own),
        container("mlc-step-1001-0123456789ab", {}),  # the classic builder gives it no label
        container("mlc-look-1001-0123456789ab", own, created=500),  # as old as it has to be
    ]
    everybodys = left_containers(all_there_are, None, 500)
    assert everybodys == [
        Leftover(Kind.SETUP, each.name, each.id, uid)
        for each, uid in zip(all_there_are[1:], (1002, 1001, 1001), strict=True)
    ]
    assert left_containers(all_there_are, 1001, 500) == everybodys[1:]


def test_a_leftover_is_told_whole_for_json() -> None:
    left = Leftover(Kind.SETUP, "mlc-look-1001-0123456789ab", "abc", 1001)
    assert left.as_json() == {"kind": "setup", **FIELDS}
    assert replace(left, kind=Kind.FILE, frees=7).as_json() == {
        **FIELDS,
        "kind": "file",
        "frees": 7,
    }


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
        Image("sha256:9", ("base:1001",)),  # a user's own tag
        Image("sha256:a", ("localhost:5000/base:named._.1001",)),
    ]
    containers = [
        container("named._.1001", {}),
        Container("x", "other", "img", "sha256:5", {}, "exited", "", 0),
    ]
    found = left_images(images, containers, 1001, time.time(), lambda image: True)
    assert [(each.kind, each.name) for each in found] == [
        (Kind.ORPHAN, "base:gone._.1001"),
        (Kind.ORPHAN, "base:aime._.1001"),
    ]
    assert [is_labelled(each) for each in images[:2]] == [True, False]


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
        found = left_images(images, [], 1001, time.time(), nobodys, unused=unused)
        assert [each.id for each in found] == ["sha256:of-1001"] * expected
    using = container_of("sha256:of-1001")
    assert list(left_images(images, [using], 1001, time.time(), nobodys, unused=True)) == []


def test_previous_images_belong_to_projects() -> None:
    images = [
        Image("sha256:1", ("ds01-1001/a:previous",), OURS),
        Image("sha256:2", ("ds01-1001/a:latest",), OURS),
        Image("sha256:3", ("ds01-1002/b:previous",), OURS),
        Image("sha256:4", ("somebody/c:previous",), OURS),
        Image("sha256:5", ("ds01-1001/d:previous",)),
    ]
    found = left_images(images, [], 1001, time.time(), nobodys)
    assert [(each.kind, each.name) for each in found] == [(Kind.PREVIOUS, "ds01-1001/a:previous")]


def test_unfinished_images_are_found_by_name_and_age() -> None:
    young = "2100-01-01T00:00:00Z"
    build = "mlc-build-0123456789ab"
    images = [
        Image("sha256:1", (f"ds01-1001/a:{build}",)),
        Image("sha256:2", (f"ds01-1001/a:{build}-ca",)),
        Image("sha256:3", (f"ds01-1001/a:{build}-s2",)),
        Image("sha256:4", ("mlc-import:mlc-build-1001-0123456789ab",)),
        Image("sha256:5", ("ds01-1001/a:mlc-build-exchange",)),  # a rollback goes on from it
        Image("sha256:6", ("ds01-1001/x:build-20261126", "ds01-1001/x:build-202611261200")),
        Image("sha256:7", (f"ds01-1002/a:{build}",)),
        Image("sha256:8", ("mlc-import:mlc-build-1002-0123456789ab",)),
        Image("sha256:9", (f"somebody/a:{build}",)),
        Image("sha256:a", ("ds01-1001/a:mlc-build-000000000000",), created=young),
        Image("sha256:b", ("ds01-1001/a:mlc-build-111111111111",)),
        Image("sha256:c", ("ds01-1001/a:mlc-build-222222222222",)),
        Image("sha256:d", ("ds01-1001/a:mlc-build-222222222222-s1",)),
    ]
    using = [container_of("sha256:b")]

    def is_ours(image: Image) -> bool:
        return image.id[-1] not in "cd"

    found = left_images(images, using, 1001, time.time(), is_ours)
    # An early step of a build has no mark; its name is nobody else's.
    assert [each.id[-1] for each in found] == ["1", "2", "3", "4", "d"]
    everybodys = left_images(images, [], None, time.time(), is_ours)
    assert [each.uid for each in everybodys if each.id[-1] in "78"] == [1002, 1002]


def test_age_is_counted_to_the_second() -> None:
    """A build that began while prune looked is not taken for one that broke off."""
    made = calendar.timegm((2026, 11, 27, 4, 30, 15))
    build = Image("sha256:1", ("ds01-1001/a:mlc-build-0123456789ab",), created=MOMENT)
    nameless = Image("sha256:2", (), OURS, created=MOMENT)
    assert made_at(build) == made
    assert made_at(replace(build, created="2026-11-27T06:30:15.1+02:00")) == made
    assert made_at(Image("sha256:3", (), created="")) == 0, "a time that is not known is long ago"
    for image in (build, nameless):
        for before, is_left in ((made - 1, False), (made, True)):
            found = left_images([image], [], 1001, before, lambda image: True)
            assert len(list(found)) == is_left


@pytest.mark.parametrize(
    ("marked", "claimed", "owner"),
    [
        (None, "1001", 1001),
        ("1002-0123456789ab", "1001", 1002),  # the step of another user on an image of the first
        ("1001-0123456789ab", "odd", 1001),
        ("odd", "odd", None),
        ("", None, None),
        (temporary.SHARED, "1001", 0),
    ],
)
def test_a_nameless_image_is_its_makers(
    marked: str | None, claimed: str | None, owner: int | None
) -> None:
    own = {} if marked is None else {labels.TEMPORARY: marked}
    if claimed is not None:
        own |= {**OURS, labels.USER_ID: claimed}
    found = left_images([Image("sha256:1", (), own)], [], None, time.time(), lambda image: True)
    assert [each.uid for each in found] == ([] if owner is None else [owner])


def test_a_shared_step_is_the_lookers() -> None:
    image = Image("sha256:1", (), {labels.TEMPORARY: temporary.SHARED})
    found = left_images([image], [], 1002, time.time(), lambda image: True)
    assert [(each.kind, each.uid) for each in found] == [(Kind.NAMELESS, 1002)]


def test_what_is_left_over_is_told_with_its_kind_name_and_owner() -> None:
    step = "mlc-account-1001:mlc-build-0123456789ab-s1"
    images = [
        Image("sha256:1", ("hub/base",), OURS),  # used, and no reason to look no further
        Image("sha256:2", ("ds01-1001/a:latest", "ds01-1001/a:previous"), OURS),
        Image("sha256:3", (step,)),
        Image("sha256:4", ("x/y:odd._.name", "ds01-1001/a:mlc-build-0123456789ab-lock")),
        Image("sha256:5", ("ds01-1001/b:previous",), {labels.PROJECT: "b"}),
    ]
    found = left_images(images, [container_of("sha256:1")], 1001, time.time(), nobodys)
    assert list(found) == [
        Leftover(Kind.PREVIOUS, "ds01-1001/a:previous", "sha256:2", 1001),
        Leftover(Kind.UNFINISHED, step, "sha256:3", 1001),
        Leftover(Kind.UNFINISHED, "ds01-1001/a:mlc-build-0123456789ab-lock", "sha256:4", 1001),
        Leftover(Kind.PREVIOUS, "ds01-1001/b:previous", "sha256:5", 1001),
    ]


def test_root_sees_what_every_user_left_over() -> None:
    images = [
        account_image(),
        Image("sha256:1", ("base:it._.1002",)),
        Image("sha256:2", ("ds01-1003/a:previous",), OURS),
        Image("sha256:3", ("base:lie._.1002",), OURS),  # its labels name another user
    ]
    found = left_images(images, [], None, time.time(), lambda image: True)
    assert [(each.kind, each.uid) for each in found] == [
        (Kind.BUILT, 1001),
        (Kind.ORPHAN, 1002),
        (Kind.PREVIOUS, 1003),
    ]


def test_nameless_images_are_found_by_labels() -> None:
    images = [
        Image("sha256:1", (), OURS),
        Image("sha256:2", (), {}),
        Image("sha256:3", (), claim_labels(Claim(1002, 1002, "bob"))),
        Image("sha256:4", (), {labels.HAS_USER_SETUP: "maybe"}),
        Image("sha256:5", (), OURS),
        Image("sha256:6", (), {labels.TEMPORARY: "1001-0123456789ab"}),
        Image("sha256:7", (), {labels.TEMPORARY: "1002-0123456789ab", **OURS}),
        Image("sha256:8", (), OURS),  # built on one of ours by somebody
        Image("sha256:9", (), {labels.TEMPORARY: "shared"}),  # a step that is cached for all users
    ]
    found = left_images(
        images, [container_of("sha256:5")], 1001, time.time(), lambda image: image.id[-1] != "8"
    )
    assert [each.name for each in found] == ["sha256:1", "sha256:6", "sha256:9"]
    everybodys = left_images(images, [], None, time.time(), lambda image: True)
    assert "sha256:9" in [each.name for each in everybodys]


def test_a_committed_image_is_not_one_that_somebody_built_on_it() -> None:
    built = Image("sha256:1", ("mine:test._.1001",), OURS)
    assert not list(left_images([built], [], 1001, time.time(), lambda image: False))


@pytest.mark.parametrize(
    ("labelled", "newest", "comment", "is_ours"),
    [
        ("1001-0123456789ab", "/bin/sh -c #(nop)  ENV A=b", "", False),  # its base's
        ("", f"/bin/sh -c #(nop)  LABEL {labels.TEMPORARY}=", "", True),
        ("", f"LABEL {labels.TEMPORARY}=", "buildkit.dockerfile.v0", True),
        ("", f'/bin/sh -c #(nop) LABEL "{labels.TEMPORARY}"=""', "", True),  # Podman
        ("", f"/bin/sh -c #(nop)  LABEL a=b {labels.TEMPORARY}= ds01.user_id=1", "", True),
        ("", "/bin/sh -c #(nop)  CMD bash", "", False),
        ("", f"LABEL {labels.TEMPORARY}=x", "", False),
        ("", f"/bin/sh -c echo {labels.TEMPORARY}=", "", False),
        ("", "bash", "Saved from it._.1001: only caches and logs", True),
        ("", "bash", "mlc create it._.1001", True),
        # As images of earlier versions have it, which have no message.
        ("", 'sh -c set -eu; echo "account set-up: $(id x)"', "", True),
        (None, "bash", "", False),
    ],
)
def test_an_image_is_ours_by_the_newest_entry_of_its_history(
    fake: FakeEngine, labelled: str | None, newest: str, comment: str, is_ours: bool
) -> None:
    """Labels are inherited by images that are built on one of ours."""
    own = {} if labelled is None else {labels.TEMPORARY: labelled}
    image = fake.add_image("x:1", own)
    fake.images[image.id].history = [Layer(newest, 1, comment), Layer("older", 2)]
    assert temporary.is_ours(image, fake) == is_ours


def test_a_completed_image_names_its_job_in_its_history(fake: FakeEngine) -> None:
    image = fake.add_image("x:1", {labels.TEMPORARY: ""})
    steps = [
        Layer(f"LABEL {labels.TEMPORARY}=", 0),
        Layer("USER 1001", 0),
        Layer(f"LABEL {labels.TEMPORARY}=1001-0123456789ab", 0),
        Layer(f"LABEL {labels.TEMPORARY}=1002-ba9876543210", 0),
    ]
    fake.images[image.id].history = steps
    assert temporary.mark_of(image, fake) == "1001-0123456789ab"
    fake.images[image.id].history = [Layer("CMD bash", 0), *steps]
    assert temporary.mark_of(image, fake) is None


def nameless(fake: FakeEngine, value: str, parent: str, name: str = "") -> Image:
    """Add an image with a mark on another one, without a name if none is given; return it."""
    image = fake.add_image(name or "x:1", {labels.TEMPORARY: value})
    fake.images[image.id].parent = parent
    if not name:
        fake.images[image.id].image = replace(image, references=())
    return fake.images[image.id].image


@pytest.mark.parametrize("value", [temporary.SHARED, "1001-0123456789ab"])
@pytest.mark.parametrize(
    ("base", "names", "is_ours"),
    [
        (Image("sha256:b", ("hub/base:1",)), (), True),
        (Image("sha256:b", (), {labels.TEMPORARY: ""}), (), True),  # of ours, without its name
        (Image("sha256:b", ("hub/base:1",)), ("ds01-1001/a:mlc-build-0123456789ab-s1",), True),
        (Image("sha256:b", ("hub/base:1",)), ("mine:1",), False),  # somebody made it a base
        (Image("sha256:b", triggers=("RUN make", "COPY a /a")), (), True),
        (Image("sha256:b", triggers=("RUN make", "label a=b")), (), False),  # may set the mark
        (None, (), False),  # pulled, or built by BuildKit: the engine does not know its steps
    ],
)
def test_a_step_is_ours_only_if_its_base_did_not_hand_the_mark_on(
    fake: FakeEngine, value: str, base: Image | None, names: tuple[str, ...], is_ours: bool
) -> None:
    if base is not None:
        fake.images[base.id] = FakeImage(base)
    first = nameless(fake, value, base.id if base else "")
    fake.images[first.id].image = replace(first, references=names)
    newest = nameless(fake, value, first.id)
    assert temporary.is_ours(newest, fake) == is_ours
    assert temporary.mark_of(newest, fake) == (value if is_ours else None)


def test_an_unfinished_image_is_ours_by_its_mark_and_name(fake: FakeEngine) -> None:
    files = fake.add_image(
        "ds01-1001/a:mlc-build-0123456789ab-ca", {labels.TEMPORARY: "1001-0123456789ab"}
    )
    assert temporary.is_ours(files, fake)
    other = fake.add_image("mine:test._.1001", {labels.TEMPORARY: "1001-0123456789ab", **OURS})
    assert not temporary.is_ours(other, fake)


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
