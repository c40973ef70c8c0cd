"""List containers with the images they were created from."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.accounts import OWN, PASSWD, THESIS_LABELS, own_image
from support.fakes.engine import FakeEngine
from support.run_command import call

import mlc_patched
from mlc_patched.containers.deploy import deploy
from mlc_patched.containers.list import (
    image_of,
    list_containers,
    list_with_images,
    shown_jobs,
)
from mlc_patched.containers.source import resolve
from mlc_patched.context import Context
from mlc_patched.engine.interface import Container
from mlc_patched.engine.specification import ContainerSpecification
from mlc_patched.plan.request import CreateRequest, DeployRequest


def container(name: str = "thesis._.1001", image: str = "sha256:1", **labels: str) -> Container:
    return Container("c1", name, "ds01-1001/thesis:latest", image, labels, "exited", "Exited", 0)


def deployed(context: Context, **fields: object) -> CreateRequest:
    return resolve(DeployRequest(**fields), context)


NAMES = {
    "sha256:1": ("x/other:1", "ds01-1001/thesis:latest"),
    "sha256:2": ("ds01-1001/thesis:previous",),
    "sha256:3": ("ds01-1001/thesis:v1",),
    "sha256:4": ("hub/base:n._.1001",),
}
IDS = {name: identity for identity, names in NAMES.items() for name in names}


@pytest.mark.parametrize(
    ("image_id", "project", "shown", "is_outdated"),
    [
        ("sha256:1", "thesis", "ds01-1001/thesis:latest", False),
        ("sha256:2", "thesis", "ds01-1001/thesis:latest", True),
        ("sha256:3", "thesis", "ds01-1001/thesis:v1", False),
        ("sha256:9", "thesis", "ds01-1001/thesis:latest", True),
        ("sha256:9", "gone", "ds01-1001/thesis:latest", True),
        ("sha256:4", None, "hub/base:n._.1001", False),
    ],
)
def test_the_image_of_a_container(image_id, project, shown, is_outdated) -> None:
    labels = {"aime.mlc.DS01_PROJECT": project} if project else {}
    listed = replace(container(image=image_id), labels=labels)
    if image_id == "sha256:4":
        listed = replace(listed, image="hub/base:n._.1001")
    assert image_of(listed, NAMES, IDS) == (shown, is_outdated)


def test_a_container_of_an_image_that_was_built_on_a_project_s_is_not_outdated() -> None:
    """The image, and so the container, has inherited the project's label."""
    labels = {"aime.mlc.DS01_PROJECT": "thesis"}
    listed = replace(container(image="sha256:5"), labels=labels, image="app:1")
    names = {**NAMES, "sha256:5": ("app:1",)}
    assert image_of(listed, names, {**IDS, "app:1": "sha256:5"}) == ("app:1", False)


def of_compose(fake: FakeEngine, image: str) -> None:
    """Make a container as Compose makes it: with the image's labels, and its own name."""
    fake.create_container(ContainerSpecification(name="app-web-1", image=image))


def test_containers_that_mlc_did_not_create_are_named_with_how_to_remove_them(
    context: Context, fake: FakeEngine
) -> None:
    fake.add_image("ds01-1001/thesis", THESIS_LABELS, PASSWD)
    deploy(deployed(context, project="thesis"), context, start=False)
    of_compose(fake, "ds01-1001/thesis:latest")
    listed = call(["container-list"], context)
    assert "app-web-1" not in listed.out
    assert "docker rm -f app-web-1" in listed.err
    retired = call(["image-retire", "thesis", "-y"], context)
    assert retired.code == 1
    assert "container-retire thesis - and: docker rm -f app-web-1" in retired.err
    assert fake.image("ds01-1001/thesis:latest") is not None


@pytest.mark.parametrize(
    ("changed", "is_outdated"),
    [
        ({}, False),  # saved and loaded, or moved to another image store
        ({"layers": ("b", "2")}, True),
        ({"environment": ("A=2",)}, True),
        ({"created": "2026-02-01T00:00:00.123Z"}, True),
    ],
)
def test_an_image_with_another_id_is_only_newer_if_its_content_is(
    context: Context, fake: FakeEngine, changed: dict[str, object], is_outdated: bool
) -> None:
    content = {
        "layers": ("b", "1"),
        "environment": ("A=1",),
        "created": "2026-01-01T00:00:00.123Z",
    }
    fake.add_image("ds01-1001/thesis", THESIS_LABELS, PASSWD, **content)
    deploy(deployed(context, project="thesis"), context, start=False)
    fake.add_image("ds01-1001/thesis", THESIS_LABELS, PASSWD, **{**content, **changed})
    (listed,) = list_with_images(context)
    assert listed.is_outdated == is_outdated
    assert listed.image == "ds01-1001/thesis:latest"


