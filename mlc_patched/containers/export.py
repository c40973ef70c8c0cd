"""export: a container's file system, labels and mounts in one file."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..context import Context
from ..engine.interface import Container
from ..errors import AlreadyExistsError, MlcError
from ..host.files import check_file_name, rights_of
from ..names import labels
from ..undo import Undo
from . import archive


@dataclass(frozen=True)
class Exported:
    """A container's archive: where it is, and its size in bytes."""

    name: str
    file: str
    size: int


def export(
    name: str, file: str | None = None, *, force: bool = False, context: Context | None = None
) -> Exported:
    """Write a container into an archive that `import_` makes a container of again.

    What is mounted (workspace, data, models) is not in it; the manifest says where it was.

    Args:
        file: where to; `NAME.mlc.tar` in the present directory when not given.
        force: replace a file that is there.

    Raises:
        NotFoundError: there is no such container.
        AlreadyExistsError: the file is there already.
        MlcError: the file cannot be written. No half file is ever left under its name.
    """
    context = context or Context()
    container = context.get(name)
    target = Path(check_file_name(file) if file is not None else f"{name}.mlc.tar")
    with rights_of(context.account):
        _check_target(target, force)
    if container.is_running:
        context.report.note(f"{name} is running: files that change meanwhile may be cut.")
    context.report.step(f"Exporting {name} to {target}")
    try:
        # Two exports to one file go one after the other, and know what a killed one has left.
        with context.lock(f"export {target.absolute()}"):
            size = _write(target, _stream(container, context), context, force)
    except OSError as error:
        raise MlcError(f"{target} cannot be written: {error.strerror}") from error
    return Exported(name, str(target), size)


def _stream(container: Container, context: Context) -> Iterator[bytes]:
    image = context.engine.image(container.image_id)
    username = container.labels.get(labels.USERNAME) or context.account.container_name
    yield archive.head(
        archive.Manifest(
            name=container.labels.get(labels.NAME) or container.name,
            account=username,
            labels=container.labels,
            environment=image.environment if image else (),
            command=image.command if image else (),
            entrypoint=image.entrypoint if image else (),
            working_directory=image.working_directory if image else "",
        )
    )
    yield from context.engine.export(container.id)


def _check_target(target: Path, force: bool) -> None:
    """Refuse to replace what is there, and whatever is neither a file nor a link: a link's own
    place is taken, not that of the file it leads to."""
    try:
        mode = target.lstat().st_mode
    except OSError:
        return  # it is not there, or making it will say why it cannot be
    if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
        raise MlcError(f"{target} is there and is no file. Name another one.")
    if not force:
        raise AlreadyExistsError(f"{target} is there already. Replace it with: -f")


def _write(target: Path, chunks: Iterator[bytes], context: Context, force: bool) -> int:
    """Write beside the target under another name, which becomes the target's at the end."""
    partial = target.with_name(f".{target.name}.{context.job.token}.part")
    size = 0
    with Undo(context.report) as undo:
        if context.job.is_alone:
            _remove(partial, context)
        with rights_of(context.account):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(partial, flags, 0o600)
        undo.add(f"The file {partial}", lambda: _remove(partial, context))
        with os.fdopen(descriptor, "wb") as out:
            os.fchmod(descriptor, 0o600)  # whatever the umask
            for chunk in chunks:
                out.write(chunk)
                size += len(chunk)
                context.report.progress(f"{size / 1e6:.0f} MB written")
            out.flush()
            os.fsync(descriptor)
        with rights_of(context.account):
            if force:
                partial.replace(target)
            else:
                _name_it(partial, target)
    return size


def _remove(partial: Path, context: Context) -> None:
    with rights_of(context.account):
        partial.unlink(missing_ok=True)


def _name_it(partial: Path, target: Path) -> None:
    """Give the file its name unless another has taken it meanwhile."""
    try:
        os.link(partial, target)
    except FileExistsError:
        raise AlreadyExistsError(f"{target} came to be there meanwhile; nothing was kept") from None
    except OSError:
        partial.rename(target)  # a file system without links, such as FAT
    partial.unlink(missing_ok=True)
