"""export: a container's file system, labels and mounts in one file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from posixpath import dirname, join

from ..context import Context
from ..engine.interface import Container, Image
from ..errors import EngineError, MlcError
from ..host.files import check_file_name
from ..images.volumes import Volume, read_volume, refuse_uncopied, volumes_of
from ..lean import dataclass
from ..names import labels
from ..new_file import check_target, write_files
from ..tar_stream import END, BrokenArchiveError, members
from . import archive
from .on_cluster import get_to_export


@dataclass(frozen=True)
class Exported:
    """A container's archive: its file, and its size in bytes."""

    name: str
    file: str
    size: int


def export(
    name: str,
    file: str | os.PathLike[str] | None = None,
    *,
    force: bool = False,
    context: Context | None = None,
) -> Exported:
    """Write a container to an archive that `import_` can read, by default `NAME.mlc.tar`.

    It has what is in the container's volumes, but not the mounted directories; its manifest says
    which they were. `force` replaces an existing file. Raises NotFoundError, AlreadyExistsError if
    the file exists, and MlcError if it cannot be written. A partial file never has its name.
    """
    context = context or Context()
    container = get_to_export(name, context)
    target = Path(check_file_name(os.fspath(file)) if file is not None else f"{name}.mlc.tar")
    check_target(target, context, force=force)
    if container.is_running:
        context.report.note(
            f"{name} is running: files that change during the export may be incomplete."
        )
    context.report.step(f"Exporting {name} to {target}")
    [size] = write_files({target: _stream(container, context)}, context, force=force)
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
            volumes=image.volumes if image else (),
            limits=container.limits,
            own_labels=_own_labels(container, image, context),
        )
    )
    volumes = volumes_of(container, context)
    if volumes:
        yield from _with_volumes(container, volumes, context)
    else:
        yield from context.engine.export(container.id)


def _own_labels(container: Container, image: Image | None, context: Context) -> dict[str, str]:
    """Return the labels that a user gave a container: neither its image's nor the site's."""
    others = {**(image.labels if image else {}), **context.settings.labels}
    found = labels.users(container.labels)
    return {label: value for label, value in found.items() if others.get(label) != value}


def _with_volumes(container: Container, volumes: list[Volume], context: Context) -> Iterator[bytes]:
    """Yield a container's file system, with the files of volumes instead of what is below them."""
    engine = context.engine
    refuse_uncopied(volumes, engine)
    try:
        for member in members(engine.export(container.id)):
            if any(each.holds(f"/{member.path}") for each in volumes):
                continue
            if member.link and any(each.holds(f"/{member.link}") for each in volumes):
                raise MlcError(
                    f"{container.name} cannot be exported: /{member.path} is a hard link to "
                    f"/{member.link}, which a volume hides.",
                    f"Replace /{member.path} with a copy of it in the container.",
                )
            yield member.header
            yield from member.content
    except BrokenArchiveError as error:
        raise EngineError(
            f"The engine's archive of {container.name} is not complete: {error}"
        ) from error
    for each in volumes:
        parent = dirname(each.path).lstrip("/")
        for member in read_volume(each, container.id, engine, context.report):
            link = None if member.link is None else join(parent, member.link)
            yield member.renamed(join(parent, member.path), link)
            yield from member.content
    yield END
