"""Where a lock is found, and whether it is of the present Dockerfile."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.fakes.engine import FakeEngine
from support.recording_reporter import RecordingReporter

from mlc_patched.context import Context
from mlc_patched.engine.interface import Image
from mlc_patched.errors import UsageError
from mlc_patched.images.list import list_images
from mlc_patched.images.project.files import BEFORE, ProjectFiles
from mlc_patched.images.retire import plan_retirement, retire
from mlc_patched.images.versions.lockfile import Lock, Locked, LockError, digest, render
from mlc_patched.images.versions.record import find_lock, is_outdated, lock_in
from mlc_patched.names.labels import LOCK, Claim, claim_labels
from mlc_patched.names.projects import Project

LOCKED = Lock("p", "FROM x\n", packages=(Locked("six", "1.17.0"),))


@pytest.fixture
def files(context: Context, fake: FakeEngine) -> ProjectFiles:
    found = ProjectFiles(context.account, Project(1001, "p"))
    found.write_dockerfile("FROM x\n")
    found.write_lock(render(LOCKED))
    labels = {**claim_labels(Claim.of(context.account)), LOCK: digest(render(LOCKED))}
    fake.add_image("ds01-1001/p:latest", labels)
    return found


def test_a_lock_is_older_than_a_dockerfile_that_was_edited_since(
    files: ProjectFiles, context: Context
) -> None:
    assert not is_outdated(files)
    (listed,) = list_images(context, detailed=True)
    assert listed.note == ""
    assert listed.details is not None
    assert listed.details.versions == {"six": "1.17.0"}
    files.write_dockerfile("FROM x\nRUN make\n")
    assert is_outdated(files)
    (listed,) = list_images(context)
    assert "image-update p" in listed.note
    files.write_lock(None)
    assert not is_outdated(files)


def test_a_source_is_a_lock_a_project_or_an_image(
    files: ProjectFiles, context: Context, tmp_path: Path
) -> None:
    assert find_lock("p", context) == LOCKED
    path = tmp_path / "copy.lock"
    path.write_text(render(LOCKED))
    assert find_lock(str(path), context) == LOCKED
    assert find_lock("ds01-1002/vision", context) is None
    assert find_lock("debian", context) is None
    files.write_lock(None)
    assert find_lock("p", context) == Lock("p", "FROM x\n")
    path.write_text("nonsense")
    with pytest.raises(LockError, match=r"copy\.lock"):
        find_lock(str(path), context)


def test_a_file_that_is_no_lock_is_reported_as_what_it_is(
    files: ProjectFiles, context: Context, tmp_path: Path
) -> None:
    path = tmp_path / "theirs.lock"
    path.write_text(render(LOCKED) + "nonsense\n")
    with pytest.raises(LockError) as broken:
        find_lock(str(path), context)
    assert broken.value.hint == "Get the lock again from whoever made it; it may be cut off."
    for name in ("chain.Dockerfile", "mine"):
        (tmp_path / name).write_text("# syntax=x\nFROM x\nRUN true\n")
        with pytest.raises(UsageError, match="is a Dockerfile, not a lock") as refused:
            find_lock(f"{tmp_path}/{name}", context)
        assert refused.value.hint.endswith(f"--dockerfile {tmp_path}/{name}")


def test_a_lock_in_a_file_does_not_choose_the_build_context(
    files: ProjectFiles, context: Context, tmp_path: Path
) -> None:
    foreign = Lock("p", "# syntax=a\n# Build context: /home/me/private\nFROM x\nCOPY token /x\n")
    path = tmp_path / "copy.lock"
    path.write_text(render(foreign))
    found = find_lock(str(path), context)
    assert found is not None
    assert found.dockerfile == "# syntax=a\nFROM x\nCOPY token /x\n"
    files.write_lock(render(foreign))
    files.write_dockerfile(foreign.dockerfile)
    assert find_lock("p", context) == foreign, "a project of one's own has files elsewhere"


def test_a_source_that_was_edited_after_its_build_is_the_build_which_is_said(
    files: ProjectFiles, context: Context
) -> None:
    context.report = reporter = RecordingReporter()
    assert find_lock("p", context) == LOCKED
    assert reporter.said == []
    files.write_dockerfile("FROM x\nRUN make\n")
    assert find_lock("p", context) == LOCKED
    assert "image-update p" in " ".join(reporter.said)


def test_an_image_has_the_lock_that_its_label_names(files: ProjectFiles) -> None:
    text = render(LOCKED)
    assert lock_in(Image("1", labels={LOCK: digest(text)}), files) == LOCKED
    assert lock_in(Image("1"), files) is None
    files.write_lock(text, BEFORE)
    files.write_lock(render(Lock("p", "FROM y\n")))
    assert lock_in(Image("1", labels={LOCK: digest(text)}), files) == LOCKED


def test_a_lock_goes_into_the_backup_with_its_dockerfile(
    files: ProjectFiles, context: Context
) -> None:
    plan = plan_retirement("p", context, with_dockerfile=True)
    backup = retire(plan, context, with_dockerfile=True).backup
    assert backup is not None
    assert files.read_lock() is None
    assert files.read_lock(backup.removeprefix(files.dockerfile_path)) == render(LOCKED)
