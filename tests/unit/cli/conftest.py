"""Somebody at a terminal, a Docker client that runs commands here, and a container."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from support.accounts import OWN, own_image
from support.fakes.engine import FakeContainer, FakeEngine
from support.questions import have_answers
from support.sandbox import Sandbox, new_sandbox

import mlc_patched
from mlc_patched.cli import prompts
from mlc_patched.context import Context

_CLIENT = """\
#!/bin/sh
# docker exec [-i] [--user IDS] [--env NAME=VALUE]… CONTAINER COMMAND…
shift
while :; do
    case "$1" in
        --*) shift 2 ;;
        -*) shift ;;
        *) break ;;
    esac
done
shift
exec "$@"
"""


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Callable[..., io.StringIO]:
    """Have the next questions answered with these lines, as on a terminal; returns what is left."""

    def give(*lines: str) -> io.StringIO:
        monkeypatch.setattr(prompts, "on_terminal", lambda: True)
        return have_answers(monkeypatch, *lines)

    return give


@pytest.fixture
def it(fake: FakeEngine, context: Context) -> FakeContainer:
    """The user's container `it`, stopped."""
    own_image(fake)
    return fake.made[mlc_patched.create("it", image=OWN, context=context).id]


@pytest.fixture
def client(context: Context, tmp_path: Path) -> None:
    """A Docker client on PATH whose `exec` runs the command on this host."""
    program = tmp_path / "client/docker"
    program.parent.mkdir()
    program.write_text(_CLIENT)
    program.chmod(0o755)
    path = f"{program.parent}:{context.environ['PATH']}"
    context.environ = {**context.environ, "PATH": path}


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """A home and a fake engine with the catalog's image, where builds succeed."""
    return new_sandbox(tmp_path, monkeypatch)
