"""image-update --rollback: the previous image and its files take the place of the present ones."""

from __future__ import annotations

import pytest
from support.fakes.engine import FakeEngine
from support.recording_reporter import RecordingReporter

from mlc_patched.context import Context
from mlc_patched.engine.specification import ContainerSpecification
from mlc_patched.errors import EngineError, MlcError, NotFoundError
from mlc_patched.images.project.files import BEFORE, ProjectFiles
from mlc_patched.images.project.metadata import note_metadata
from mlc_patched.images.rollback import _EXCHANGING, plan_rollback, roll_back
from mlc_patched.names.projects import Project

PROJECT = Project(1001, "demo")
NOW, FORMER = "FROM now\n", "FROM former\n"


@pytest.fixture
def files(context: Context, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> ProjectFiles:
    """The files of a project that was updated once."""
    monkeypatch.setattr("mlc_patched.undo._PAUSE", 0)
    context.report = RecordingReporter()
    found = ProjectFiles(context.account, PROJECT)
    found.write_dockerfile(NOW)
    found.write_dockerfile(FORMER, BEFORE)
    found.write_lock("lock of now")
    found.write_lock("lock of former", BEFORE)
    fake.add_image(PROJECT.image)
    fake.add_image(PROJECT.previous)
    return found


def texts(files: ProjectFiles) -> tuple[str | None, ...]:
    return (
        *(files.read_dockerfile(), files.read_dockerfile(BEFORE)),
        *(files.read_lock(), files.read_lock(BEFORE)),
    )


def tags(fake: FakeEngine) -> dict[str, str]:
    """Return the IDs of images by their tags."""
    return {
        name.rpartition(":")[2]: each.image.id
        for each in fake.images.values()
        for name in each.image.references
    }


def test_both_images_and_their_files_change_places(
    context: Context, files: ProjectFiles, fake: FakeEngine
) -> None:
    before, there = tags(fake), texts(files)
    using = fake.create_container(ContainerSpecification(name="a._.1001", image=before["latest"]))
    done = roll_back("demo", context)
    assert tags(fake) == {"latest": before["previous"], "previous": before["latest"]}
    assert texts(files) == (FORMER, NOW, "lock of former", "lock of now")
    assert (done.image_id, done.previous) == (before["previous"], PROJECT.previous)
    assert [each.tag for each in done.containers] == [fake.made[using].specification.name]
    assert files.read_metadata()["dockerfile_text"] == FORMER
    roll_back("demo", context)
    assert (tags(fake), texts(files)) == (before, there)


def test_a_dockerfile_that_was_edited_after_its_build_is_kept(
    context: Context, files: ProjectFiles, fake: FakeEngine
) -> None:
    image = fake.image(PROJECT.image)
    assert image is not None
    note_metadata(image, files, context, NOW)
    for number, mine in enumerate(("FROM mine\n", "FROM mine too\n"), 1):
        files.write_dockerfile(mine)
        roll_back("demo", context)
        assert texts(files)[:2] == ((FORMER, NOW) if number == 1 else (NOW, FORMER))
        assert files.read_dockerfile(f".{number}") == mine
        kept = f"Your version is kept in {files.dockerfile_path}.{number}; copy your changes"
        assert kept in context.report.said[-1]
    roll_back("demo", context)
    assert files.read_dockerfile(".3") is None, "it is as it was built"


def test_without_a_former_image_nothing_changes(
    context: Context, files: ProjectFiles, fake: FakeEngine
) -> None:
    fake.remove_image(PROJECT.previous)
    there = texts(files)
    for command in (roll_back, plan_rollback):
        with pytest.raises(NotFoundError, match="There is no ds01-1001/demo:previous to go back"):
            command("demo", context)
    assert texts(files) == there


def test_a_dockerfile_of_which_there_is_no_copy_stays(
    context: Context, files: ProjectFiles, fake: FakeEngine
) -> None:
    files.remove_dockerfile(BEFORE)
    roll_back("demo", context)
    assert files.read_dockerfile() == NOW
    assert "was not changed: there is no copy" in context.report.said[-1]


def test_files_that_are_copied_are_named_as_they_stay(
    context: Context, files: ProjectFiles
) -> None:
    files.write_dockerfile(f"{FORMER}COPY demo.requirements.txt /usr/local/src/\n", BEFORE)
    roll_back("demo", context)
    assert context.report.said[-1].endswith("were not changed: demo.requirements.txt")


@pytest.mark.parametrize("failing", [(1,), (2,), (3, 4)], ids=["first", "second", "last, twice"])
def test_a_failure_leaves_everything_as_it_was(
    context: Context,
    files: ProjectFiles,
    fake: FakeEngine,
    monkeypatch: pytest.MonkeyPatch,
    failing: tuple[int, ...],
) -> None:
    before, there, tag, calls = tags(fake), texts(files), fake.tag_image, []

    def fail(*arguments: str) -> None:
        calls.append(arguments)
        if len(calls) in failing:
            raise EngineError("no space")
        tag(*arguments)

    monkeypatch.setattr(fake, "tag_image", fail)
    image = fake.image(PROJECT.image)
    assert image is not None
    note_metadata(image, files, context, "FROM built\n")  # so that a backup is made, too
    with pytest.raises(EngineError, match="no space"):
        roll_back("demo", context)
    assert (tags(fake), texts(files)) == (before, there)
    assert files.read_dockerfile(".1") is None


def test_in_a_full_home_nothing_is_said_of_files_that_are_as_before(
    context: Context, files: ProjectFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise MlcError("the disk is full")

    there = texts(files)
    for name in ("write_dockerfile", "write_lock"):
        monkeypatch.setattr(ProjectFiles, name, fail)
    with pytest.raises(MlcError, match="the disk is full"):
        roll_back("demo", context)
    assert texts(files) == there
    assert context.report.said == []


@pytest.mark.parametrize("moved", [(), ("latest",), ("latest", "previous")])
def test_an_exchange_that_was_killed_half_way_is_done_again(
    context: Context, files: ProjectFiles, fake: FakeEngine, moved: tuple[str, ...]
) -> None:
    """It begins with another name of the present image."""
    before = tags(fake)
    fake.tag_image(before["latest"], PROJECT.repository, _EXCHANGING)
    other = {"latest": before["previous"], "previous": before["latest"]}
    for tag in moved:
        fake.tag_image(other[tag], PROJECT.repository, tag)
    roll_back("demo", context)
    assert tags(fake) == other


def test_metadata_that_cannot_be_saved_is_a_warning(
    context: Context, files: ProjectFiles, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: ProjectFiles, metadata: object) -> None:
        raise MlcError("the disk is full")

    monkeypatch.setattr(ProjectFiles, "write_metadata", fail)
    roll_back("demo", context)
    assert "its metadata could not be saved: the disk is full" in context.report.said[-1]
