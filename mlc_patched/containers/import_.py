"""import: a container from an exported file, with the importing user's account."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

from ..context import Context
from ..engine.interface import Image
from ..errors import MlcError
from ..host.files import check_file_name, rights_of
from ..images.account.commit import commit_with_account
from ..interrupts import wait_out_interrupts
from ..names import labels
from ..names.containers import short_name
from ..names.projects import BUILDING
from ..plan.request import CreateRequest
from ..temporary import mark
from ..undo import Undo
from . import archive
from .create import Created, create_committed
from .gpus import with_served_gpus

REPOSITORY = "mlc-import"
_FORMER_ACCOUNT = """\
former="$DS01_FORMER_USERNAME"
if [ "$former" != "$DS01_USERNAME" ] && [ "$(id -u "$former" 2>/dev/null || echo 0)" != 0 ]; then
    if [ -d "/home/$former" ] && [ ! -e "/home/$DS01_USERNAME" ]; then
        mv "/home/$former" "/home/$DS01_USERNAME"
    fi
    userdel -f "$former"
fi
"""
"""The exporting user's home becomes the importing user's; root's account is kept."""


@dataclass(frozen=True)
class ImportRequest:
    """What was asked for; None takes the archive's value. A directory of the archive that this
    host does not have is left out, and the workspace is then the default one."""

    file: str
    name: str | None = None
    architecture: str | None = None
    gpus: str | None = None
    workspace: str | None = None
    data: str | None = None
    models: str | None = None


def import_(request: ImportRequest, context: Context | None = None) -> Created:
    """Create a container from an archive that `export` wrote.

    Raises:
        NotFoundError, UsageError: as `create`.
        AlreadyExistsError: the user has a container of this name.
        MlcError: the file cannot be read, or contains something that `export` never writes.
        SetupError: the account could not be set up. On any error, everything is rolled back.
    """
    context = context or Context()
    try:
        with rights_of(context.account):
            # As in host/files.py: a pipe that nobody writes to ends at once.
            flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
            opened = os.open(check_file_name(request.file), flags)
        with os.fdopen(opened, "rb") as file:
            os.set_blocking(opened, True)
            manifest = archive.read_head(file, request.file)
            return _import(request, manifest, file, context)
    except OSError as error:
        raise MlcError(f"{request.file} cannot be read: {error.strerror}") from error


def _import(
    request: ImportRequest, manifest: archive.Manifest, file: BinaryIO, context: Context
) -> Created:
    plan = context.plan(_create_request(request, manifest, context))
    for text in plan.notes():
        context.report.note(text)
    with context.lock(plan.tag) as job, Undo(context.report) as undo:
        # A temporary name, by which the next run finds what a killed import left.
        tag = f"{BUILDING}{context.account.uid}-{job.token}"
        context.remove_leftovers(f"{REPOSITORY}:{tag}")
        context.refuse_existing(short_name(plan.tag))
        context.report.step(f"Importing {request.file}")
        image_id = _imported(file, request.file, tag, undo, context)
        image = Image(
            id=image_id,
            environment=manifest.environment,
            command=manifest.command,
            entrypoint=manifest.entrypoint,
            working_directory=manifest.working_directory,
            volumes=manifest.volumes,
            labels={labels.TEMPORARY: ""},  # instead of the imported image's mark
        )
        plan = with_served_gpus(plan, image, context)
        committed = commit_with_account(
            image,
            REPOSITORY,
            plan.tag,
            undo,
            context,
            prelude=_FORMER_ACCOUNT,
            environment={"DS01_FORMER_USERNAME": manifest.account},
        )
        context.engine.remove_image(f"{REPOSITORY}:{tag}")
        return create_committed(plan, committed, undo, context)


def _imported(file: BinaryIO, name: str, tag: str, undo: Undo, context: Context) -> str:
    """Send the archive to the engine, under a temporary name.

    Without that name, the image is removed with the images made from it.
    """
    unwanted = threading.Event()
    chunks = _chunks(file, name, unwanted, context)
    undo.add("The imported image", lambda: context.engine.remove_image(f"{REPOSITORY}:{tag}"))
    return wait_out_interrupts(
        "importing the image",
        lambda: context.engine.import_image(
            chunks,
            REPOSITORY,
            tag,
            labels={labels.TEMPORARY: mark(context.account, context.job.token)},
        ),
        context.report,
        shorten=unwanted.set,
    )


def _create_request(
    request: ImportRequest, manifest: archive.Manifest, context: Context
) -> CreateRequest:
    framework, _, version = (
        labels.read_value(manifest.labels, labels.FRAMEWORK) or "custom-latest"
    ).partition("-")
    wanted = CreateRequest(
        name=manifest.name if request.name is None else request.name,
        framework=framework,
        version=version or "latest",
        image=REPOSITORY,
        architecture=request.architecture,
        gpus=request.gpus,
        workspace=_directory(request.workspace, labels.WORKSPACE, manifest, context),
        data=_directory(request.data, labels.DATA, manifest, context),
        models=_directory(request.models, labels.MODELS, manifest, context),
    )
    if request.gpus is None and context.host.has_gpu:
        # The host decides whether to use GPUs, the archive how many.
        wanted = replace(wanted, gpus=labels.read_value(manifest.labels, labels.GPUS) or None)
    return wanted


def _directory(
    said: str | None, label: str, manifest: archive.Manifest, context: Context
) -> str | None:
    if said is not None:
        return said
    path = labels.read_value(manifest.labels, label) or labels.NOT_GIVEN
    if path == labels.NOT_GIVEN:
        return None
    if not os.path.isdir(path):  # noqa: PTH112 - no exception for what cannot be a path
        context.report.note(f"Not mounted, because this host does not have it: {path}")
        return None
    return path


def _chunks(
    file: BinaryIO, name: str, unwanted: threading.Event, context: Context
) -> Iterator[bytes]:
    size = 0
    for chunk in archive.checked(archive.rest(file), name):
        if unwanted.is_set():
            return  # the engine refuses the truncated archive, or its image is rolled back
        size += len(chunk)
        context.report.progress(f"{size / 1e6:.0f} MB read")
        yield chunk
