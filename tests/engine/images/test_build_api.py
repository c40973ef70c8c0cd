"""Builds through the engine's own API, from a build context, on the real engine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.base_images import BARE
from support.engine_state import docker
from support.worker import NUMBER

from mlc_patched.engine.build_context import BuildOptions
from mlc_patched.engine.interface import PODMAN, Engine
from mlc_patched.errors import EngineError
from mlc_patched.host.account import Account

pytestmark = pytest.mark.real_engine

NAME = f"mlc-test/build-api-{NUMBER}:x"
ME = Account("root", os.getuid(), os.getgid(), "/root")
DOCKERFILE = f"""\
FROM {BARE}
ARG WORD
RUN echo "word=$WORD proxy=$http_proxy" > /said
COPY . /copied/
RUN ls -A /copied | tr '\\n' ' ' >> /said
"""


@pytest.fixture
def built(engine: Engine, tmp_path: Path) -> Iterator[list[str]]:
    """A list for the lines of a build, whose image is removed afterwards."""
    yield []
    engine.remove_image(NAME)


def build(engine: Engine, lines: list[str], text: str, options: BuildOptions) -> None:
    engine.build(text, NAME, labels={"l": "a b"}, progress=lines.append, options=options)


def test_the_context_the_arguments_and_the_labels_arrive(
    engine: Engine, built: list[str], tmp_path: Path
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/file").write_text("content")
    (tmp_path / "big.bin").write_bytes(os.urandom(3_000_000))
    (tmp_path / "left-out").touch()
    (tmp_path / ".dockerignore").write_text("left-out\n.dockerignore\n")
    arguments = {"WORD": "with 'quotes' & $signs", "http_proxy": "http://proxy.invalid:1"}
    build(engine, built, DOCKERFILE, BuildOptions(ME, str(tmp_path), arguments))
    image = engine.image(NAME)
    assert image is not None
    assert image.labels["l"] == "a b"
    said = docker("run", "--rm", "--network=host", NAME, "cat", "/said", "/copied/sub/file")
    assert said.split("\n") == [
        "word=with 'quotes' & $signs proxy=http://proxy.invalid:1",
        "big.bin sub content",
    ]
    assert "proxy.invalid" not in docker("history", "--no-trunc", NAME)


def test_a_second_build_uses_the_cache_unless_told_otherwise(
    engine: Engine, built: list[str]
) -> None:
    text = f"FROM {BARE}\nRUN cat /proc/sys/kernel/random/uuid\n"
    build(engine, [], text, BuildOptions(ME))
    build(engine, built, text, BuildOptions(ME))
    assert any("Using cache" in line for line in built)
    built.clear()
    build(engine, built, text, BuildOptions(ME, no_cache=True))
    assert not any("Using cache" in line for line in built)


def test_a_failing_step_ends_with_what_it_printed(engine: Engine, built: list[str]) -> None:
    text = f"FROM {BARE}\nRUN echo unusual; exit 7\n"
    with pytest.raises(EngineError, match="unusual"):
        build(engine, built, text, BuildOptions(ME))
    assert "unusual" in built
    assert engine.image(NAME) is None


def test_podman_mounts_secrets_and_keeps_none(
    engine: Engine, built: list[str], tmp_path: Path
) -> None:
    if engine.product != PODMAN:
        text = f"FROM {BARE}\nRUN --mount=type=secret,id=s cat /run/secrets/s\n"
        with pytest.raises(EngineError):  # the classic builder has no secrets
            build(engine, built, text, BuildOptions(ME, secrets={"s": "hush"}))
        return
    text = (
        f"FROM {BARE}\nRUN --mount=type=secret,id=s,target=/run/secrets/s tr a-z A-Z "
        "</run/secrets/s >/said\nCOPY . /copied/\nRUN ls -A /copied >>/said\n"
    )
    (tmp_path / "own").touch()
    build(engine, built, text, BuildOptions(ME, str(tmp_path), secrets={"s": "hush"}))
    said = docker("run", "--rm", "--network=host", NAME, "sh", "-c", "cat /said; ls -A /run")
    assert said.split()[0] == "HUSHown"
    assert "hush" not in docker("history", "--no-trunc", NAME)
