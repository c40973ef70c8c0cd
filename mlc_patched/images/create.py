"""image-create: write a project's Dockerfile, and build its image."""

from __future__ import annotations

import os
import time
from pathlib import Path

from ..context import Context
from ..errors import AlreadyExistsError, NotFoundError, UsageError
from ..host.account import Account
from ..host.files import check_file_name, read_text, rights_of
from ..lean import dataclass, replace
from ..names.images import check_reference
from ..names.projects import Project, project_of, project_of_repository
from ..names.words import did_you_mean
from ..plan.directories import expand
from ..undo import Undo
from .base import Base, ready_base
from .brought import NOTHING, Brought, bring, check_conda, copies
from .build.client import SSH_MOUNT, build_command, build_network, check_client, choose_builder
from .build.derive import derive
from .build.environment import settings_from
from .build.named_base import arguments_of, named_base, note_other_base
from .build.request import (
    BuildRequest,
    account_arguments,
    copied_files,
    needs_build_context,
    trigger_takes_files,
)
from .dockerfile import render as dockerfile
from .dockerfile.append import today
from .dockerfile.edit import (
    Changes,
    add_packages,
    framework_in,
    missing_account_block,
    renamed,
    with_account_block,
)
from .dockerfile.render import ImageRecipe
from .dockerfile.stages import base_of
from .project.files import REJECTED, ProjectFiles, projects_with_files, rebuild_command
from .project.lock import working_on
from .publish import kept_if_rejected, place_dockerfile, publish
from .recipe import ImageRequest, chosen_apt, chosen_pip, recipe_for
from .versions.lockfile import Lock
from .versions.record import find_lock, read_lock


@dataclass(frozen=True)
class ImageCreateRequest:
    """A request to create a project. `dockerfile` is the path of the user's own, maybe with `~`;
    `source` a project, an image or a lock to build the same as."""

    image: ImageRequest
    dockerfile: str | None = None
    source: str | None = None
    build: bool = True
    force: bool = False
    pull: bool = False
    no_cache: bool = False
    requirements: str | None = None
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Prepared:
    """A Dockerfile ready to be built.

    `recipe` is what it was rendered from; None for the user's own Dockerfile. `block_added` is the
    account block if that had to be added to the user's own. The build keeps the versions of `lock`.
    """

    project: Project
    text: str
    framework: str
    recipe: ImageRecipe | None = None
    block_added: str = ""
    brought: Brought = NOTHING
    lock: Lock | None = None


@dataclass(frozen=True)
class ImageCreated:
    """The project that was created; `image_id` and `size` are None if the image was not built, and
    `existed` says that it was there already and was kept."""

    project: str
    image: str
    dockerfile: str
    image_id: str | None = None
    size: int | None = None
    seconds: float = 0.0
    backup: str | None = None
    existed: bool = False


def from_own_dockerfile(request: ImageCreateRequest, context: Context) -> ImageCreateRequest:
    """Return the request, to be built from the project's Dockerfile if nothing but --force was
    asked for and there is one: for a user whose UID has changed, for example. Raises NotFoundError
    if there is an image, but no Dockerfile."""
    image = request.image
    asked_for_more = (
        request.dockerfile
        or request.source
        or request.requirements
        or image != ImageRequest(image.project)
    )
    if not request.force or asked_for_more or not image.project:
        return request
    files = ProjectFiles(context.account, project_of(image.project, context.account))
    if files.read_dockerfile() is None:
        if context.engine.image(files.project.image) is None:
            return request
        raise NotFoundError(
            f"The image {files.project.image} has no Dockerfile to rebuild it from, as an adopted "
            "one has none.",
            "To keep what is in it, build another project on it: "
            f"{rebuild_command(files.project, context.account)} - to replace it, give --force and "
            "a base, such as -f PyTorch.",
        )
    return replace(request, dockerfile=files.dockerfile_path)


