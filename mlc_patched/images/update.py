"""image-update: change a project's Dockerfile and rebuild its image, or roll it back."""

from __future__ import annotations

import difflib
import time

from ..context import Context
from ..engine.interface import Container, Image
from ..errors import MlcError, NotFoundError, UsageError
from ..lean import dataclass, field, replace
from ..names.projects import Project, project_of
from ..names.words import did_you_mean
from ..undo import warn_on_failure
from .base import NEEDED, Base, check_allowed, ready_base
from .brought import NOTHING, Brought, bring, check_conda, copies, note_replaced
from .build.client import check_client
from .build.named_base import named_base, note_other_base
from .build.request import BuildRequest, needs_build_context, requirements_beside
from .build.uv import Resolved, resolve
from .dockerfile.append import today
from .dockerfile.compact import appended_steps, compacted, foldable_steps
from .dockerfile.edit import (
    Changes,
    add_packages,
    missing_account_block,
    remove_package,
    renamed,
    with_account_block,
)
from .dockerfile.installs import APT, PIP, packages_in, where_looked
from .dockerfile.package_steps import UV_STEP
from .dockerfile.render import with_build_context
from .packages import apt_name, apt_packages, pip_name, pip_packages
from .project.files import REJECTED, ProjectFiles, projects_with_files, rebuild_command
from .project.lock import working_on
from .publish import Published, publish
from .versions.inventory import Inventory
from .versions.lockfile import Lock
from .versions.pins import (
    NO_UPGRADE,
    Pins,
    Upgrade,
    constraints_of,
    is_pin,
    limits_of,
)
from .versions.record import read_lock


@dataclass(frozen=True)
class ImageUpdateRequest:
    """A request to update a project: `add` are Python packages, `apt` Debian ones; `compact` folds
    the appended steps."""

    project: str
    add: tuple[str, ...] = ()
    apt: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    upgrade: Upgrade = NO_UPGRADE
    compact: bool = False
    pull: bool = False
    no_cache: bool = False
    arguments: tuple[str, ...] = ()
    requirements: str | None = None


@dataclass(frozen=True)
class Change:
    """A Dockerfile before and after a change. `rejected` is a former edit that was not built,
    `names` the Python packages that were asked for by name."""

    project: Project
    before: str
    after: str
    changes: Changes = field(default_factory=Changes)
    rejected: str | None = None
    brought: Brought = NOTHING
    names: tuple[str, ...] = ()

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
    """The image that now has the project's name, the containers that use the former one, and what
    changed in it, a package a line, and how many of the appended steps can be folded."""

    project: str
    image: str
    image_id: str
    size: int
    seconds: float
    dockerfile: str
    previous: str | None
    containers: tuple[StaleContainer, ...] = ()
    changes: tuple[str, ...] = ()
    appended: int = 0


def plan_change(request: ImageUpdateRequest, context: Context) -> Change:
    """Add and remove packages in the Dockerfile, in memory only.

    Raises UsageError if a package name is invalid, NotFoundError if there is no such project, or no
    such package to remove or to upgrade, and DockerfileError if there is no place for a package.
    """
    project = project_of(request.project, context.account)
    files = ProjectFiles(context.account, project)
    before = files.read_dockerfile()
    if before is None:
        raise NotFoundError(
            f"There is no Dockerfile {files.dockerfile_path} to build {project.image} from."
            + did_you_mean(project.name, projects_with_files(context.account)),
            f"Create the project with: image-create {project.name}"
            if context.engine.image(project.image) is None
            else f"Build another on its image with: {rebuild_command(project, context.account)}",
        )
    for name in request.upgrade.packages:
        if not pip_name(name) and not apt_name(name):
            raise UsageError(f"{name!r} is not the name of a package.")
    changes = Changes()
    text = before
    for package in request.remove:
        text = _without(text, package, changes)
    brought, names = bring(request.requirements, request.add, project.name, context.account, text)
    note_replaced(brought, files, context.report)
    pip = pip_packages((*names, *brought.pip))
    apt = apt_packages((*request.apt, *brought.apt))
    steps = "" if brought.is_in(text) else brought.steps
    if steps and brought.files and files.build_context(text) != files.directory:
        raise UsageError(
            f"The Dockerfile copies files of {files.build_context(text)}, and what you bring would "
            f"be in {files.directory}; a build has one of them.",
            f"Copy it there, and add a step: image-update {project.name} --edit",
        )
    text = add_packages(text, changes, apt=apt, pip=pip, steps=steps, date=today())
    if brought.directory:
        if needs_build_context(before) and files.build_context(before) != brought.directory:
            raise UsageError(
                f"The Dockerfile copies files of {files.build_context(before)}, and the "
                f"requirements file needs those of {brought.directory}; a build has one of them."
            )
        text = with_build_context(text, brought.directory)
    if request.compact:
        if not foldable_steps(text):
            context.report.note(
                f"{project.dockerfile} has no appended steps to fold. Steps that you edited, and "
                "those of -r, wheels and URLs, stay, and no step is moved over them."
            )
        text = compacted(text, today())
    text = with_block(text, project)
    _check_upgrade(request.upgrade, text, files, context, pulls=request.pull)
    rejected = files.read_dockerfile(REJECTED)
    return Change(project, before, text, changes, rejected, brought, pip)