@pytest.mark.parametrize(("built", "is_outdated"), [("2026-01-01", False), ("2026-02-01", True)])
def test_without_its_image_a_container_is_compared_by_its_labels(
    context: Context, fake: FakeEngine, built: str, is_outdated: bool
) -> None:
    made = {**THESIS_LABELS, "aime.mlc.DS01_CREATED": "2026-01-01"}
    image = fake.add_image("ds01-1001/thesis", made, PASSWD)
    deploy(deployed(context, project="thesis"), context, start=False)
    (container,) = fake.made.values()
    container.specification = replace(
        container.specification, labels={**made, **container.specification.labels}
    )
    fake.add_image("ds01-1001/thesis", {**made, "aime.mlc.DS01_CREATED": built}, PASSWD)
    del fake.images[image.id]
    (listed,) = list_with_images(context)
    assert listed.is_outdated == is_outdated


def test_a_container_with_its_own_image_is_never_outdated() -> None:
    labels = {"aime.mlc.DS01_PROJECT": "thesis", "aime.mlc.DS01_USER_SETUP": "commit"}
    listed = replace(container(image="sha256:4"), labels=labels, image="hub/base:n._.1001")
    assert image_of(listed, NAMES, IDS) == ("hub/base:n._.1001", False)


def test_listing_takes_three_calls_for_any_number_of_containers(context: Context, fake) -> None:
    fake.add_image("ds01-1001/thesis", THESIS_LABELS, PASSWD)
    for _ in range(5):
        deploy(deployed(context, project="thesis"), context, start=False)
    fake.calls.clear()
    assert len(list_with_images(context)) == 5
    assert fake.calls == ["containers", "containers", "find_images"]


@pytest.fixture
def thesis(context: Context, fake) -> Context:
    fake.add_image("ds01-1001/thesis", THESIS_LABELS, PASSWD)
    deploy(deployed(context, name="thesis"), context, start=True)
    fake.calls.clear()
    return context


def known_as(context: Context, login: str) -> None:
    """Make the user database give the user another name, as the UID if it does not answer."""
    context.__dict__["account"] = replace(context.account, login=login)


@pytest.mark.parametrize(("then", "now"), [("1001", "alice"), ("alice", "1001")])
def test_containers_are_listed_whatever_the_user_database_answers(
    fake: FakeEngine, context: Context, then: str, now: str
) -> None:
    """The UID in the name says whose a container is, to lists as to other commands."""
    known_as(context, then)
    own_image(fake)
    made = mlc_patched.create("it", image=OWN, context=context)
    mlc_patched.start("it", detach=True, command=["sleep", "9"], context=context)
    known_as(context, now)
    fake.calls.clear()
    [listed] = list_containers(context=context)
    assert fake.calls.count("containers") == 2
    assert (listed.name, listed.user) == ("it", then)
    assert [each.id for each in list_with_images(context)] == [made.id]
    assert [each.name for each in mlc_patched.stats(context=context)] == ["it"]
    assert list(shown_jobs(context.containers(all_users=True), context)) == [made.id]


def test_a_label_makes_no_container_of_another_uid_the_users(
    fake: FakeEngine, context: Context
) -> None:
    own_image(fake)
    owner = {"aime.mlc": "alice", "aime.mlc.NAME": "it", "aime.mlc.USER": "alice"}
    for name in ("it._.1002", "it._.11001", "it._.1001._.2"):
        made = fake.create_container(ContainerSpecification(name, OWN, labels=owner))
        fake.start(made)
    assert list_containers(context=context) == []
    assert list_with_images(context) == []
    assert len(list_containers(context=context, all_users=True)) == 3
    assert shown_jobs(context.containers(all_users=True), context) == {}


@pytest.mark.parametrize("own", [{}, {"aime.mlc": ""}])
def test_what_mlc_did_not_create_is_not_listed(
    fake: FakeEngine, context: Context, own: dict[str, str]
) -> None:
    """Of an image that was saved from a container, a container has the label, but empty."""
    own_image(fake)
    fake.create_container(ContainerSpecification("it._.1001", OWN, labels=own))
    assert list_containers(context=context) == []
    assert list_with_images(context) == []
