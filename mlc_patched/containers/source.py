"""The image that a container is deployed from: a project's, any other, or a framework's."""

from __future__ import annotations

from ..context import Context, already_exists
from ..errors import NotFoundError, UsageError
from ..host.account import refuse_root
from ..lean import replace
from ..names.containers import check_container_name, first_free, is_own_name, short_name
from ..names.images import Reference, check_reference, parse_reference
from ..names.projects import (
    BUILDING,
    LATEST,
    Project,
    check_project,
    image_of,
    is_own_project,
    project_of_repository,
    projects_in,
)
from ..names.words import did_you_mean
from ..plan.request import CUSTOM, CreateRequest, DeployRequest, allowed_name, container_name_from


def resolve(
    request: DeployRequest,
    context: Context,
    *,
    is_dry_run: bool = False,
    exist_ok: bool = False,
    command: str = "container-deploy",
) -> CreateRequest:
    """Turn a deploy request into a create request.

    A name that was not given is derived from the image, with a number if it is taken, unless
    `exist_ok`. An own image that is not here is fetched from the registry, or with `is_dry_run`
    only looked up. `command` is the one to name in messages.

    Raises UsageError for an invalid request, NotFoundError, which lists the caller's images, if the
    project has none, and MlcError for root without sudo.
    """
    refuse_root(context.account)
    sources = {
        "a project": request.project,
        "an image": request.image,
        "a framework": request.framework,
    }
    if len(given := [what for what, value in sources.items() if value is not None]) > 1:
        raise UsageError(f"A container is from {' or '.join(given)}: name only one of them.")
    if request.version is not None and request.framework is None:
        raise UsageError("--version needs --framework: --framework Pytorch --version 2.8.0")
    if request.image is not None:
        reference = check_reference(request.image)
        options = replace(request.options, image=request.image, framework=CUSTOM, version=LATEST)
        wish = container_name_from(request.image)
        if is_own_project(reference, context.account):
            _have_image(request.image, context, is_dry_run=is_dry_run)
        elif "/" not in reference.repository:
            _refuse_project_as_image(reference, context)
    elif request.framework is not None:
        version = _newest(request, context) if request.version is None else request.version
        options = replace(request.options, framework=request.framework, version=version)
        wish = allowed_name(f"{request.framework}-{version}".lower())
    else:
        if request.project is None and request.name is None:
            raise UsageError("Which project?", f"Use: {command} PROJECT. {_own_images(context)}")
        named = request.name if request.project is None else request.project
        if named and ":" in named:
            raise _names_image(*image_of(named, context.account))
        project = Project(context.account.uid, check_project(named or ""))
        wish = allowed_name(project.name)
        name = wish if request.project is None and wish == request.name else None
        image = _image_of(project, name, context, is_dry_run=is_dry_run, exist_ok=exist_ok)
        options = replace(request.options, image=image, framework=CUSTOM, version=LATEST)
        if request.project is None and wish != request.name:
            # A project such as my.project cannot name a container.
            request = replace(request, name=None)
    if request.name is not None:
        check_container_name(request.name, context.account.uid)
        return replace(options, name=request.name)
    name = wish if exist_ok else _free_name(wish, context)
    context.report.note(f"The container is named {name}, after its image.")
    return replace(options, name=name)


def _image_of(
    project: Project, name: str | None, context: Context, *, is_dry_run: bool, exist_ok: bool
) -> str:
    """Return a project's image. If it is not here, `name` may be the caller's container that was
    created from another image: with `exist_ok` return that, else raise AlreadyExistsError."""
    if context.engine.image(project.image) is not None:
        return project.image
    existing = context.find(name) if name is not None else None
    if existing is not None and not exist_ok:
        raise already_exists(short_name(existing.name))
    if existing is not None:
        return existing.image
    _have_image(project.image, context, is_dry_run=is_dry_run)
    return project.image


def _refuse_project_as_image(reference: Reference, context: Context) -> None:
    """Raise NotFoundError if there is no such image but a project of this name."""
    name = reference.repository
    if context.engine.image(str(reference)) is None and name in own_projects(context):
        raise NotFoundError(
            f"There is no image {reference}, but you have a project {name}.",
            f"Use its image with: --project {name}",
        )


def _names_image(project: Project, tag: str | None) -> UsageError:
    image = f"{project.repository}:{tag}"
    instead = f"--project {project.name}" if tag == LATEST else f"--image {image}"
    return UsageError(f"{project.name}:{tag} names an image.", f"Use it with: {instead}")


def own_projects(context: Context) -> list[str]:
    """Return the names of the caller's projects that have an image, ordered."""
    found = context.engine.find_images(names=(f"ds01-{context.account.uid}/*",))
    named = (each for image in found for each in projects_in(image.references))
    return sorted({project.name for project, tag in named if tag == LATEST})


def _free_name(wish: str, context: Context) -> str:
    taken = {
        short_name(each.name)
        for each in context.containers(all_users=True)
        if is_own_name(each.name, context.account.uid)
    }
    return first_free(wish, taken.__contains__)


def _newest(request: DeployRequest, context: Context) -> str:
    catalog = context.catalog
    options = request.options
    architecture = context.catalog_architecture(options.architecture, options.gpus)
    versions = catalog.versions(request.framework or "", architecture)
    return versions[0] if versions else LATEST  # make_plan reports the error


def _have_image(reference: str, context: Context, *, is_dry_run: bool) -> None:
    """Make sure that an own image is here; fetch it from the registry if not."""
    if context.engine.image(reference) is not None:
        return
    from ..images.fetch import fetch, pushed_reference, site_registry

    name = parse_reference(reference)
    own = f"{name.repository}:{name.tag or LATEST}"
    pushed = pushed_reference(own, context)
    if pushed is not None:
        if not is_dry_run:
            fetch(own, pushed, context)
        return
    named = project_of_repository(name.repository)
    close = did_you_mean(named.name, own_projects(context)) if named else ""
    make = f"Build it with: {_build(named, context)}" if named else ""
    registry = site_registry(context)
    nor = f", nor in the registry {registry}" if registry else ""
    raise NotFoundError(f"There is no image {reference}{nor}.{close} {_own_images(context)}", make)


def _build(project: Project, context: Context) -> str:
    """Return the command that builds a project: from its Dockerfile, if it has one."""
    from ..images.project.files import projects_with_files

    is_written = project.name in projects_with_files(context.account)
    return f"image-{'update' if is_written else 'create'} {project.name}"


def _own_images(context: Context) -> str:
    found = context.engine.find_images(names=(f"ds01-{context.account.uid}/*",))
    names = sorted(
        f"{project.repository}:{tag}".removesuffix(f":{LATEST}")
        for image in found
        for project, tag in projects_in(image.references)
        if not tag.startswith(BUILDING)
    )
    return f"Your images: {', '.join(names)}." if names else "You have no images yet."
