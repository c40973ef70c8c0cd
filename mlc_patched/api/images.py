"""The Python API for images."""

from __future__ import annotations

import os
from collections.abc import Sequence
from shlex import split

from ..context import Context
from ..images import create as _image_create
from ..images import existing as _image_existing
from ..images import export as _image_export
from ..images import list as _image_list
from ..images import push as _image_push
from ..images import retire as _image_retire
from ..images import rollback as _rollback
from ..images import update as _image_update
from ..images.create import ImageCreated
from ..images.export import ImageExported
from ..images.job_file import JobRequest as _JobRequest
from ..images.list import ListedImage
from ..images.push import Pushed
from ..images.recipe import ImageRequest as _ImageRequest
from ..images.retire import ImageRetired
from ..images.update import ImageUpdated
from ..images.versions.pins import Upgrade as _Upgrade
from .paths import as_text

__all__ = [
    "ImageCreated",
    "ImageExported",
    "ImageRetired",
    "ImageUpdated",
    "ListedImage",
    "Pushed",
    "create_image",
    "export_image",
    "list_images",
    "push_image",
    "retire_image",
    "roll_back_image",
    "update_image",
]


def create_image(
    project: str,
    *,
    framework: str | None = None,
    version: str | None = None,
    base: str | None = None,
    dockerfile: str | os.PathLike[str] | None = None,
    source: str | os.PathLike[str] | None = None,
    presets: str | Sequence[str] = (),
    pip: str | Sequence[str] = (),
    apt: str | Sequence[str] = (),
    build: bool = True,
    force: bool = False,
    pull: bool = False,
    no_cache: bool = False,
    exist_ok: bool = False,
    context: Context | None = None,
) -> ImageCreated:
    """Write a project's Dockerfile, and build its image with the user's account in it.

    Args:
        project: its name.
        framework: `PyTorch`, `TensorFlow`, `JAX` or another one of the catalog.
        version: version of the framework; the newest by default.
        base: image to build on, instead of a framework's.
        dockerfile: path of your own Dockerfile; the account block is added to it.
        source: a project, an image or the path of a lock to build the same as.
        presets: sets of packages, such as `data-science`.
        pip: Python packages, such as `numpy<2`.
        apt: Debian packages.
        build: whether to build it, or only to write the Dockerfile.
        force: whether to replace a project; alone: rebuild it from its Dockerfile.
        pull: whether to pull the base first.
        no_cache: whether to build without the cache.
        exist_ok: whether to keep a project that exists, if it has all that is named.

    Raises:
        UsageError: an argument is invalid.
        AlreadyExistsError: the project exists; with `exist_ok`, a different one.
        NotFoundError: the catalog or the disk does not have what is named.
        MlcError: the build failed. On any error, images and files are as they were.
    """
    context = context or Context()
    request = _image_create.ImageCreateRequest(
        image=_ImageRequest(
            project, framework, version, base, _words(presets), _words(pip), _words(apt)
        ),
        dockerfile=as_text(dockerfile),
        source=as_text(source),
        build=build,
        force=force,
        pull=pull,
        no_cache=no_cache,
    )
    if exist_ok and (found := _image_existing.fitting(request, context)) is not None:
        return found
    request = _image_create.from_own_dockerfile(request, context)
    return _image_create.create_image(request, _image_create.prepare(request, context), context)


def update_image(
    project: str,
    *,
    add: str | Sequence[str] = (),
    apt: str | Sequence[str] = (),
    remove: str | Sequence[str] = (),
    upgrade: bool | Sequence[str] = (),
    compact: bool = False,
    pull: bool = False,
    no_cache: bool = False,
    context: Context | None = None,
) -> ImageUpdated:
    """Change the packages in a project's Dockerfile, and rebuild its image.

    Args:
        project: its name.
        add: Python packages to add.
        apt: Debian packages to add.
        remove: packages to remove, Python's or Debian's.
        upgrade: packages to move to newer versions; True for all.
        compact: whether to fold the steps that were appended.
        pull: whether to pull the base first.
        no_cache: whether to build without the cache.

    Raises:
        NotFoundError: there is no such project, or no such package to remove or to upgrade.
        MlcError: the build failed. On any error, images and files are as they were.
    """
    context = context or Context()
    request = _image_update.ImageUpdateRequest(
        project,
        _words(add),
        _words(apt),
        _words(remove),
        _Upgrade(upgrade is True, () if isinstance(upgrade, bool) else _words(upgrade)),
        compact,
        pull,
        no_cache,
    )
    change = _image_update.plan_change(request, context)
    found = _image_update.preview(change, request, context)
    return _image_update.update_image(change, request, context, previewed=found)


