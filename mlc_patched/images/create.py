"""image-create: a project's Dockerfile, and the permanent image built from it."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..context import Context
from ..errors import AlreadyExistsError, MlcError
from ..host.account import Account
from ..host.files import check_file_name, read_text
from ..host.gpus import CPU, choose
from ..interrupts import ignore_interrupts
from ..names.projects import Project, project_of
from ..plan.container import ARCHITECTURE_VARIABLE
from ..undo import Undo
from .base import ready_base
from .build.client import build_command, build_network, find_client
from .build.environment import derive, settings_from
from .build.image import (
    BuildRequest,
    account_arguments,
    built,
    needs_context,
)
from .dockerfile import render as dockerfile
from .dockerfile.edit import Changes, add_package, has_account_block, with_account_block
from .dockerfile.installs import APT, PIP
from .dockerfile.syntax import base_of
from .project.files import BEFORE, ProjectFiles
from .project.lock import working_on
from .project.metadata import note_metadata
from .project.tags import discard, take_name
from .recipe import CUSTOM, Wanted, choose_base, chosen_apt, chosen_pip, recipe_for


@dataclass(frozen=True)
class ImageCreateRequest:
    """What was asked for. `dockerfile` is the path of the user's own; it may hold `~`."""

    wanted: Wanted
    dockerfile: str | None = None
    build: bool = True
    force: bool = False
    pull: bool = False
    no_cache: bool = False


@dataclass(frozen=True)
class Prepared:
    """A Dockerfile ready to be built.

    `block_added` is the account block if it had to be added to the user's own Dockerfile,
    `context` the directory that COPY steps take files from.
    """

    project: Project
    text: str
    framework: str
    context: str
    block_added: str = ""


