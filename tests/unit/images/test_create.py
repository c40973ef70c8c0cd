"""image-create: a project's Dockerfile built again, and one whose build fails."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support.fakes.engine import FakeEngine
from support.sandbox import BASE, Sandbox

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


def test_a_first_build_that_fails_keeps_the_dockerfile_to_be_edited(tmp_path: Path) -> None:
    said = (
        "ERROR: Could not find a version that satisfies the requirement sixx (from versions: none)"
    )
    with pytest.MonkeyPatch.context() as patch:
        sandbox = Sandbox(tmp_path, patch)
        sandbox.fake.add_image(BASE)
        build = "mlc_patched.images.build.run.run_build"
        with pytest.MonkeyPatch.context() as failing:
            failing.setattr(build, lambda *arguments, **named: (1, ["Step 1/1 : FROM x", said]))
            failed = sandbox.run(*f"image-create demo --base {BASE} -p sixx -y".split())
        rejected = sandbox.home / "dockerfiles/demo.Dockerfile.rejected"
        assert failed.status == 1
        words = failed.output.partition("Error: ")[2].splitlines()
        assert words[0] == "PyPI has no package sixx; did you mean six?"
        assert words[-2] == f"  {said}"
        assert words[-1] == (
            "The images of the project were not changed. "
            f"The Dockerfile is kept in {rejected}; to build it, give it by --dockerfile. "
            f"To try again: image-create demo --base {BASE} -p sixx -y"
        )
        assert not rejected.with_suffix("").exists()
        rejected.write_text(rejected.read_text().replace("sixx", "six"))
        built = sandbox.run(*f"image-create demo --dockerfile {rejected} -y".split())
        assert built.status == 0, built.output
        assert "six" in rejected.with_suffix("").read_text()
        assert not rejected.exists()