def prepare(request: ImageCreateRequest, context: Context) -> Prepared:
    """Compose the Dockerfile in memory; nothing is written, and the engine is asked only for an
    image that is the `source`.

    Raises UsageError for an invalid request, NotFoundError if the catalog, the disk or the engine
    does not have what is named, and DockerfileError if the user's own Dockerfile cannot be used.
    """
    origins = (request.image.base, request.dockerfile, request.source)
    if len([each for each in origins if each is not None]) > 1:
        raise UsageError(
            "An image is built on a base, from a Dockerfile or as another one (--from): "
            "name only one of them."
        )
    project = project_of(request.image.project, context.account)
    lock = None if request.source is None else find_lock(request.source, context)
    path, own = Path(), ""
    if request.dockerfile is not None:
        path, own = _own_dockerfile(request.dockerfile, context.account)
    former = own if lock is None else lock.dockerfile
    brought, names = bring(
        request.requirements, request.image.pip, project.name, context.account, former
    )
    image = replace(
        request.image, pip=(*names, *brought.pip), apt=(*request.image.apt, *brought.apt)
    )
    if request.source is not None:
        if lock is not None:
            if image.framework or image.version:
                raise UsageError(
                    f"-f and -v choose a base, and --from {request.source} has its own: give one "
                    "of them."
                )
            if SSH_MOUNT in lock.dockerfile:
                context.report.note(
                    f"A step of the Dockerfile in {request.source} uses your ssh agent while it is "
                    "built, and can log in with your keys then."
                )
            return _from_lock(lock, image, brought, project)
        _refuse_unknown(request.source, context)
        image = replace(image, base=request.source)
    if request.dockerfile is None:
        recipe, note = recipe_for(image, context.catalog, context.catalog_architecture())
        if note:
            context.report.note(note)
        recipe = replace(recipe, steps=brought.steps, directory=brought.directory)
        text = dockerfile.render(recipe)
        return Prepared(project, text, recipe.framework, recipe, brought=brought)
    framework = request.image.label
    block = missing_account_block(own, project.name, framework)
    text = renamed(with_account_block(own, block), project.name)
    directory, files = str(path.parent), ProjectFiles(context.account, project)
    is_elsewhere = directory != files.directory and needs_build_context(text)
    needed = brought.directory or (files.directory if brought.files else directory)
    if is_elsewhere and needed != directory:
        raise UsageError(
            f"{path} copies files of its directory, and what you bring is in {needed}; a build "
            "has one of them.",
            "Copy it there, and install it by a step of your Dockerfile.",
        )
    apt, pip = chosen_apt(image), chosen_pip(image)
    text = add_packages(text, Changes(), apt=apt, pip=pip, steps=brought.steps, date=today())
    if is_elsewhere or brought.directory:
        text = dockerfile.with_build_context(text, needed)
    lock = read_lock(files) if str(path) == files.dockerfile_path else None
    return Prepared(project, text, framework, block_added=block, brought=brought, lock=lock)


def _from_lock(lock: Lock, image: ImageRequest, brought: Brought, project: Project) -> Prepared:
    """Prepare what builds the image of a lock again, with more packages if they are wanted."""
    text = renamed(lock.dockerfile, project.name)
    apt, pip = chosen_apt(image), chosen_pip(image)
    text = add_packages(text, Changes(), apt=apt, pip=pip, steps=brought.steps, date=today())
    if brought.directory:
        text = dockerfile.with_build_context(text, brought.directory)
    framework = framework_in(text) or image.label
    return Prepared(project, text, framework, brought=brought, lock=lock)


def _refuse_unknown(source: str, context: Context) -> None:
    """Raise NotFoundError for a source that is neither a project nor a local image, if its name is
    that of a project, which no registry has: a stranger's image may have a mistyped name."""
    reference = check_reference(source)
    named = project_of_repository(reference.repository)
    is_plain = str(reference) == reference.repository and "/" not in source
    if not (named or is_plain) or context.engine.image(source) is not None:
        return
    name, mine = named.name if named else source, projects_with_files(context.account)
    if named:
        raise NotFoundError(
            f"There is no image {source} on this engine."
            + (did_you_mean(name, mine - {name}) if named.uid == context.account.uid else ""),
            "List all images with: image-list -a",
        )
    own = Project(context.account.uid, name).image
    if context.engine.image(own) is not None:
        raise NotFoundError(
            f"Your project {name} has neither a lock nor a Dockerfile.",
            f"Build on its image with: --from {own}",
        )
    raise NotFoundError(
        f"You have no project {name}, and this engine has no image {name}."
        f"{did_you_mean(name, mine)}",
        f"To build on an image of a registry: --base {name}",
    )


def create_image(request: ImageCreateRequest, prepared: Prepared, context: Context) -> ImageCreated:
    """Write a project's Dockerfile and build its image.

    Raises AlreadyExistsError if the project exists and `force` was not given, and MlcError if the
    base cannot be used or the build failed. Whatever is raised, the images and files of the project
    are as they were.
    """
    project = prepared.project
    files = ProjectFiles(context.account, project)
    started = time.monotonic()
    with working_on(project, context):
        refuse_existing(request, project, files, context)
        if not request.build:
            return _without_build(request, prepared, files, context)
        if request.source is not None and prepared.lock is not None:
            _refuse_missing_files(request.source, prepared, files, context.account)
        check_client(context)
        files.check_writable(prepared.text)
        text, base = _on_its_base(request, prepared, context)
        build = BuildRequest(
            *(files, text, request.no_cache, base, prepared.lock), arguments=request.arguments
        )
        with (
            copies(prepared.brought, files, context),
            kept_if_rejected(
                text, files, context.report, then="To build it, give it by --dockerfile."
            ),
            publish(build, context) as published,
        ):
            files.remove_dockerfile(REJECTED)
            return ImageCreated(
                project=project.name,
                image=project.image,
                dockerfile=files.dockerfile_path,
                image_id=published.image.id,
                size=published.size,
                seconds=round(time.monotonic() - started, 1),
                backup=published.backup,
            )


