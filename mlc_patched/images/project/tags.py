"""Which image has a project's name: given, given back, and what becomes of the one that had it."""

from __future__ import annotations

import contextlib

from ...context import Context
from ...engine.interface import Engine, Image
from ...errors import ConflictError
from ...interrupts import defer_signals
from ...names.projects import LATEST, PREVIOUS, Project
from ...report import Reporter
from ...undo import Undo, retry_once, warn_on_failure


def take_name(image: Image, project: Project, context: Context, undo: Undo) -> Image | None:
    """Give an image the project's name; the one that had it becomes the previous one.

    Returns:
        The image that was the previous one until now and is nameless by this, or None.
    """
    engine = context.engine
    current, previous = engine.image(project.image), engine.image(project.previous)
    if current is not None and current.id == image.id:
        return None  # every step came from the cache

    def back() -> None:
        restore_name(engine, project.repository, LATEST, current)
        restore_name(engine, project.repository, PREVIOUS, previous)
        discard(engine, image, context.report)

    undo.add(f"The name {project.image}", back)
    with defer_signals():
        if current is not None:
            engine.tag_image(current.id, project.repository, PREVIOUS)
        engine.tag_image(image.id, project.repository, LATEST)
    return previous if current is not None else None


def restore_name(engine: Engine, repository: str, tag: str, image: Image | None) -> None:
    """Give a name back to the image that had it, or to none."""
    if image is not None:
        engine.tag_image(image.id, repository, tag)
    else:
        engine.remove_image(f"{repository}:{tag}")


def discard(engine: Engine, image: Image | None, report: Reporter) -> None:
    """Remove an image without a name, unless a container or another image needs it.

    That comes after the work is done: a failure is told, and is none of the command's.
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
