"""What a Dockerfile takes from its build context."""

from __future__ import annotations

import pytest

from mlc_patched.context import Context
from mlc_patched.engine.interface import Image
from mlc_patched.images.base import Base
from mlc_patched.images.build.request import (
    BuildRequest,
    build_context,
    copied_files,
    trigger_takes_files,
)
from mlc_patched.images.project.files import ProjectFiles
from mlc_patched.names.projects import Project


@pytest.mark.parametrize(
    ("step", "files"),
    [
        ("COPY demo.requirements.txt /x/requirements.txt", ["demo.requirements.txt"]),
        ("copy --chown=1:1 a+cu12.whl \\\n    ./src/b /x/", ["a+cu12.whl", "./src/b"]),
        ("ADD https://index.example/a.tar.gz .env /x/", [".env"]),
        ("COPY . /x/", []),
        ("COPY ./ *.txt $NAME /x/", []),
        ('COPY ["a", "/x/"]', []),
        ("COPY --from=other a /x/", []),
        ("COPY <<END /x\na b\nEND", []),
        ("RUN cp a b", []),
    ],
)
def test_the_files_that_a_dockerfile_copies(step: str, files: list[str]) -> None:
    assert list(copied_files(f"FROM x\n{step}\n")) == files


@pytest.mark.parametrize(
    ("trigger", "takes"),
    [
        ("COPY requirements.txt /tmp/", True),
        ("add . /app", True),
        ("RUN --mount=type=bind,target=/x make", True),
        ("COPY --from=other a /x/", False),
        ("RUN cp a b", False),
        ("", False),
    ],
)
def test_a_base_whose_trigger_takes_files_gets_the_build_context(
    trigger: str, takes: bool, context: Context
) -> None:
    assert trigger_takes_files(("ENV A=1", trigger)) == takes
    files = ProjectFiles(context.account, Project(1001, "p"))
    base = Base("b", Image("sha256:1", triggers=(trigger,)), frozenset(), "")
    found = build_context(BuildRequest(files, "FROM b\nRUN x\n", base=base))
    assert found == (files.directory if takes else None)
    assert build_context(BuildRequest(files, "FROM b\nRUN x\n")) is None
