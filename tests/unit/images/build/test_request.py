"""What a Dockerfile takes from its build context."""

from __future__ import annotations

import pytest

from mlc_patched.images.build.request import copied_files


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
