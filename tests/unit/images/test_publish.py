"""Publishing a project's image: its names, and the Dockerfiles kept beside it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.fakes.engine import FakeEngine
from support.recording_reporter import RecordingReporter

from mlc_patched.context import Context
from mlc_patched.engine.interface import Image
from mlc_patched.errors import MlcError
from mlc_patched.host.account import Account
from mlc_patched.images import publish as publishing
from mlc_patched.images.build.image import Built
from mlc_patched.images.build.request import BuildRequest
from mlc_patched.images.project.files import BEFORE, ProjectFiles
from mlc_patched.images.publish import publish
from mlc_patched.images.versions.lockfile import Lock, render
from mlc_patched.names.projects import Project

PROJECT = Project(1001, "demo")


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def context(tmp_path: Path, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> Context:
    monkeypatch.setattr("mlc_patched.host.files.is_root_for", lambda account: False)
    context = Context(environ={}, make_engine=lambda: engine)
    context.__dict__["account"] = Account("alice", 1001, 2001, str(tmp_path))
    return context


@pytest.fixture
def files(context: Context) -> ProjectFiles:
    return ProjectFiles(context.account, PROJECT)


def published(text: str, image: Image, context: Context, patch: pytest.MonkeyPatch) -> None:
    """Publish a Dockerfile, with this image as the result of its build."""

    @contextlib.contextmanager
    def built(*arguments: object) -> Iterator[Built]:
        yield Built(image, Lock("demo", text))

    patch.setattr(publishing, "built", built)
    with publish(BuildRequest(ProjectFiles(context.account, PROJECT), text), context):
        pass


def test_the_former_image_becomes_the_previous_one_with_its_dockerfile(
    context: Context, engine: FakeEngine, files: ProjectFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = engine.add_image("a:1"), engine.add_image("b:1")
    published("FROM a\n", first, context, monkeypatch)
    published("FROM b\n", second, context, monkeypatch)
    latest, previous = engine.image(PROJECT.image), engine.image(PROJECT.previous)
    assert latest is not None
    assert previous is not None
    assert (latest.id, previous.id) == (second.id, first.id)
    assert files.read_dockerfile() == "FROM b\n"
    assert files.read_dockerfile(BEFORE) == "FROM a\n"
    assert files.read_lock() == render(Lock("demo", "FROM b\n"))
    assert files.read_lock(BEFORE) == render(Lock("demo", "FROM a\n"))


def test_all_files_are_written_before_the_build_is_tidied_up(
    context: Context, engine: FakeEngine, files: ProjectFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that is killed while it tidies up is not run again: the image is there."""
    found = []

    @contextlib.contextmanager
    def built(request: BuildRequest, *arguments: object) -> Iterator[Built]:
        yield Built(engine.add_image("a:1"), Lock("demo", request.dockerfile))
        kept = files.read_dockerfile(BEFORE), files.read_lock(BEFORE)
        found.append((files.read_metadata().get("dockerfile_text"), *kept))

    monkeypatch.setattr(publishing, "built", built)
    for text in ("FROM a\n", "FROM b\n"):
        with publish(BuildRequest(files, text), context):
            pass
    last = render(Lock("demo", "FROM a\n"))
    assert found == [("FROM a\n", None, None), ("FROM b\n", "FROM a\n", last)]


def test_a_build_that_gives_the_same_image_keeps_the_previous_one_s_dockerfile(
    context: Context, engine: FakeEngine, files: ProjectFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = engine.add_image("a:1"), engine.add_image("b:1")
    published("FROM a\n", first, context, monkeypatch)
    published("FROM b\n", second, context, monkeypatch)
    published("# A comment\nFROM b\n", second, context, monkeypatch)
    assert files.read_dockerfile() == "# A comment\nFROM b\n"
    assert files.read_dockerfile(BEFORE) == "FROM a\n"


@pytest.fixture
def reporter(context: Context) -> RecordingReporter:
    context.report = reporter = RecordingReporter()
    return reporter


def full_for(monkeypatch: pytest.MonkeyPatch, *endings: str) -> None:
    """Have the disk be full for files with these endings."""
    write = ProjectFiles._write

    def refused(self: ProjectFiles, parts: tuple[str, ...], name: str, *rest: object) -> None:
        if name.endswith(endings):
            raise MlcError("No space left on device.")
        write(self, parts, name, *rest)

    monkeypatch.setattr(ProjectFiles, "_write", refused)


def test_what_a_full_disk_left_as_it_was_is_not_restored(
    context: Context,
    engine: FakeEngine,
    files: ProjectFiles,
    reporter: RecordingReporter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = engine.add_image("a:1"), engine.add_image("b:1")
    published("FROM a\n", first, context, monkeypatch)
    full_for(monkeypatch, ".Dockerfile")
    with pytest.raises(MlcError, match="No space left"):
        published("FROM b\n", second, context, monkeypatch)
    assert reporter.said == []
    assert files.read_dockerfile() == "FROM a\n"


def test_a_rollback_without_the_previous_dockerfile_is_announced(
    context: Context,
    engine: FakeEngine,
    files: ProjectFiles,
    reporter: RecordingReporter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for number, name in enumerate("abc"):
        if number == 2:
            full_for(monkeypatch, BEFORE)
        published(f"FROM {name}\n", engine.add_image(f"{name}:1"), context, monkeypatch)
    assert files.read_dockerfile() == "FROM c\n"
    assert files.read_dockerfile(BEFORE) is None, "not that of an older image"
    assert reporter.said == [
        f"The Dockerfile and the lock of {PROJECT.previous} could not be kept, so --rollback will "
        "restore the image alone: No space left on device."
    ]