@dataclass(frozen=True)
class ImageCreated:
    """The result: names, paths, and the image's id and size, None where it was not built."""

    project: str
    image: str
    dockerfile: str
    image_id: str | None = None
    size: int | None = None
    seconds: float = 0.0
    backup: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the result for `--json`."""
        return dict(vars(self))


def host_architecture(context: Context) -> str | None:
    """Return the architecture whose part of the catalog counts; None for the whole of it.

    Raises:
        UsageError: MLC_ARCH names none that is known.
    """
    said = context.environ.get(ARCHITECTURE_VARIABLE) or None
    choice = choose(said, None, context.host, context.catalog.architectures())
    return None if choice.architecture == CPU else choice.architecture


def prepare(request: ImageCreateRequest, context: Context) -> Prepared:
    """Write the Dockerfile, in memory only: nothing is touched and no engine is asked.

    Raises:
        UsageError: something that was asked for cannot be meant.
        NotFoundError: the catalog, or the disk, does not have it.
        DockerfileError: the user's own Dockerfile cannot be used.
    """
    project = project_of(request.wanted.project, context.account)
    files = ProjectFiles(context.account, project)
    here = files.directory
    if request.dockerfile is None:
        architecture = host_architecture(context)
        if note := choose_base(request.wanted, context.catalog, architecture).note:
            context.report.note(note)
        recipe = recipe_for(request.wanted, context.catalog, architecture)
        return Prepared(project, dockerfile.render(recipe), recipe.framework, here)
    path, text = _own_dockerfile(request.dockerfile, context.account)
    words = [each for each in (request.wanted.framework, request.wanted.version) if each]
    framework = "-".join(words) or CUSTOM
    block = ""
    if not has_account_block(text):
        base = base_of(text)
        block = dockerfile.account_block(project.name, framework, base)
        text = with_account_block(text, block)
    changes = Changes()
    for package in chosen_apt(request.wanted):
        text = add_package(text, package, APT, changes)
    for package in chosen_pip(request.wanted):
        text = add_package(text, package, PIP, changes)
    place = str(path.parent)
    if needs_context(text) and place != here:
        text = dockerfile.with_context(text, place)
    return Prepared(project, text, framework, dockerfile.context_in(text) or here, block)


def create_image(request: ImageCreateRequest, prepared: Prepared, context: Context) -> ImageCreated:
    """Write a project's Dockerfile and build its image.

    Raises:
        AlreadyExistsError: there is such a project and `force` was not given.
        MlcError: the base will not do, or the build failed. Whatever is raised, the images
            and files of the project are as they were.
    """
    project = prepared.project
    files = ProjectFiles(context.account, project)
    started = time.monotonic()
    with working_on(project, context):
        refuse_existing(request, project, files, context)
        if not request.build:
            return _without_build(request, prepared, files, context)
        prepared, inherited = _on_its_base(request, prepared, context)
        build = BuildRequest(
            project=project,
            dockerfile=prepared.text,
            path=files.dockerfile_path,
            context=prepared.context,
            no_cache=request.no_cache,
            base_labels=inherited,
        )
        former = files.read_dockerfile()
        with contextlib.ExitStack() as done:
            with Undo(context.report) as undo, built(build, context, undo) as image:
                backup = _keep_dockerfile(prepared.text, files, undo)
                superseded = take_name(image, project, context, undo)
                done.enter_context(ignore_interrupts())
            _keep_former(former, files)
            note_metadata(
                image, files, context, prepared.text, prepared.framework, prepared.context
            )
            discard(context.engine, superseded, context.report)
    return ImageCreated(
        project=project.name,
        image=project.image,
        dockerfile=files.dockerfile_path,
        image_id=image.id,
        size=image.size,
        seconds=round(time.monotonic() - started, 1),
        backup=backup,
    )


def planned_command(request: ImageCreateRequest, prepared: Prepared, context: Context) -> list[str]:
    """Return the command a build would run, as a user could give it; nothing is touched."""
    client = find_client(context.client_environ)
    project = prepared.project
    derived = derive(
        prepared.text,
        settings_from(context.environ, context.account),
        client.builder,
        f"{project.image}-ca",
    )
    path = ProjectFiles(context.account, project).dockerfile_path
    command = build_command(
        client,
        dockerfile=path,
        context=prepared.context,
        tag=project.image,
        arguments=account_arguments(context.account),
        inherited=derived.arguments,
        no_cache=request.no_cache,
        network=build_network(context.environ),
    )
    return list(command.argv)


def refuse_existing(
    request: ImageCreateRequest, project: Project, files: ProjectFiles, context: Context
) -> None:
    """Refuse to make a project that is there.

    Raises:
        AlreadyExistsError: with what to do instead.
    """
    if request.force:
        return
    there = []
    if files.read_dockerfile() is not None:
        there.append(f"the Dockerfile {files.dockerfile_path}")
    if request.build and context.engine.image(project.image) is not None:
        there.append(f"the image {project.image}")
    if there:
        raise AlreadyExistsError(
            f"You have a project {project.name!r} already: {' and '.join(there)}. "
            f"Change it with: image-update {project.name} - or make it anew with --force, "
            "which keeps the old Dockerfile as a backup."
        )


def _without_build(
    request: ImageCreateRequest, prepared: Prepared, files: ProjectFiles, context: Context
) -> ImageCreated:
    reference = base_of(prepared.text)
    if reference and context.engine.image(reference) is not None:
        prepared, _ = _on_its_base(replace(request, pull=False), prepared, context)
    with Undo(context.report) as undo:
        backup = _keep_dockerfile(prepared.text, files, undo)
    return ImageCreated(
        prepared.project.name, prepared.project.image, files.dockerfile_path, backup=backup
    )


def _on_its_base(
    request: ImageCreateRequest, prepared: Prepared, context: Context
) -> tuple[Prepared, Mapping[str, str]]:
    """Check the base before anything is built, and add what it lacks for Python packages.

    Returns:
        The Dockerfile to build, and the base's labels.
    """
    reference = base_of(prepared.text)
    if not reference:
        return prepared, {}
    base = ready_base(reference, context, pull=request.pull)
    if request.dockerfile is not None:
        return prepared, base.image.labels
    recipe = recipe_for(request.wanted, context.catalog, host_architecture(context))
    if extra := base.extra_apt(bool(recipe.pip)):
        recipe = replace(recipe, apt=(*recipe.apt, *extra))
        prepared = replace(prepared, text=dockerfile.render(recipe))
    return prepared, base.image.labels


def _keep_dockerfile(text: str, files: ProjectFiles, undo: Undo) -> str | None:
    """Put the Dockerfile in its place, the former one aside; return the former one's path."""
    former = files.read_dockerfile()

    def back() -> None:
        if former is None:
            files.remove_dockerfile()
        else:
            files.write_dockerfile(former)

    if former == text:
        return None
    undo.add(f"The Dockerfile {files.dockerfile_path}", back)
    backup = files.back_up_dockerfile() if former is not None else None
    if backup is not None:
        suffix = backup.removeprefix(files.dockerfile_path)
        undo.add(f"The backup {backup}", lambda: files.remove_dockerfile(suffix))
    files.write_dockerfile(text)
    return backup


def _keep_former(former: str | None, files: ProjectFiles) -> None:
    """Keep the Dockerfile of what is the previous image now, for a rollback."""
    with contextlib.suppress(MlcError):  # the image is there; a rollback does without it
        if former is None:
            files.remove_dockerfile(BEFORE)
        else:
            files.write_dockerfile(former, BEFORE)


def _own_dockerfile(path: str, account: Account) -> tuple[Path, str]:
    absolute = Path(os.path.abspath(_at_home(check_file_name(path), account)))  # noqa: PTH100
    return absolute, read_text(str(absolute), "Dockerfile", account)


def _at_home(path: str, account: Account) -> str:
    return account.home + path[1:] if path == "~" or path.startswith("~/") else path
