"""Find a project's images by their tags, move tags between images, and delete images that lose
their last tag."""

from __future__ import annotations

import contextlib

from ...context import Context
from ...engine.interface import Engine, Image
from ...errors import ConflictError, NotFoundError
from ...interrupts import defer_signals
from ...names.projects import LATEST, PREVIOUS, Project, image_of
from ...report import Reporter
from ...undo import Undo, retry_once, warn_on_failure


def own_image(name: str, context: Context) -> tuple[Project, str, Image]:
    """Return the user's project, the tag and the image that PROJECT or PROJECT:TAG names.

    Raises UsageError if the name is invalid, NotFoundError if there is no such image.
    """
    project, tag = image_of(name, context.account)
    reference = f"{project.repository}:{tag or LATEST}"
    image = context.engine.image(reference)
    if image is None:
        raise NotFoundError(
            f"You have no image {reference}.",
            f"List your images with: image-list - or create it with: image-create {project.name}",
        )
    return project, tag or LATEST, image


def take_name(image: Image, project: Project, context: Context, undo: Undo) -> Image | None:
    """Give an image the project's name; the image that had it becomes the previous one.

    Returns the former previous image if it loses its name by this.
    """
    engine = context.engine
    current, previous = engine.image(project.image), engine.image(project.previous)
    if current is not None and current.id == image.id:
        return None  # every step came from the cache

    def restore() -> None:
        restore_tag(engine, project.repository, LATEST, current, context.report)
        restore_tag(engine, project.repository, PREVIOUS, previous, context.report)

    undo.add(f"The name {project.image}", restore)
    with defer_signals():
        if current is not None:
            engine.tag_image(current.id, project.repository, PREVIOUS)
        engine.tag_image(image.id, project.repository, LATEST)
    return previous if current is not None else None


def restore_tag(
    engine: Engine, repository: str, tag: str, former: Image | None, report: Reporter
) -> None:
    """Move a tag back to the image that had it, or remove it if none had it, and delete the image
    that loses its last tag by this."""
    current = engine.image(f"{repository}:{tag}")
    retry_once(
        lambda: (
            engine.tag_image(former.id, repository, tag)
            if former is not None
            else engine.remove_image(f"{repository}:{tag}")
        )
    )
    discard(engine, current, report)


def discard(engine: Engine, image: Image | None, report: Reporter) -> None:
    """Remove an image that has no name, unless a container or another image needs it.

    A failure is only a warning: the command has done its work by then.
    """
    if image is None:
        return

    def remove() -> None:
        now = engine.image(image.id)
        if now is not None and not now.references:
            engine.remove_image(now.id)

    with (
        warn_on_failure(f"The former image {image.id} was not removed", report),
        contextlib.suppress(ConflictError),
    ):
        retry_once(remove)
