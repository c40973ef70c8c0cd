"""image-export: an image as an archive, and a job that runs it where there is no Docker."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from posixpath import normpath
from shlex import join
from typing import Any

from ..context import Context
from ..engine.interface import Image
from ..host.files import check_file_name
from ..host.gpus import CPU, NONE
from ..lean import dataclass, replace
from ..names.labels import MalformedLabelsError, read_claim
from ..names.projects import LATEST
from ..new_file import check_target, write_files
from ..plan.container import choose_gpus
from ..temporary import LOOK
from .job_file import APPTAINER, ARCHIVE, JobRequest, Subject, check_stem, enroot_files, job_file
from .probe import temporary_container
from .project.tags import own_image


@dataclass(frozen=True)
class ImageExported:
    """An image that was exported: the paths of its archive and of its job, the archive's size in
    bytes, and the command lines that prepare and submit the job on the cluster."""

    project: str
    image: str
    runtime: str
    archive: str
    job: str
    size: int
    commands: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the result for `--json`."""
        return vars(self)


def export_image(
    name: str,
    request: JobRequest,
    context: Context,
    *,
    architecture: str | None = None,
    file: str | None = None,
    force: bool = False,
) -> ImageExported:
    """Write an image, PROJECT or PROJECT:TAG, to an archive, and beside it a job that runs it.

    The archive is `PROJECT.tar` or `file`; `force` replaces existing files. Raises UsageError if
    something in the request is invalid, NotFoundError if there is no such image, AlreadyExistsError
    if a file exists, and MlcError if one cannot be written; then neither is there.
    """
    project, tag, image = own_image(name, context)
    default = project.name if tag == LATEST else f"{project.name}-{tag}"
    archive = Path(check_file_name(file) if file is not None else f"{default}{ARCHIVE}")
    check_target(archive, context, force=force)
    stem = check_stem(archive.name.removesuffix(ARCHIVE))
    job = archive.with_name(f"{stem}.sbatch")
    check_target(job, context, force=force)
    choice = choose_gpus(
        architecture,
        "1" if request.gpus is None else request.gpus,
        context.host,
        context.environ,
        lambda: context.catalog,
        context.settings,
    )
    if choice.architecture == CPU:
        request = replace(request, gpus=NONE)
    subject = Subject(
        project.name,
        f"{project.repository}:{tag}",
        _username(image, context),
        archive.name,
        is_rocm=(choice.architecture or "").startswith("ROCM"),
    )
    text = job_file(subject, request, context.account).encode()
    context.report.step(f"Exporting {subject.reference} to {archive}")
    chunks = (
        context.engine.save_image(subject.reference)
        if request.runtime == APPTAINER
        else _file_system(image, context)
    )
    size, _ = write_files({archive: chunks, job: (text,)}, context, force=force)
    return ImageExported(
        project.name,
        subject.reference,
        request.runtime,
        str(archive),
        str(job),
        size,
        (
            subject.preparation(request.runtime),
            join(("sbatch", job.name, *(request.command or ("python3", "train.py")))),
        ),
    )


def _username(image: Image, context: Context) -> str:
    try:
        claim = read_claim(image.labels)
    except MalformedLabelsError:
        claim = None
    return claim.username if claim else context.account.container_name


def _file_system(image: Image, context: Context) -> Iterator[bytes]:
    """Yield an image's file system as an archive, with the files that Enroot reads."""
    context.remove_leftovers()
    # What the image has at the paths of its volumes is exported only where none is mounted.
    options = {"entrypoint": ("true",), "tmpfs": tuple(normpath(path) for path in image.volumes)}
    with temporary_container(image, LOOK, context, **options) as container:
        files = enroot_files(image.environment, image.entrypoint)
        context.engine.write_directory(container, "/etc", iter((_archive(files),)))
        yield from context.engine.export(container)


def _archive(files: Mapping[str, bytes]) -> bytes:
    """Return a tar archive of root's files that everybody can run."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o755
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
