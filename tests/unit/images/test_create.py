"""image-create PROJECT --force: the remedy for an image that was built for another account."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.fakes.engine import FakeEngine

from mlc_patched.context import Context
from mlc_patched.images.create import ImageCreateRequest, from_own_dockerfile, prepare
from mlc_patched.images.dockerfile.render import account_block
from mlc_patched.images.project.files import ProjectFiles
from mlc_patched.images.recipe import ImageRequest
from mlc_patched.names.projects import Project

TEXT = f"FROM hub/base\nRUN true  # by hand\n{account_block('p', 'Jax-1', 'hub/base')}"
REQUEST = ImageCreateRequest(ImageRequest("p"), force=True)


@pytest.fixture
def files(context: Context, fake: FakeEngine) -> ProjectFiles:
    found = ProjectFiles(context.account, Project(1001, "p"))
    found.write_dockerfile(TEXT)
    return found


def test_force_alone_rebuilds_the_project_s_own_dockerfile(
    context: Context, files: ProjectFiles
) -> None:
    request = from_own_dockerfile(REQUEST, context)
    assert request.dockerfile == files.dockerfile_path
    prepared = prepare(request, context)
    assert (prepared.text, prepared.block_added) == (TEXT, "")


@pytest.mark.parametrize(
    "request_",
    [
        replace(REQUEST, force=False),
        replace(REQUEST, image=ImageRequest("p", framework="Pytorch")),
        replace(REQUEST, image=ImageRequest("p", base="debian")),
        replace(REQUEST, image=ImageRequest("p", pip=("numpy",))),
        replace(REQUEST, image=ImageRequest("other")),
        replace(REQUEST, dockerfile="/x/Dockerfile"),
    ],
)
def test_whatever_else_is_asked_for_counts(
    context: Context, files: ProjectFiles, request_: ImageCreateRequest
) -> None:
    assert from_own_dockerfile(request_, context) == request_
