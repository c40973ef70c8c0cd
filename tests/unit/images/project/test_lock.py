"""The lock of a project, and what a killed command left of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.fakes.engine import FakeEngine
from support.recording_reporter import RecordingReporter

from mlc_patched.context import Context
from mlc_patched.images.project.lock import working_on
from mlc_patched.names.projects import Project
from mlc_patched.temporary import HALF, build_directory_prefix, temporary_image

DEMO = Project(1001, "demo")


@pytest.fixture
def token(context: Context) -> str:
    """The token of the commands that work on the project."""
    with context.lock(f"image {DEMO.name}") as job:
        return job.token


def made(context: Context, name: str) -> Path:
    """Make a directory of a build, with a file."""
    directory = Path(context.environ["TMPDIR"], name)
    directory.mkdir()
    (directory / "Dockerfile").touch()
    return directory


def test_what_a_killed_command_left_of_the_project_is_removed(
    context: Context, fake: FakeEngine, token: str
) -> None:
    context.report = RecordingReporter()
    build = made(context, f"{build_directory_prefix(token)}abc")
    dockerfiles = Path(context.account.home, "dockerfiles")
    dockerfiles.mkdir()
    half = dockerfiles / f".demo.Dockerfile.01234567{HALF}"
    half.touch()
    image = temporary_image(DEMO.repository, token)
    fake.add_image(image)
    fake.add_image(f"{image}-ca")
    with working_on(DEMO, context):
        assert not build.exists()
        assert not half.exists()
        assert fake.images == {}
    assert sum("left behind by a killed command" in said for said in context.report.said) == 2


def test_what_is_not_of_the_project_or_not_a_directory_stays(
    context: Context, fake: FakeEngine, token: str
) -> None:
    prefix = build_directory_prefix(token)
    other = made(context, f"{build_directory_prefix('0123456789ab')}abc")
    link = other.with_name(f"{prefix}link")
    link.symlink_to(other)
    file = other.with_name(f"{prefix}file")
    file.touch()
    fake.add_image("ds01-1001/demo:latest")
    with working_on(DEMO, context):
        pass
    assert (other / "Dockerfile").exists()
    assert link.is_symlink()
    assert file.exists()
    assert fake.image("ds01-1001/demo:latest") is not None


def test_a_broken_directory_of_dockerfiles_keeps_no_command_from_the_lock(
    context: Context, tmp_path: Path
) -> None:
    """It is reported when its files are used."""
    Path(context.account.home, "dockerfiles").symlink_to(tmp_path)
    context.environ = {**context.environ, "TMPDIR": "/nowhere"}
    with working_on(DEMO, context), context.lock(f"image {DEMO.name}", waits=False) as other:
        assert not other.is_alone
    with context.lock(f"image {DEMO.name}", waits=False) as other:
        assert other.is_alone
