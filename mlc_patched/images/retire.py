"""image-retire: remove a project's images, and move its Dockerfile to a backup on request."""

from __future__ import annotations

import contextlib
from functools import partial

from ..context import Context
from ..engine.interface import Image
from ..errors import ConflictError, InUseError, MlcError, NotFoundError, UsageError
from ..interrupts import defer_signals
from ..lean import dataclass
from ..names.containers import short_name
from ..names.images import committed_uid, parse_reference
from ..names.labels import TEMPORARY, is_mlc_s
from ..names.projects import LATEST, PREVIOUS, Project, image_of
from ..names.words import did_you_mean
from ..temporary import KINDS
from ..undo import retry_once
from .project.files import ProjectFiles, dated_suffix, projects_with_files
from .project.lock import working_on


@dataclass(frozen=True)
class Retirement:
    """What one argument asks to remove; `others` are images of the project that stay."""

    project: Project
    images: tuple[tuple[str, Image], ...]
    whole: bool
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class ImageRetired:
    """What was removed. `dockerfile` is the path of the Dockerfile, if it stays."""

    project: str
    images: tuple[str, ...]
    dockerfile: str | None
    backup: str | None = None
    kept: tuple[str, ...] = ()


def plan_retirement(name: str, context: Context, *, with_dockerfile: bool = False) -> Retirement:
    """Find the images of PROJECT or PROJECT:TAG, and refuse if they are in use.

    With `with_dockerfile` there need not be an image. Raises UsageError if the name is invalid, or
    is one image's with `with_dockerfile`, NotFoundError if there is no such image, and MlcError,
    which names them, if containers use it.
    """
    project, tag = image_of(name, context.account)
    if tag and with_dockerfile:
        raise UsageError(
            f"{name} is one image of {project.name}, and --with-dockerfile is for a whole project.",
            f"Leave it out, or use: image-retire {project.name} --with-dockerfile",
        )
    found = {
        reference: image
        for image in context.engine.find_images(names=(project.repository,))
        for reference in image.references
        if parse_reference(reference).repository == project.repository
    }
    wanted = [f"{project.repository}:{each}" for each in ([tag] if tag else [LATEST, PREVIOUS])]
    images = tuple((each, found[each]) for each in wanted if each in found)
    if not images:
        files = ProjectFiles(context.account, project)
        text = files.read_dockerfile()
        if not (with_dockerfile and text is not None):
            there = f" (its Dockerfile is {files.dockerfile_path})" if text is not None else ""
            raise NotFoundError(
                f"You have no image {wanted[0]}{there}."
                + did_you_mean(project.name, projects_with_files(context.account) - {project.name}),
                "List your images with: image-list",
            )
    _refuse_used(project, images, context)
    rest = set(found) - set(wanted) if not tag else ()
    others = tuple(sorted(each for each in rest if committed_uid(each) is None))
    return Retirement(project, images, not tag, others)


def retire(plan: Retirement, context: Context, *, with_dockerfile: bool = False) -> ImageRetired:
    """Remove a project's images; its Dockerfile stays, or becomes a dated backup.

    Raises MlcError if a container started to use an image in the meantime.
    """
    project = plan.project
    files = ProjectFiles(context.account, project)
    removed: list[str] = []
    engine = context.engine
    # All of it is removed, or nothing: an interrupt waits until it is done.
    with working_on(project, context), defer_signals():
        for reference, _ in plan.images:
            try:
                retry_once(partial(engine.remove_image, reference))
            except ConflictError as error:
                done = f" (removed: {', '.join(removed)})" if removed else ""
                raise MlcError(f"{reference} was not removed{done}: {error}") from error
            removed.append(reference)
        backup = None
        if with_dockerfile and plan.whole:
            suffix = dated_suffix()
            backup = files.back_up_dockerfile(suffix, move=True)
            files.move_lock(suffix)
        with contextlib.suppress(MlcError):  # metadata never breaks a command
            if plan.whole or not engine.find_images(names=(project.repository,)):
                files.remove_metadata()
        there = files.read_dockerfile() is not None
    return ImageRetired(
        project=project.name,
        images=tuple(removed),
        dockerfile=files.dockerfile_path if there else None,
        backup=backup,
        kept=plan.others,
    )


def _refuse_used(project: Project, images: tuple[tuple[str, Image], ...], context: Context) -> None:
    ids = {image.id for _, image in images}
    # A command that runs removes its own temporary containers; `retire` waits for its lock.
    users = [
        each
        for each in context.engine.containers()
        if each.image_id in ids and each.labels.get(TEMPORARY) not in KINDS
    ]
    if users:
        own = sorted(short_name(each.name) for each in users if is_mlc_s(each.name, each.labels))
        others = sorted(each.name for each in users if not is_mlc_s(each.name, each.labels))
        commands = [f"container-retire {' '.join(own)}"] if own else []
        commands += [f"docker rm -f {' '.join(others)}"] if others else []
        raise InUseError(
            f"The image of {project.name} is in use and was not removed. Containers on it: "
            f"{', '.join(sorted(each.name for each in users))}.",
            f"Remove them first with: {' - and: '.join(commands)}",
        )
