"""import: a container from an exported file, with the importing user's account."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from shlex import quote

from ..context import Context
from ..engine.interface import Image
from ..errors import MlcError, NotAllowedError, NotFoundError, shown
from ..host.files import check_file_name, rights_of
from ..images.account.commit import commit_with_account
from ..interrupts import wait_out_interrupts
from ..lean import TYPE_CHECKING, dataclass, replace
from ..names import labels
from ..names.containers import short_name
from ..names.images import parse_reference
from ..names.projects import BUILDING, LATEST
from ..plan.limits import NANO, check_base
from ..plan.request import CreateRequest
from ..temporary import mark
from ..undo import Undo
from . import archive
from .assign import await_free_gpus
from .create import Created, create_committed
from .gpus import with_served_gpus

if TYPE_CHECKING:
    from typing import BinaryIO

REPOSITORY = "mlc-import"
_DIRECTORIES = {
    "workspace": ("-w", labels.WORKSPACE),
    "data": ("-d", labels.DATA),
    "models": ("-m", labels.MODELS),
}
"""The flag for each directory, and its label in an archive."""
_LIMITS = {"nano_cpus": "cpus", "memory": "memory", "pids": "pids_limit", "shm_size": "shm_size"}
"""The limits of an archive, and the fields of a request for a container."""
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
    """What was asked for; None takes the archive's value, and `-` leaves a directory out.

    A directory of the archive that this host does not have is left out, too, and the workspace is
    then the default one. One that is not below the user's home has to be `accepted`: an archive can
    come from anybody, and what is mounted can be read and written in the container. `wait` is as in
    CreateRequest."""

    file: str
    name: str | None = None
    architecture: str | None = None
    gpus: str | None = None
    workspace: str | None = None
    data: str | None = None
    models: str | None = None
    accepted: frozenset[str] = frozenset()
    wait: bool = False


def import_(request: ImportRequest, context: Context | None = None) -> Created:
    """Create a container from an archive that `export` wrote.

    Raises:
        NotFoundError, UsageError: as `create`; there is no such file.
        AlreadyExistsError: the user has a container of this name.
        NotAllowedError: the administrator's settings forbid it.
        MlcError: the file cannot be read, or contains something that `export` never writes.
        SetupError: the account could not be set up. On any error, everything is rolled back.
    """
    context = context or Context()
    with _opened(request, context) as (file, manifest):
        return _import(request, manifest, file, context)


def directories_to_accept(request: ImportRequest, context: Context) -> dict[str, str]:
    """Return the directories of the host that an archive would have mounted and that are not below
    the user's home, by the field of the request that names another one; errors as for `import_`."""
    with _opened(request, context) as (_, manifest):
        found = {
            field: _archived(field, manifest)
            for field in _DIRECTORIES
            if getattr(request, field) is None
        }
    return {
        field: path
        for field, path in found.items()
        if path and _exists(path, context) and not _is_in_home(path, context)
    }


@contextlib.contextmanager
def _opened(
    request: ImportRequest, context: Context
) -> Iterator[tuple[BinaryIO, archive.Manifest]]:
    """Open an archive with the user's rights, and read its beginning."""
    _check_allowed(request, context)
    with _reading(request.file):
        with rights_of(context.account):
            # As in host/files.py: a pipe that nobody writes to ends at once.
            flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
            opened = os.open(check_file_name(request.file), flags)
        file = os.fdopen(opened, "rb")
    with file:
        with _reading(request.file):
            os.set_blocking(opened, True)
            manifest = archive.read_head(file, request.file)
        yield file, manifest