def planned_command(request: ImageCreateRequest, prepared: Prepared, context: Context) -> list[str]:
    """Return the command a build would run, as a user could enter it; nothing is changed."""
    client = choose_builder(context)
    project = prepared.project
    derived = derive(
        prepared.text,
        settings_from(context.environ, context.account),
        client.builder,
        f"{project.image}-ca",
    )
    files = ProjectFiles(context.account, project)
    command = build_command(
        client,
        dockerfile=files.dockerfile_path,
        build_context=files.build_context(prepared.text),
        tag=project.image,
        arguments=(*account_arguments(context.account), *request.arguments),
        inherited=derived.arguments,
        no_cache=request.no_cache,
        network=build_network(context.environ),
        ssh=SSH_MOUNT in prepared.text,
    )
    return list(command.argv)


def refuse_existing(
    request: ImageCreateRequest, project: Project, files: ProjectFiles, context: Context
) -> None:
    """Raise AlreadyExistsError, with what to do instead, to not replace a project without
    --force."""
    if request.force:
        return
    there = []
    if files.read_dockerfile() is not None:
        there.append(f"the Dockerfile {files.dockerfile_path}")
    if request.build and context.engine.image(project.image) is not None:
        there.append(f"the image {project.image}")
    if there:
        message = f"You already have a project {project.name!r}: {' and '.join(there)}."
        if files.read_dockerfile() is None:
            raise AlreadyExistsError(
                message,
                "It has no Dockerfile. Build another project on it: "
                f"{rebuild_command(project, context.account)} - or replace it, with --force.",
            )
        raise AlreadyExistsError(
            message,
            f"Change it with: image-update {project.name} - build it again unchanged with: "
            f"image-create {project.name} --force - replace it, with a backup of the Dockerfile "
            f"kept, with: image-create {project.name} --force --base IMAGE",
        )


def _without_build(
    request: ImageCreateRequest, prepared: Prepared, files: ProjectFiles, context: Context
) -> ImageCreated:
    text = prepared.text
    reference = base_of(text, arguments_of(text, request.arguments, context))
    if reference and context.engine.image(reference) is not None:
        text, _ = _on_its_base(replace(request, pull=False), prepared, context)
    with (
        copies(prepared.brought, files, context),
        Undo(context.report) as undo,
    ):
        backup = place_dockerfile(text, files, undo)
    return ImageCreated(
        prepared.project.name, prepared.project.image, files.dockerfile_path, backup=backup
    )


def _refuse_missing_files(
    source: str, prepared: Prepared, files: ProjectFiles, account: Account
) -> None:
    """Raise NotFoundError if the Dockerfile in a lock copies files that are not here."""
    directory = files.build_context(prepared.text)
    with rights_of(account):
        missing = [
            name
            for name in dict.fromkeys(copied_files(prepared.text))
            if name not in prepared.brought.files and not os.path.lexists(f"{directory}/{name}")
        ]
    if missing:
        raise NotFoundError(
            f"The Dockerfile in {source} copies {' and '.join(missing)}, which {directory} lacks.",
            "Copy what is missing there; whoever made the lock has it beside the Dockerfile.",
        )


def _on_its_base(
    request: ImageCreateRequest, prepared: Prepared, context: Context
) -> tuple[str, Base | None]:
    """Check the base before anything is built, and add the Debian packages that pip needs; return
    the Dockerfile to build and the base."""
    text, recipe = prepared.text, prepared.recipe
    reference = named_base(text, request.arguments, context)
    if not reference:
        return text, None
    note_other_base(reference, text, prepared.lock, context.report)
    last = prepared.lock.base if prepared.lock else None
    base = ready_base(reference, context, pull=request.pull, last=last)
    check_conda(prepared.brought, base)
    if recipe is not None and (extra := base.extra_apt(bool(recipe.pip or recipe.steps))):
        text = dockerfile.render(replace(recipe, apt=(*recipe.apt, *extra)))
    if request.dockerfile is not None and trigger_takes_files(base.image.triggers):
        text = _with_its_directory(request.dockerfile, text, prepared, context.account)
    text = base.installable(text, context.report)
    base.report_index(text, context.report)
    return text, base


def _with_its_directory(path: str, text: str, prepared: Prepared, account: Account) -> str:
    """Return a user's own Dockerfile whose base takes files, with its directory as the build
    context, unless it has another one."""
    directory = str(Path(expand(check_file_name(path), account)).parent)
    is_there = directory == ProjectFiles(account, prepared.project).directory
    if is_there or prepared.brought.files or dockerfile.build_context_in(text):
        return text
    return dockerfile.with_build_context(text, directory)


def _own_dockerfile(path: str, account: Account) -> tuple[Path, str]:
    absolute = expand(check_file_name(path), account)
    return Path(absolute), read_text(absolute, "Dockerfile", account).removeprefix("\ufeff")
