"""The instructions of a Dockerfile, and the base of its last stage."""

from __future__ import annotations

import pytest

from mlc_patched.images.dockerfile.syntax import (
    DockerfileError,
    base_of,
    final_stage,
    instructions,
)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "RUN pip install a\n",
        "FROM x\nRUN pip install \\\n",
        "FROM x\nRUN <<EOF\npip install a\n",
        "# escape=`\nFROM x\nRUN pip install `\n a\n",
        "FROM x\n123\n",
    ],
)
def test_an_unreadable_dockerfile_is_refused(text: str) -> None:
    with pytest.raises(DockerfileError, match="Dockerfile"):
        final_stage(instructions(text))


def test_the_lines_of_a_here_document_are_no_instructions() -> None:
    text = "FROM x\nRUN <<EOF\nFROM y\n123\nEOF\nUSER z\n"
    assert [each.keyword for each in instructions(text)] == ["FROM", "RUN", "USER"]


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("FROM debian:12\n", "debian:12"),
        ("FROM --platform=linux/amd64 debian:12 AS x\nFROM x\n", "debian:12"),
        ("ARG TAG=12\nFROM debian:${TAG}\n", "debian:12"),
        ("ARG TAG\nFROM debian:${TAG:-13}\n", "debian:13"),
        ("ARG TAG\nFROM debian:$TAG\n", ""),
        ("FROM scratch\n", ""),
        ("FROM a AS one\nFROM b\n", "b"),
    ],
)
def test_the_base_of_a_dockerfile(text: str, base: str) -> None:
    assert base_of(text) == base