@contextlib.contextmanager
def _reading(name: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise NotFoundError(
            f"There is no file {name}.", "mlc export NAME writes NAME.mlc.tar."
        ) from error
    except OSError as error:
        raise MlcError(f"{name} cannot be read: {error.strerror}") from error


def _check_allowed(request: ImportRequest, context: Context) -> None:
    try:
        check_base(parse_reference(REPOSITORY), context.settings)
    except NotAllowedError as error:
        raise NotAllowedError(
            f"{request.file} cannot be imported: what it was made from cannot be checked, and the "
            f"images that may be used here are limited to {', '.join(context.settings.bases)}.",
            "Build an image from one of these with image-create, or ask your administrator.",
        ) from error


def _import(
    request: ImportRequest, manifest: archive.Manifest, file: BinaryIO, context: Context
) -> Created:
    plan = context.plan(_create_request(request, manifest, context))
    if plan.choice.note:
        context.report.note(plan.choice.note)
    await_free_gpus(plan, context)
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
        version=version or LATEST,
        image=REPOSITORY,
        architecture=request.architecture,
        gpus=request.gpus,
        wait=request.wait,
        workspace=_directory("workspace", request, manifest, context),
        data=_directory("data", request, manifest, context),
        models=_directory("models", request, manifest, context),
        # An archive can come from anybody: no label that create refuses, and none of the site's.
        labels={
            label: value
            for label, value in labels.users(manifest.own_labels).items()
            if label not in context.settings.labels
        },
        **_limits(manifest, context),
    )
    if request.gpus is None and context.host.has_gpu:
        # The host decides whether to use GPUs, the archive how many.
        wanted = replace(wanted, gpus=labels.read_value(manifest.labels, labels.GPUS) or None)
    return wanted


def _limits(manifest: archive.Manifest, context: Context) -> dict[str, str]:
    """Return an archive's limits as the fields of a request; those of this host's settings are
    kept where they are lower."""
    settings = context.settings
    most = {
        "nano_cpus": None if settings.cpus is None else round(settings.cpus * NANO),
        "memory": settings.memory,
        "pids": settings.pids,
    }
    found = {}
    for limit, field in _LIMITS.items():
        value, allowed = manifest.limits.get(limit), most.get(limit)
        if value is not None and (allowed is None or value <= allowed):
            found[field] = f"{value / NANO}" if limit == "nano_cpus" else f"{value}"
        elif value is not None:
            flag = f"--{field.replace('_', '-')}"
            context.report.note(
                f"{flag} of the archive is more than is allowed here; the limit here is used."
            )
    return found


def _directory(
    field: str, request: ImportRequest, manifest: archive.Manifest, context: Context
) -> str | None:
    said = getattr(request, field)
    if said is not None:
        return None if said == labels.NOT_GIVEN else str(said)
    path = _archived(field, manifest)
    if path is None:
        return None
    if not _exists(path, context):
        context.report.note(f"Not mounted, because this host does not have it: {path}")
        return None
    if path not in request.accepted and not _is_in_home(path, context):
        flag = _DIRECTORIES[field][0]
        raise MlcError(
            f"{request.file} wants {shown(path)} of this host mounted, which is not below your "
            "home. Nothing was imported.",
            f"If you want that, name it: {flag} {quote(path)} - else leave it out: "
            f"{flag} {labels.NOT_GIVEN}",
        )
    return path


def _archived(field: str, manifest: archive.Manifest) -> str | None:
    return labels.given(manifest.labels, _DIRECTORIES[field][1])


def _exists(path: str, context: Context) -> bool:
    """Whether the host has a directory; always, if it cannot be looked at."""
    if not context.address.is_local:
        return True
    with rights_of(context.account):
        return os.path.isdir(path)  # noqa: PTH112 - no exception for what cannot be a path


def _is_in_home(path: str, context: Context) -> bool:
    """Whether a directory is below the user's home, links resolved where they can be."""
    home = context.account.home
    if context.address.is_local:
        with rights_of(context.account):
            path, home = os.path.realpath(path), os.path.realpath(home)
    return os.path.normpath(path).startswith(f"{home.rstrip('/')}/")


def _chunks(
    file: BinaryIO, name: str, unwanted: threading.Event, context: Context
) -> Iterator[bytes]:
    size = 0
    with _reading(name):
        for chunk in archive.checked(archive.rest(file), name):
            if unwanted.is_set():
                return  # the engine refuses the truncated archive, or its image is rolled back
            size += len(chunk)
            context.report.progress(f"{size / 1e6:.0f} MB read")
            yield chunk
