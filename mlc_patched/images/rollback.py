"""image-update --rollback: return to the image before the last update."""

from __future__ import annotations

from functools import partial

from ..context import Context
from ..engine.interface import Engine, Image
from ..errors import NotFoundError
from ..interrupts import ignore_interrupts
from ..names.projects import BUILDING, LATEST, PREVIOUS, Project, project_of
from ..undo import Undo, retry_once, warn_on_failure
from .project.files import BEFORE, ProjectFiles
from .project.lock import working_on
from .project.metadata import note_metadata
from .project.tags import restore_tag
from .update import ImageUpdated, containers_on

_EXCHANGING = f"{BUILDING}exchange"
"""Tag of the former current image during a rollback."""


def roll_back(name: str, context: Context) -> ImageUpdated:
    """Exchange a project's image and the previous one, with their Dockerfiles.

    Raises NotFoundError if there is no previous image.
    """
    project = project_of(name, context.account)
    files = ProjectFiles(context.account, project)
    engine = context.engine
    with working_on(project, context):
        current, previous = _exchanged(project, engine)
        if previous is None:
            raise NotFoundError(
                f"There is no {project.previous} to go back to. Each image-update keeps one."
            )
        size = engine.image_size(previous)
        text, text_before = files.read_dockerfile(), files.read_dockerfile(BEFORE)
        lock, lock_before = files.read_lock(), files.read_lock(BEFORE)
        with ignore_interrupts():
            with Undo(context.report) as undo:
                if text is not None and text_before is not None:
                    undo.add("The new Dockerfile", lambda: files.write_dockerfile(text))
                    undo.add(
                        "The copy of the Dockerfile",
                        lambda: files.write_dockerfile(text_before, BEFORE),
                    )
                    files.write_dockerfile(text, BEFORE)
                if text_before is not None:
                    files.write_dockerfile(text_before)
                undo.add("The lock", lambda: files.write_lock(lock))
                undo.add("The copy of the lock", lambda: files.write_lock(lock_before, BEFORE))
                files.write_lock(lock_before)
                files.write_lock(lock, BEFORE)
                _exchange(project, current, previous, engine, undo)
            temporary = f"{project.repository}:{_EXCHANGING}"
            with warn_on_failure(f"The name {temporary} stays", context.report):
                retry_once(lambda: engine.remove_image(temporary))
            stale = containers_on(current, context)
        if text_before is not None:
            note_metadata(previous, files, context, text_before)
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


def _exchanged(project: Project, engine: Engine) -> tuple[Image | None, Image | None]:
    """Return the current and the previous image, also if an exchange of them was interrupted."""
    current, previous = engine.image(project.image), engine.image(project.previous)
    interrupted = engine.image(f"{project.repository}:{_EXCHANGING}")
    if interrupted is None:
        return current, previous
    if previous is not None and previous.id == interrupted.id:
        previous = current
    return interrupted, previous


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