def with_block(text: str, project: Project) -> str:
    """Return a Dockerfile with the account block and the project's name in it; DockerfileError if
    only a part of the block is there."""
    block = missing_account_block(text, project.name)
    return renamed(with_account_block(text, block), project.name)


@dataclass(frozen=True)
class Preview:
    """Which versions an image would get, and the base, if that was pulled already."""

    resolved: Resolved = field(default_factory=Resolved)
    base: Base | None = None


NO_PREVIEW = Preview()


def preview(
    change: Change, request: ImageUpdateRequest, context: Context, *, pulls: bool = False
) -> Preview:
    """Return which versions the image would get, as far as uv can say so in the present image.

    With `pulls`, the base that --pull asks for is pulled to look into it. Raises
    ConflictingPackagesError, which says which, if packages cannot be installed together.
    """
    upgrade, project = request.upgrade, change.project
    former = packages_in(change.before, PIP)
    new = [each for each in packages_in(change.after, PIP) if each not in former and pip_name(each)]
    if request.compact:
        new += _folded(change)
    wanted = tuple(dict.fromkeys((*change.names, *new)))
    options = [f"--upgrade-package={name}" for name in upgrade.packages]
    if upgrade:
        wanted = tuple(each for each in packages_in(change.after, PIP) if pip_name(each))
        options += ["--upgrade"] if upgrade.everything else []
    image = context.engine.image(project.image) if wanted else None
    reference = (
        named_base(change.after, request.arguments, context) if pulls and request.pull else ""
    )
    if image is None and not reference:
        return Preview()
    with working_on(project, context):
        lock = read_lock(ProjectFiles(context.account, project))
        found = Resolved()
        if image is not None:
            kept = constraints_of(lock, change.after, upgrade, lock.of_base) if lock else ()
            pins = Pins(kept)
            found = resolve(image, wanted, pins, context, lock=lock, options=options) or found
        if not reference or lock is None:
            return Preview(found)
        base = ready_base(reference, context, pull=True, last=lock.base)
    return Preview(_moved_by(base, lock, found), base)


def _folded(change: Change) -> list[str]:
    """Return the Python packages of the appended steps that are not in the former Dockerfile."""
    return [
        name
        for each in appended_steps(change.after)
        if change.after[each.start : each.end] not in change.before
        for name in each.pip
    ]


def _moved_by(base: Base, lock: Lock, found: Resolved) -> Resolved:
    """Add to what changes what another base has in other versions than the one of the lock."""
    by_steps = {each.name for each in lock.packages}
    new = {name: each for name, each in base.inventory.packages.items() if name not in by_steps}
    old = lock.of_base
    return replace(
        found,
        added={**{name: new[name] for name in new if old.get(name) != new[name]}, **found.added},
        removed={
            **{name: old[name] for name in old if new.get(name) != old[name]},
            **found.removed,
        },
    )


