"""image-update --rollback: return to the image before the last update."""

from __future__ import annotations

import contextlib
from functools import partial

from ..context import Context
from ..engine.interface import Engine, Image
from ..errors import MlcError, NotFoundError
from ..interrupts import ignore_interrupts
from ..lean import dataclass
from ..names.projects import BUILDING, LATEST, PREVIOUS, Project, project_of
from ..undo import Undo, retry_once, warn_on_failure
from .build.request import copied_files
from .project.files import BEFORE, ProjectFiles
from .project.lock import working_on
from .project.metadata import dockerfile_of, note_metadata
from .project.tags import restore_tag
from .update import Change, ImageUpdated, containers_on
from .versions.collect import differences
from .versions.lockfile import parse
from .versions.record import lock_in

_EXCHANGING = f"{BUILDING}exchange"
"""Tag of the former current image during a rollback."""


@dataclass(frozen=True)
class PlannedRollback:
    """What a rollback would do: the image that would get the project's name, the difference of the
    Dockerfile, and the packages that change, one a line."""

    project: str
    image: str
    image_id: str
    previous: str
    diff: str
    versions: tuple[str, ...]


def plan_rollback(name: str, context: Context) -> PlannedRollback:
    """Return what a rollback would do; nothing is changed.

    Raises NotFoundError if there is no previous image.
    """
    project = project_of(name, context.account)
    files = ProjectFiles(context.account, project)
    previous = _there(_exchanged(project, context.engine)[1], project)
    text, text_before = files.read_dockerfile(), files.read_dockerfile(BEFORE)
    diff = "" if text_before is None else Change(project, text or "", text_before).diff()
    versions: list[str] = []
    lock, lock_before = files.read_lock(), files.read_lock(BEFORE)
    if lock is not None and lock_before is not None:
        before = f"{files.lock_path}{BEFORE}"
        versions = differences(parse(lock, files.lock_path), parse(lock_before, before))
    return PlannedRollback(
        *(project.name, project.image, previous.id, project.previous, diff, tuple(versions))
    )


def roll_back(name: str, context: Context) -> ImageUpdated:
    """Exchange a project's image and the previous one, with their Dockerfiles. A Dockerfile that
    was edited after its build is kept in a backup.

    Raises NotFoundError if there is no previous image.
    """
    project = project_of(name, context.account)
    files = ProjectFiles(context.account, project)
    engine = context.engine
    with working_on(project, context):
        current, found, is_interrupted = _exchanged(project, engine)
        previous = _there(found, project)
        size = engine.image_size(previous)
        text, text_before = files.read_dockerfile(), files.read_dockerfile(BEFORE)
        lock, lock_before = files.read_lock(), files.read_lock(BEFORE)
        # After an interrupted exchange, the Dockerfile may be the other image's.
        built, backup = None if is_interrupted else _built_from(current, files), None
        with ignore_interrupts():
            with Undo(context.report) as undo:
                if text is not None and text_before is not None:
                    undo.add(
                        "The new Dockerfile",
                        partial(files.restore_dockerfile, text),
                        failed="restored",
                    )
                    undo.add(
                        "The copy of the Dockerfile",
                        partial(files.restore_dockerfile, text_before, BEFORE),
                        failed="restored",
                    )
                    is_edited = built is not None and text not in (built, text_before)
                    if is_edited and (backup := files.back_up_dockerfile()):
                        suffix = backup.removeprefix(files.dockerfile_path)
                        undo.add(f"The backup {backup}", lambda: files.remove_dockerfile(suffix))
                    files.write_dockerfile(built or text, BEFORE)
                if text_before is not None:
                    files.write_dockerfile(text_before)
                undo.add("The lock", partial(files.restore_lock, lock), failed="restored")
                undo.add(
                    "The copy of the lock",
                    partial(files.restore_lock, lock_before, BEFORE),
                    failed="restored",
                )
                files.write_lock(lock_before)
                files.write_lock(lock, BEFORE)
                _exchange(project, current, previous, engine, undo)
            temporary = f"{project.repository}:{_EXCHANGING}"
            with warn_on_failure(f"The name {temporary} stays", context.report):
                retry_once(lambda: engine.remove_image(temporary))
            stale = containers_on(current, context)
        if backup:
            context.report.note(
                f"The Dockerfile was edited after its last build. Your version is kept in {backup};"
                f" copy your changes from it with: image-update {project.name} --edit"
            )
        if text_before is not None:
            note_metadata(previous, files, context, text_before)
            if copied := ", ".join(copied_files(text_before)):
                context.report.note(f"Files that the Dockerfile copies were not changed: {copied}")
        else:
            context.report.note(
                f"The Dockerfile {files.dockerfile_path} was not changed: "
                "there is no copy of the previous one."
            )
    return ImageUpdated(
        project=project.name,
        image=project.image,
        image_id=previous.id,
        size=size,
        seconds=0.0,
        dockerfile=files.dockerfile_path,
        previous=project.previous if current else None,
        containers=stale,
    )


def _there(previous: Image | None, project: Project) -> Image:
    if previous is None:
        raise NotFoundError(
            f"There is no {project.previous} to go back to. Each image-update keeps one."
        )
    return previous


def _built_from(image: Image | None, files: ProjectFiles) -> str | None:
    """Return the Dockerfile an image was built from, if that is known."""
    if image is None:
        return None
    text = dockerfile_of(image, files)
    with contextlib.suppress(MlcError):  # a rollback works without the lock
        if text is None and (lock := lock_in(image, files)) is not None:
            return lock.dockerfile
    return text


def _exchanged(project: Project, engine: Engine) -> tuple[Image | None, Image | None, bool]:
    """Return the current and the previous image, also if an exchange of them was interrupted, and
    whether one was."""
    current, previous = engine.image(project.image), engine.image(project.previous)
    interrupted = engine.image(f"{project.repository}:{_EXCHANGING}")
    if interrupted is None:
        return current, previous, False
    if previous is not None and previous.id == interrupted.id:
        previous = current
    return interrupted, previous, True


def _exchange(
    project: Project, current: Image | None, previous: Image, engine: Engine, undo: Undo
) -> None:
    """Exchange the names of two images, each of which always has a name."""
    if current is not None:
        temporary = f"{project.repository}:{_EXCHANGING}"
        undo.add(f"The name {temporary}", lambda: engine.remove_image(temporary))
        engine.tag_image(current.id, project.repository, _EXCHANGING)
    for tag, image in ((LATEST, current), (PREVIOUS, previous)):
        undo.add(
            f"The name {project.repository}:{tag}",
            partial(restore_tag, engine, project.repository, tag, image, undo.report),
        )
    engine.tag_image(previous.id, project.repository, LATEST)
    restore_tag(engine, project.repository, PREVIOUS, current, undo.report)
