"""image-update: a project's Dockerfile changed, its image built anew; or the one before back."""

from __future__ import annotations

import difflib
import time
from dataclasses import dataclass, field
from functools import partial

from ..context import Context
from ..engine.interface import Container, Engine, Image
from ..errors import MlcError, NotFoundError, UsageError
from ..interrupts import ignore_interrupts
from ..names.projects import BUILDING, LATEST, PREVIOUS, Project, project_of
from ..undo import Undo, retry_once, warn_on_failure
from .base import ready_base
from .build.image import BuildRequest
from .dockerfile.edit import (
    Changes,
    add_package,
    missing_account_block,
    remove_package,
    with_account_block,
)
from .dockerfile.installs import APT, PIP, where_looked
from .dockerfile.syntax import base_of
from .packages import apt_name, apt_packages, pip_name, pip_packages
from .project.files import BEFORE, ProjectFiles
from .project.lock import working_on
from .project.metadata import note_metadata
from .project.tags import restore_tag
from .publish import Published, publish

_REJECTED = ".rejected"
_EXCHANGING = f"{BUILDING}exchange"
"""Tag of the image that was current, while a rollback exchanges it with the one before."""


@dataclass(frozen=True)
class ImageUpdateRequest:
    """What was asked for: Python packages to add, Debian ones, and those of either to remove."""

    project: str
    add: tuple[str, ...] = ()
    apt: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    pull: bool = False
    no_cache: bool = False


@dataclass(frozen=True)
class Change:
    """A Dockerfile before and after, and what is to be said about it.

    `rejected` is what is left of an edit whose build failed, to go on from; None without one.
    """

    project: Project
    before: str
    after: str
    changes: Changes = field(default_factory=Changes)
    rejected: str | None = None

    def diff(self) -> str:
        """Return the difference as text; empty if there is none."""
        name = self.project.dockerfile
        lines = difflib.unified_diff(
            self.before.splitlines(), self.after.splitlines(), name, f"{name} (new)", lineterm=""
        )
        return "\n".join(lines)


@dataclass(frozen=True)
class StaleContainer:
    """A container that still runs on an image from before: its name in Docker, and its state."""

    tag: str
    state: str


@dataclass(frozen=True)
class ImageUpdated:
    """The result: the image that now has the name, and containers on the one before."""

    project: str
    image: str
    image_id: str
    size: int
    seconds: float
    dockerfile: str
    previous: str | None
    containers: tuple[StaleContainer, ...] = ()


def plan_change(request: ImageUpdateRequest, context: Context) -> Change:
    """Return the Dockerfile with the packages added and removed; nothing is written.

    Raises:
        UsageError: a package is no plain name.
        NotFoundError: there is no such project, or no such package to remove.
        DockerfileError: there is no place for a package; the message says where was looked.
    """
    project = project_of(request.project, context.account)
    files = ProjectFiles(context.account, project)
    before = files.read_dockerfile()
    if before is None:
        raise NotFoundError(
            f"There is no Dockerfile {files.dockerfile_path} to build {project.image} from.",
            f"Make the project with: image-create {project.name}",
        )
    changes = Changes()
    text = before
    for package in request.remove:
        text = _without(text, package, changes)
    for package in apt_packages(request.apt):
        text = add_package(text, package, APT, changes)
    for package in pip_packages(request.add):
        text = add_package(text, package, PIP, changes)
    text = with_block(text, project)
    return Change(project, before, text, changes, files.read_dockerfile(_REJECTED))


def with_block(text: str, project: Project) -> str:
    """Return a Dockerfile with the account block, added if it is missing.

    Raises:
        DockerfileError: only a part of the block is there.
    """
    return with_account_block(text, missing_account_block(text, project.name))


def update_image(
    change: Change, request: ImageUpdateRequest, context: Context, *, by_hand: bool = False
) -> ImageUpdated:
    """Build a project's image anew and give it the project's name.

    Args:
        change: the Dockerfile, before and after.
        request: what was asked for.
        context: who calls, and the engine.
        by_hand: the user has edited it; kept aside if the build fails.

    Raises:
        MlcError: the Dockerfile has changed meanwhile, the base will not do, or the build
            failed. Whatever is raised, the images and the Dockerfile are as they were.
    """
    project = change.project
    files = ProjectFiles(context.account, project)
    started = time.monotonic()
    with working_on(project, context):
        if files.read_dockerfile() != change.before:
            raise MlcError(
                f"The Dockerfile {files.dockerfile_path} was changed in the meantime. "
                "Nothing was done; run the command again."
            )
        try:
            published, stale = _rebuilt(change, request, files, context)
        except BaseException:
            if by_hand and change.after != change.before:
                kept = files.write_dockerfile(change.after, _REJECTED)
                context.report.note(
                    f"Your edit is kept in {kept}; go on from it with: "
                    f"image-update {project.name} --edit"
                )
            raise
        if by_hand:
            files.remove_dockerfile(_REJECTED)
    return ImageUpdated(
        project=project.name,
        image=project.image,
        image_id=published.image.id,
        size=published.image.size,
        seconds=round(time.monotonic() - started, 1),
        dockerfile=files.dockerfile_path,
        previous=project.previous if published.former else None,
        containers=stale,
    )