def roll_back_image(project: str, *, context: Context | None = None) -> ImageUpdated:
    """Exchange a project's image and the previous one, with their Dockerfiles.

    Raises:
        NotFoundError: there is no previous image.
    """
    return _rollback.roll_back(project, context or Context())


def list_images(
    *, all_users: bool = False, detailed: bool = False, context: Context | None = None
) -> list[ListedImage]:
    """Return the images of the caller's projects, or of every user's, ordered by project.

    Args:
        all_users: whether to return those of all users.
        detailed: whether to add packages, labels, Dockerfile and layers.

    Raises:
        MlcError: root has no images.
    """
    return _image_list.list_images(context or Context(), all_users=all_users, detailed=detailed)


def push_image(name: str, registry: str | None = None, *, context: Context | None = None) -> Pushed:
    """Push a project's image to a registry.

    Args:
        name: the project, or `PROJECT:TAG` for one image of it.
        registry: HOST:PORT of the registry; DS01_REGISTRY or the site's by default.

    Raises:
        NotFoundError: there is no such image.
        MlcError: there is no registry, or it refused; or the image is not the caller's.
    """
    return _image_push.push_image(name, registry, context or Context())


def export_image(
    name: str,
    file: str | os.PathLike[str] | None = None,
    *,
    runtime: str = "apptainer",
    workspace: str | os.PathLike[str] | None = None,
    data: str | os.PathLike[str] | None = None,
    models: str | os.PathLike[str] | None = None,
    gpus: str | int | None = None,
    cpus: str | int | None = None,
    memory: str | None = None,
    time: str | None = None,
    partition: str | None = None,
    account: str | None = None,
    qos: str | None = None,
    command: str | Sequence[str] = (),
    architecture: str | None = None,
    force: bool = False,
    context: Context | None = None,
) -> ImageExported:
    """Write a project's image to an archive, and a Slurm job that runs it without Docker.

    Args:
        name: the project, or `PROJECT:TAG` for one image of it.
        file: the archive; `PROJECT.tar` by default. The job is beside it.
        runtime: `apptainer` or `enroot`.
        workspace: mounted as /workspace, a path of the cluster; `~/workspace` by default.
        data: mounted as /data.
        models: mounted as /models.
        gpus: number of GPUs, or `none`; 1 by default.
        cpus: number of CPUs.
        memory: such as `64g`.
        time: time limit as Slurm takes it.
        partition: partition of the cluster.
        account: account to charge.
        qos: quality of service.
        command: what the job runs if sbatch is given nothing else; a line, or a list of words.
        architecture: GPU architecture; this host's by default.
        force: whether to replace files that exist.

    Raises:
        UsageError: an argument is invalid.
        NotFoundError: there is no such image.
        AlreadyExistsError: a file exists.
        MlcError: a file cannot be written; then neither is there.
    """
    request = _JobRequest(
        runtime,
        as_text(workspace),
        as_text(data),
        as_text(models),
        gpus=None if gpus is None else str(gpus),
        cpus=None if cpus is None else str(cpus),
        memory=memory,
        time=time,
        partition=partition,
        account=account,
        qos=qos,
        command=tuple(split(command) if isinstance(command, str) else command),
    )
    return _image_export.export_image(
        name,
        request,
        context or Context(),
        architecture=architecture,
        file=as_text(file),
        force=force,
    )


def retire_image(
    name: str, *, with_dockerfile: bool = False, context: Context | None = None
) -> ImageRetired:
    """Remove the images of a project that no container uses.

    Args:
        name: the project, or `PROJECT:TAG` for one image of it.
        with_dockerfile: whether to move the Dockerfile to a backup, too.

    Raises:
        NotFoundError: there is no such image.
        InUseError: containers use it.
    """
    context = context or Context()
    plan = _image_retire.plan_retirement(name, context, with_dockerfile=with_dockerfile)
    return _image_retire.retire(plan, context, with_dockerfile=with_dockerfile)


def _words(given: str | Sequence[str]) -> tuple[str, ...]:
    """Return one word, or several, as a tuple."""
    return (given,) if isinstance(given, str) else tuple(given)
