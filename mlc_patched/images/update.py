"""image-update: change a project's Dockerfile and rebuild its image, or roll it back."""

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
from ..names.words import did_you_mean
from ..undo import Undo, retry_once, warn_on_failure
from .base import ready_base
from .build.client import check_client
from .build.image import BuildRequest
from .dockerfile.append import today
from .dockerfile.edit import (
    Changes,
    add_packages,
    missing_account_block,
    remove_package,
    with_account_block,
)
from .dockerfile.installs import APT, PIP, where_looked
from .dockerfile.syntax import base_of
from .packages import apt_name, apt_packages, pip_name, pip_packages
from .project.files import BEFORE, REJECTED, ProjectFiles, projects_with_files
from .project.lock import working_on
from .project.metadata import note_metadata
from .project.tags import restore_tag
from .publish import Published, publish

_EXCHANGING = f"{BUILDING}exchange"
"""Tag of the former current image during a rollback."""


@dataclass(frozen=True)
class ImageUpdateRequest:
    """A request to update a project: `add` are Python packages, `apt` Debian ones."""

    project: str
    add: tuple[str, ...] = ()
    apt: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    pull: bool = False
    no_cache: bool = False
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Change:
    """A Dockerfile before and after a change. `rejected` is a former edit whose build failed."""

    project: Project
    before: str
    after: str
    changes: Changes = field(default_factory=Changes)
    rejected: str | None = None

    def diff(self) -> str:
        """Return a unified diff; empty if nothing changed."""
        name = self.project.dockerfile
        lines = difflib.unified_diff(
            self.before.splitlines(), self.after.splitlines(), name, f"{name} (new)", lineterm=""
        )
        return "\n".join(lines)


@dataclass(frozen=True)
class StaleContainer:
    """A container that still uses the former image: its name in Docker, and its state."""

    tag: str
    state: str


@dataclass(frozen=True)
class ImageUpdated:
    """The image that now has the project's name, and the containers that use the former one."""

    project: str
    image: str
    image_id: str
    size: int
    seconds: float
    dockerfile: str
    previous: str | None
    containers: tuple[StaleContainer, ...] = ()


def plan_change(request: ImageUpdateRequest, context: Context) -> Change:
    """Add and remove packages in the Dockerfile, in memory only.

    Raises UsageError if a package name is invalid, NotFoundError if there is no such project, or no
    such package to remove, and DockerfileError if there is no place for a package.
    """
    project = project_of(request.project, context.account)
    files = ProjectFiles(context.account, project)
    before = files.read_dockerfile()
    if before is None:
        raise NotFoundError(
            f"There is no Dockerfile {files.dockerfile_path} to build {project.image} from."
            + did_you_mean(project.name, projects_with_files(context.account)),
            f"Create the project with: image-create {project.name}",
        )
    changes = Changes()
    text = before
    for package in request.remove:
        text = _without(text, package, changes)
    apt, pip = apt_packages(request.apt), pip_packages(request.add)
    text = add_packages(text, changes, apt=apt, pip=pip, date=today())
    text = with_block(text, project)
    return Change(project, before, text, changes, files.read_dockerfile(REJECTED))


def with_block(text: str, project: Project) -> str:
    """Return a Dockerfile with the account block; DockerfileError if only a part of it is there."""
    return with_account_block(text, missing_account_block(text, project.name))


def update_image(
    change: Change, request: ImageUpdateRequest, context: Context, *, by_hand: bool = False
) -> ImageUpdated:
    """Rebuild a project's image and give it the project's name.

    With `by_hand`, the user's edit of the Dockerfile is kept if the build fails. Raises MlcError if
    the Dockerfile was changed in the meantime, the base cannot be used, or the build failed.
    Whatever is raised, the images and the Dockerfile are as they were.
    """
    project = change.project
    files = ProjectFiles(context.account, project)
    started = time.monotonic()
    with working_on(project, context):
        if files.read_dockerfile() != change.before:
            raise MlcError(
                f"The Dockerfile {files.dockerfile_path} was changed in the meantime. "
                "Nothing was done.",
                "Run the command again.",
            )
        try:
            check_client(context)
            published, stale = _rebuilt(change, request, files, context)
        except BaseException as error:
            if by_hand and change.after != change.before:
                kept = files.write_dockerfile(change.after, REJECTED)
                text = (
                    f"Your edit is kept in {kept}. Continue with: "
                    f"image-update {project.name} --edit"
                )
                (error.add_hint if isinstance(error, MlcError) else context.report.note)(text)
            raise
        if by_hand:
            files.remove_dockerfile(REJECTED)
    return ImageUpdated(
        project=project.name,
        image=project.image,
        image_id=published.image.id,
        size=published.size,
        seconds=round(time.monotonic() - started, 1),
        dockerfile=files.dockerfile_path,
        previous=project.previous if published.former else None,
        containers=stale,
    )


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


def containers_on(image: Image | None, context: Context) -> tuple[StaleContainer, ...]:
    """Return the containers created from an image, ordered by name.

    A failure is only a warning, as the image is complete by then.
    """
    if image is None:
        return ()
    found: list[Container] = []
    with warn_on_failure("The containers on the previous image are unknown", context.report):
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
    """Build and publish the image; return it and the containers that use the former one."""
    reference = base_of(change.after)
    base = ready_base(reference, context, pull=request.pull) if reference else None
    labels = base.image.labels if base else {}
    text = base.installable(change.after, context.report) if base else change.after
    build = BuildRequest(files, text, request.no_cache, labels, request.arguments)
    with publish(build, context) as published:
        return published, containers_on(published.former, context)
