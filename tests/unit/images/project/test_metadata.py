"""Which Dockerfile an image was built from, as a project's metadata has it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mlc_patched.context import Context
from mlc_patched.engine.interface import Image
from mlc_patched.images.project.files import ProjectFiles
from mlc_patched.images.project.metadata import dockerfile_of, note_metadata
from mlc_patched.names.projects import Project

BUILT = Image("sha256:1", created="2026-01-01T00:00:00.123456789Z")


@pytest.mark.parametrize(
    ("image", "text"),
    [
        (BUILT, "FROM x\n"),
        (replace(BUILT, id="sha256:2"), "FROM x\n"),  # moved to another image store
        (replace(BUILT, id="sha256:2", created="2026-01-01T00:00:00.2Z"), None),
        (replace(BUILT, id="sha256:2", created=""), None),
    ],
)
def test_the_dockerfile_is_that_of_the_same_build(
    context: Context, tmp_path: Path, image: Image, text: str | None
) -> None:
    files = ProjectFiles(context.account, Project(context.account.uid, "demo"))
    note_metadata(BUILT, files, context, "FROM x\n")
    assert dockerfile_of(image, files) == text


def test_an_image_of_unknown_age_is_known_by_its_id_alone(context: Context) -> None:
    files = ProjectFiles(context.account, Project(context.account.uid, "demo"))
    note_metadata(replace(BUILT, created=""), files, context, "FROM x\n")
    assert dockerfile_of(Image("sha256:2"), files) is None
    assert dockerfile_of(Image("sha256:1"), files) == "FROM x\n"