def roll_back(name: str, context: Context) -> ImageUpdated:
    """Exchange a project's image with the one before, and their Dockerfiles likewise.

    Raises:
        NotFoundError: there is none before.
    """
    project = project_of(name, context.account)
    files = ProjectFiles(context.account, project)
    engine = context.engine
    with working_on(project, context):
        current, previous = _exchanged(project, engine)
        if previous is None:
            raise NotFoundError(
                f"There is no {project.previous} to go back to: one is kept by each image-update."
            )
        text, text_before = files.read_dockerfile(), files.read_dockerfile(BEFORE)
        with ignore_interrupts():
            with Undo(context.report) as undo:
                if text is not None and text_before is not None:
                    undo.add("The Dockerfile", lambda: files.write_dockerfile(text))
                    undo.add("Its copy", lambda: files.write_dockerfile(text_before, BEFORE))
                    files.write_dockerfile(text, BEFORE)
                if text_before is not None:
                    files.write_dockerfile(text_before)
                _exchange(project, current, previous, engine, undo)
            temporary = f"{project.repository}:{_EXCHANGING}"
            with warn_on_failure(f"The name {temporary} stays", context.report):
                retry_once(lambda: engine.remove_image(temporary))
            stale = containers_on(current, context)
        if text_before is not None:
            note_metadata(previous, files, context, text_before)
        else:
            context.report.note(
                f"The Dockerfile {files.dockerfile_path} was left as it is: "
                "the one before was not kept."
            )
    return ImageUpdated(
        project=project.name,
        image=project.image,
        image_id=previous.id,
        size=previous.size,
        seconds=0.0,
        dockerfile=files.dockerfile_path,
        previous=project.previous if current else None,
        containers=stale,
    )


def _exchanged(project: Project, engine: Engine) -> tuple[Image | None, Image | None]:
    """Return the image and the one before, also where an exchange of them was cut off."""
    current, previous = engine.image(project.image), engine.image(project.previous)
    cut_off = engine.image(f"{project.repository}:{_EXCHANGING}")
    if cut_off is None:
        return current, previous
    if previous is not None and previous.id == cut_off.id:
        previous = current
    return cut_off, previous


def _exchange(
    project: Project, current: Image | None, previous: Image, engine: Engine, undo: Undo
) -> None:
    """Let two images change their names; at each moment both have one, so that none is lost."""
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


def containers_on(image: Image | None, context: Context) -> tuple[StaleContainer, ...]:
    """Return the containers made from an image, ordered by name.

    It is asked when the image is there: that the engine did not answer is told, and no more.
    """
    if image is None:
        return ()
    found: list[Container] = []
    with warn_on_failure("Which containers are on the image before is not known", context.report):
        found = context.engine.containers(image=image.id)
    return tuple(
        StaleContainer(each.name, each.state)
        for each in sorted(found, key=lambda container: container.name)
        if each.image_id == image.id
    )


def _without(text: str, package: str, changes: Changes) -> str:
    if not pip_name(package) and not apt_name(package):
        raise UsageError(f"{package!r} is not the name of a package.")
    before = len(changes.removed)
    if pip_name(package):
        text = remove_package(text, package, PIP, changes)
    if len(changes.removed) == before and apt_name(package):
        text = remove_package(text, package, APT, changes)
    if len(changes.removed) == before:
        raise NotFoundError(
            f"The Dockerfile does not install {package}, so nothing was changed: "
            f"{where_looked(text, PIP)}; {where_looked(text, APT)}."
        )
    return text


def _rebuilt(
    change: Change, request: ImageUpdateRequest, files: ProjectFiles, context: Context
) -> tuple[Published, tuple[StaleContainer, ...]]:
    """Build and publish the image; return it with the containers that are still on the former."""
    reference = base_of(change.after)
    base = ready_base(reference, context, pull=request.pull) if reference else None
    labels = base.image.labels if base else {}
    build = BuildRequest(files, change.after, request.no_cache, labels)
    with publish(build, context) as published:
        return published, containers_on(published.former, context)
