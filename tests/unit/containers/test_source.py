"""What container-deploy creates a container from, and under which name."""

from __future__ import annotations

import pytest
from support.accounts import PASSWD, THESIS_LABELS

from mlc_patched.containers.deploy import deploy, deploy_or_keep
from mlc_patched.containers.source import resolve
from mlc_patched.context import Context
from mlc_patched.errors import (
    AlreadyExistsError,
    MlcError,
    NotFoundError,
    UsageError,
)
from mlc_patched.host.account import Account
from mlc_patched.images.project.files import ProjectFiles
from mlc_patched.names.projects import Project
from mlc_patched.plan.request import CreateRequest, DeployRequest, container_name_from


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("aimehub/pytorch-2.x.x", "pytorch-2-x-x"),
        ("aimehub/pytorch-2.8.0-cuda12.6.3", "pytorch-2-8-0-cuda12-6-3"),
        ("host:5000/a/b_c:tag", "b_c"),
        ("debian", "debian"),
        ("sha256:" + "ab" * 32, "image-abababababab"),
        ("x/" + "y" * 200, "y" * 60),
    ],
)
def test_a_name_is_derived_from_the_image(image: str, name: str) -> None:
    assert container_name_from(image) == name


def deployed(context: Context, **fields: object) -> CreateRequest:
    return resolve(DeployRequest(**fields), context)


def test_requests_are_resolved(context: Context, fake) -> None:
    fake.add_image("ds01-1001/my.thesis", THESIS_LABELS, PASSWD)
    image = "ds01-1001/my.thesis:latest"
    for fields, name in (
        ({"name": "my.thesis"}, "my-thesis"),
        ({"project": "my.thesis"}, "my-thesis"),
        ({"name": "x", "project": "my.thesis"}, "x"),
        ({"image": image}, "my-thesis"),
        ({"name": "x", "image": image}, "x"),
    ):
        request = deployed(context, **fields)
        assert (request.name, request.image) == (name, image)
    by_framework = deployed(context, framework="pytorch")
    assert (by_framework.name, by_framework.version) == ("pytorch-2-8-0", "2.8.0")
    assert deployed(context, framework="Pytorch", version="2.7.1").name == "pytorch-2-7-1"


def test_there_is_one_source(context: Context, fake) -> None:
    fake.add_image("ds01-1001/thesis", THESIS_LABELS, PASSWD)
    for fields in (
        {"project": "thesis", "framework": "pytorch"},
        {"project": "thesis", "image": "ds01-1001/thesis"},
        {"image": "ds01-1001/thesis", "framework": "pytorch", "version": "2.8.0"},
    ):
        with pytest.raises(UsageError, match="only one of them"):
            deployed(context, name="x", **fields)


def test_names_that_are_taken_get_a_number(context: Context, fake) -> None:
    fake.add_image("ds01-1001/thesis", THESIS_LABELS, PASSWD)
    for name in ("thesis", "thesis-2", "thesis-3"):
        request = deployed(context, project="thesis")
        assert request.name == name
        deploy(request, context, start=False)


def test_a_project_without_an_image_is_built_by_a_command_that_can(context: Context, fake) -> None:
    ProjectFiles(context.account, Project(1001, "retired")).write_dockerfile("FROM debian\n")
    with pytest.raises(NotFoundError, match=r"Build it with: image-update retired$"):
        deployed(context, name="retired")


def test_invalid_requests_are_refused(context: Context, fake) -> None:
    fake.add_image("ds01-1001/thesis", THESIS_LABELS, PASSWD)
    with pytest.raises(UsageError, match=r"Which project\? Use: container-deploy PROJECT"):
        deployed(context)
    for name in ("thesis", "other", None):
        with pytest.raises(UsageError, match="--version needs --framework"):
            deployed(context, name=name, version="2.8.0")
    with pytest.raises(UsageError, match="How about 'my-thesis'"):
        deployed(context, name="My Thesis")
    with pytest.raises(UsageError, match="not a valid container name"):
        deployed(context, name="a b", project="thesis")
    with pytest.raises(NotFoundError, match=r"thesis\. Build it with: image-create other"):
        deployed(context, name="other")
    with pytest.raises(NotFoundError, match="image-create other"):
        deployed(context, image="ds01-1001/other:v1")
    context.__dict__["account"] = Account("root", 0, 0, "/root")
    with pytest.raises(MlcError, match="You are root"):
        deployed(context, name="thesis")


@pytest.fixture
def thesis(context: Context, fake) -> Context:
    fake.add_image("ds01-1001/thesis", THESIS_LABELS, PASSWD)
    deploy(deployed(context, name="thesis"), context, start=True)
    fake.calls.clear()
    return context


@pytest.mark.parametrize(
    "source", [{"project": "thesis"}, {"framework": "Pytorch"}, {"image": "mlc-test/base:bookworm"}]
)
def test_a_container_that_is_named_needs_no_project_of_its_name(
    thesis: Context, fake, source: dict[str, str]
) -> None:
    fake.add_image("mlc-test/base:bookworm")
    deploy(deployed(thesis, name="second", **source), thesis, start=False)
    request = resolve(DeployRequest(name="second"), thesis, exist_ok=True)
    found = deploy_or_keep(request, thesis, start=True)
    assert (found.name, found.existed, found.state) == ("second", True, "running")
    with pytest.raises(AlreadyExistsError, match=r"container 'second' already\. Open it with: "):
        deployed(thesis, name="second")
    with pytest.raises(NotFoundError, match="image-create second"):
        resolve(DeployRequest(project="second"), thesis, exist_ok=True)
