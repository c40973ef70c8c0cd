"""`--exist-ok`: whether a project that is there is the one that was asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support.fakes.engine import FakeEngine

from mlc_patched.context import Context
from mlc_patched.errors import AlreadyExistsError
from mlc_patched.images.brought import bring
from mlc_patched.images.create import ImageCreateRequest
from mlc_patched.images.dockerfile.render import account_block
from mlc_patched.images.existing import fitting
from mlc_patched.images.project.files import ProjectFiles
from mlc_patched.images.recipe import ImageRequest
from mlc_patched.names import labels
from mlc_patched.names.projects import Project

TEXT = f"FROM hub/base\nRUN true\n{account_block('p', 'Pytorch-2.8.0', 'hub/base')}"
REQUEST = ImageCreateRequest(ImageRequest("p"))


@pytest.fixture
def files(context: Context, fake: FakeEngine) -> ProjectFiles:
    """The files of a project that is built."""
    found = ProjectFiles(context.account, Project(1001, "p"))
    found.write_dockerfile(TEXT)
    fake.add_image("ds01-1001/p:latest", {labels.IMAGE_FRAMEWORK: "Pytorch-2.8.0"}, size=7)
    return found


def asking(**named: str) -> ImageCreateRequest:
    return replace(REQUEST, image=ImageRequest("p", **named))


def test_a_project_that_is_not_there_does_not_fit(context: Context, fake: FakeEngine) -> None:
    assert fitting(REQUEST, context) is None
    fake.add_image("ds01-1001/p:latest")
    assert fitting(replace(REQUEST, build=False), context) is None


@pytest.mark.parametrize(
    "request_",
    [
        REQUEST,
        asking(framework="pytorch"),
        asking(framework="Pytorch", version="2.8.0"),
        asking(framework="Pytorch", version="latest"),
        asking(base="hub/base"),
    ],
)
def test_a_project_that_has_what_is_asked_for_is_kept(
    context: Context, files: ProjectFiles, request_: ImageCreateRequest
) -> None:
    found = fitting(request_, context)
    assert found is not None
    assert (found.existed, found.size, found.dockerfile) == (True, 7, files.dockerfile_path)


@pytest.mark.parametrize(
    ("request_", "difference"),
    [
        (asking(framework="Tensorflow"), "its framework is Pytorch-2.8.0, not Tensorflow"),
        (
            asking(framework="Pytorch", version="2.7.1"),
            "its framework is Pytorch-2.8.0, not Pytorch-2.7.1",
        ),
        (asking(base="hub/other"), "its base is hub/base, not hub/other"),
    ],
)
def test_a_project_that_is_another_one_is_refused_with_the_difference(
    context: Context, files: ProjectFiles, request_: ImageCreateRequest, difference: str
) -> None:
    with pytest.raises(AlreadyExistsError, match=difference):
        fitting(request_, context)


def test_a_url_and_a_file_of_requirements_are_compared(
    context: Context, files: ProjectFiles, tmp_path: Path
) -> None:
    url = "git+https://git.example/x@v1"
    listed = tmp_path / "r.txt"
    listed.write_text("six; python_version > '3'\n")
    requests = [
        replace(REQUEST, image=ImageRequest("p", pip=(url,))),
        replace(REQUEST, requirements=str(listed)),
    ]
    for request in requests:
        with pytest.raises(AlreadyExistsError, match="does not install what you bring"):
            fitting(request, context)
    steps = "".join(
        bring(each.requirements, each.image.pip, "p", context.account)[0].steps for each in requests
    )
    text = TEXT.replace("RUN true\n", f"RUN true\n{steps}")
    for each in (text, text.replace("\n", "\r\n")):
        files.write_dockerfile(each)
        for request in requests:
            assert fitting(request, context) is not None
    files.write_copy("p.requirements.txt", listed.read_bytes())
    assert fitting(requests[1], context) is not None
    listed.write_text("idna; python_version > '3'\n")
    with pytest.raises(AlreadyExistsError, match=r"its p\.requirements\.txt has another content"):
        fitting(requests[1], context)


def test_an_image_without_its_dockerfile_is_not_what_was_asked_for(
    context: Context, files: ProjectFiles
) -> None:
    files.remove_dockerfile()
    with pytest.raises(AlreadyExistsError, match=r"its Dockerfile .*p\.Dockerfile is missing"):
        fitting(REQUEST, context)


def test_a_dockerfile_that_is_given_has_to_be_the_projects(
    context: Context, files: ProjectFiles, tmp_path: Path
) -> None:
    own = tmp_path / "Dockerfile"
    own.write_text(TEXT)
    assert fitting(replace(REQUEST, dockerfile=str(own)), context) is not None
    own.write_text(TEXT.replace("RUN true", "RUN false"))
    with pytest.raises(AlreadyExistsError, match=f"its Dockerfile is not {own}"):
        fitting(replace(REQUEST, dockerfile=str(own)), context)