def update_image(
    change: Change,
    request: ImageUpdateRequest,
    context: Context,
    *,
    by_hand: bool = False,
    previewed: Preview = NO_PREVIEW,
) -> ImageUpdated:
    """Rebuild a project's image and give it the project's name.

    With `by_hand`, the copy of a former edit that was not built is removed. Raises MlcError if the
    Dockerfile was changed in the meantime, the base cannot be used, or the build failed. Whatever
    is raised, the images and the Dockerfile are as they were.
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
        check_client(context)
        with copies(change.brought, files, context):
            published, stale = _rebuilt(change, request, files, previewed, context)
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
        changes=published.changes,
        appended=foldable_steps(change.after),
    )


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


def _check_upgrade(
    upgrade: Upgrade, text: str, files: ProjectFiles, context: Context, *, pulls: bool
) -> None:
    """Refuse to upgrade a package that neither the lock nor the Dockerfile has, or that the
    Dockerfile pins; report what else limits its version, and that it is the base's."""
    lock = read_lock(files) if upgrade.packages else None
    if lock is None or not lock.python:
        return
    known = {*lock.versions, *map(apt_name, lock.debian), *lock.conda}
    known |= {pip_name(each) or PIP.name(each) for each in packages_in(text, PIP)}
    known |= {APT.name(each) for each in packages_in(text, APT)}
    for name in upgrade.packages:
        if not known & {pip_name(name), apt_name(name)}:
            raise NotFoundError(
                f"There is no package {name} in {files.project.image} to upgrade, so nothing was "
                f"changed.{did_you_mean(pip_name(name) or name, known)}"
            )

    for name in map(pip_name, upgrade.packages):
        if version := lock.versions.get(name):
            _check_pins(name, version, text, files, context)
    # What is there and fits, pip and uv leave as it is.
    limited = {pip_name(each) for each in packages_in(text, PIP) if set("=<>~!@") & set(each)}
    for name in map(pip_name, () if pulls else upgrade.packages):
        if name in lock.of_base and name not in limited:
            context.report.note(
                f"{name} {lock.of_base[name]} comes from the base, and --upgrade moves what steps "
                "install. For another version: "
                f"image-update {files.project.name} --add '{name}==VERSION'"
            )


def _check_pins(name: str, version: str, text: str, files: ProjectFiles, context: Context) -> None:
    """Refuse to upgrade a package that the Dockerfile pins to the version that is there; report
    other requirements that limit the version."""
    places = {
        "the Dockerfile": packages_in(text, PIP),
        "a file that the Dockerfile copies": requirements_beside(
            text, files.build_context(text), context.account
        ),
    }
    for where, requirements in places.items():
        for each in limits_of(name, version, requirements):
            if is_pin(each) and where == "the Dockerfile":
                raise MlcError(
                    f"{each} in {where} allows no other version of {name}, so --upgrade cannot "
                    "move it. Nothing was changed.",
                    "Change the version with: "
                    f"image-update {files.project.name} --add '{name}==VERSION'",
                )
            context.report.note(f"{each} in {where} limits what --upgrade can move {name} to.")


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
    change: Change,
    request: ImageUpdateRequest,
    files: ProjectFiles,
    previewed: Preview,
    context: Context,
) -> tuple[Published, tuple[StaleContainer, ...]]:
    """Build and publish the image; return it and the containers that use the former one."""
    reference, lock = named_base(change.after, request.arguments, context), read_lock(files)
    note_other_base(reference, change.after, lock, context.report)
    last = lock.base if lock else None
    base = previewed.base
    adds_uv = UV_STEP in change.after and UV_STEP not in change.before
    if base is None and lock is not None and not change.brought.by_conda and not adds_uv:
        base = _base_of_lock(reference, lock, request, context)
    if base is None and reference:
        base = ready_base(reference, context, pull=request.pull, last=last)
    if base is not None:
        check_conda(change.brought, base, change.before)
    text = base.installable(change.after, context.report) if base else change.after
    sources = previewed.resolved.sources
    build = BuildRequest(
        *(files, text, request.no_cache, base, lock, request.upgrade, sources), request.arguments
    )
    with publish(build, context, before=change.before) as published:
        if published.backup is not None:
            context.report.warn(
                f"{files.dockerfile_path} was changed during the build, whose Dockerfile is there "
                f"now. Your version is kept in {published.backup}; copy your changes from it with: "
                f"image-update {change.project.name} --edit"
            )
        return published, containers_on(published.former, context)


def _base_of_lock(
    reference: str, lock: Lock, request: ImageUpdateRequest, context: Context
) -> Base | None:
    """Return the base without looking into it, if it is that of the last build; None otherwise."""
    if request.pull or reference != lock.base.reference or not lock.python:
        return None
    image = context.engine.image(reference)
    if image is None or image.id != lock.base.id:
        return None
    check_allowed(reference, context)
    inventory = Inventory(lock.python, lock.machine, lock.of_base)
    return Base(reference, image, frozenset(NEEDED), "", inventory)
