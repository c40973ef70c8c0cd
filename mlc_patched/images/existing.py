"""A project that exists already, in place of a new one (`--exist-ok`): whether it is what was asked
for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from ..context import Context
from ..engine.interface import Image
from ..errors import AlreadyExistsError
from ..lean import replace
from ..names import labels
from ..names.images import check_reference
from ..names.projects import LATEST, project_of
from .brought import bring
from .build.named_base import arguments_of
from .create import ImageCreated, ImageCreateRequest, prepare
from .dockerfile.installs import APT, PIP, packages_in
from .dockerfile.stages import base_of
from .packages import apt_name, pip_name
from .project.files import ProjectFiles
from .recipe import chosen_apt, chosen_pip

_PLAIN = re.compile(r"[\w.+-]+")


def fitting(request: ImageCreateRequest, context: Context) -> ImageCreated | None:
    """Return the user's project of a request's name, or None.

    Raises AlreadyExistsError if it is not built, or if what the request names differs. What it
    leaves out may be anything.
    """
    project = project_of(request.image.project, context.account)
    files = ProjectFiles(context.account, project)
    text, image = files.read_dockerfile(), context.engine.image(project.image)
    if text is None and (image is None or not request.build):
        return None
    differences = []
    if image is None and request.build:
        differences.append(f"its image is not built: image-update {project.name}")
    if text is None:
        differences.append(f"its Dockerfile {files.dockerfile_path} is missing")
    else:
        differences += _differences(text, image, request, files, context)
    if differences:
        raise AlreadyExistsError(
            f"You have a project {project.name!r} already, and it is different: "
            f"{'; '.join(differences)}.",
            f"Change it with: image-update {project.name}",
        )
    size = None if image is None else context.engine.image_size(image)
    return ImageCreated(
        project=project.name,
        image=project.image,
        dockerfile=files.dockerfile_path,
        image_id=None if image is None else image.id,
        size=size,
        existed=True,
    )


def _differences(
    text: str,
    image: Image | None,
    request: ImageCreateRequest,
    files: ProjectFiles,
    context: Context,
) -> Iterator[str]:
    """Yield how a project's Dockerfile differs from what a request names."""
    brought, names = bring(
        request.requirements, request.image.pip, request.image.project, context.account, text
    )
    wanted = replace(request.image, pip=(*names, *brought.pip))
    if request.dockerfile is not None:
        if prepare(request, context).text != text:
            yield f"its Dockerfile is not {request.dockerfile}"
        return
    base = base_of(text, arguments_of(text, request.arguments, context))
    if wanted.base is not None and str(check_reference(wanted.base)) != base:
        yield f"its base is {base}, not {wanted.base}"
    framework = (image.labels.get(labels.IMAGE_FRAMEWORK) if image else None) or ""
    if wanted.base is None and wanted.framework is not None and framework:
        name, _, version = framework.partition("-")
        is_same = name.casefold() == wanted.framework.casefold()
        if not is_same or wanted.version not in (None, LATEST, version):
            named = "-".join(each for each in (wanted.framework, wanted.version) if each)
            yield f"its framework is {framework}, not {named}"
    pip = _missing(chosen_pip(wanted), packages_in(text, PIP), pip_name)
    apt = _missing(chosen_apt(wanted), packages_in(text, APT), apt_name)
    if brought.is_in(text):
        for name, content in brought.files.items():
            if files.has_content(name, content) is False:
                yield f"its {name} has another content than what you bring"
    else:
        yield "it does not install what you bring"
    if missing := [*pip, *apt]:
        yield f"it does not install {', '.join(missing)}"


def _missing(
    wanted: tuple[str, ...], found: tuple[str, ...], name: Callable[[str], str]
) -> list[str]:
    """Return the packages that are not found: plain names by name, others as they are."""
    names = {name(each) for each in found}
    return [
        each
        for each in wanted
        if (name(each) not in names if _PLAIN.fullmatch(each) else each not in found)
    ]
