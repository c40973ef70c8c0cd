"""image-push: push a project's image to the site's registry, for other engines to pull."""

from __future__ import annotations

from typing import Any

from ..context import Context
from ..engine.interface import Image
from ..engine.registry import choose_registry, require_registry
from ..errors import MlcError
from ..host.account import refuse_root
from ..interrupts import defer_signals
from ..lean import dataclass
from ..names.images import parse_reference
from ..names.projects import Project
from ..undo import Undo, retry_once
from .fetch import not_own
from .project.files import rebuild_command
from .project.tags import own_image


@dataclass(frozen=True)
class Pushed:
    """An image that was pushed: `pushed` is its name in the registry, `digest` its digest there,
    `size` its uncompressed size in bytes."""

    project: str
    image: str
    pushed: str
    digest: str
    size: int

    @property
    def by_digest(self) -> str:
        """The name by digest: `REGISTRY/ds01-UID/PROJECT@sha256:…`."""
        return f"{parse_reference(self.pushed).repository}@{self.digest}"

    def as_json(self) -> dict[str, Any]:
        """Return the result for `--json`."""
        return {**vars(self), "by_digest": self.by_digest}


def push_image(name: str, registry: str | None, context: Context) -> Pushed:
    """Push an image, PROJECT or PROJECT:TAG, of one of the caller's projects.

    Without `registry`, DS01_REGISTRY or the administrator's is used. Raises UsageError if a name is
    invalid, NotFoundError if there is no such image, MlcError if there is no registry or the image
    is not the caller's, and RegistryError, which says what to do, if that refused.
    """
    refuse_root(context.account, "images")
    chosen = choose_registry(registry, context.environ, context.settings.registry)
    place = require_registry(chosen, "image-push PROJECT REGISTRY")
    project, tag, image = own_image(name, context)
    return push(project, tag, image, place, context)


def push(project: Project, tag: str, image: Image, registry: str, context: Context) -> Pushed:
    """Push an image under its ds01 name; the engine keeps no name of the registry's.

    Raises MlcError if the labels do not name the caller, RegistryError if the registry refused.
    """
    own = f"{project.repository}:{tag}"
    if wrong := not_own(image, context.account):
        raise MlcError(
            f"{own} was not pushed: {wrong}. Other engines would not accept it as yours.",
            f"Rebuild it with: {rebuild_command(project, context.account)}",
        )
    engine, report = context.engine, context.report
    there = f"{registry}/{own}"
    name = parse_reference(there)
    size = engine.image_size(image)
    report.step(f"Pushing {own} to {registry}")
    was_there = engine.image(there)

    def restore() -> None:
        """Remove the name, and with it those by digest that a push adds."""
        now = engine.image(there)
        if now is not None and now.id == image.id:
            engine.remove_image(there)
        if was_there is not None and was_there.id != image.id:
            engine.tag_image(was_there.id, name.repository, tag)

    # The name is for the push alone: image-retire would not remove an image with another name.
    # A name that exists already was left by a killed push.
    with Undo(report) as undo:
        undo.add(f"The name {there}", restore)
        with defer_signals():
            engine.tag_image(image.id, name.repository, tag)
        digest = engine.registry().push(there, report.progress)
        with defer_signals():
            retry_once(restore)
    return Pushed(project.name, own, there, digest, size)
