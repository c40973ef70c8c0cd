"""The volumes of a container, which the engine leaves out of a commit and of an export.

An image that declares a volume hides that path in every container made from it. To write there, a
container is created with a file system in memory at the path, and not started: the engine then
mounts nothing there, and the files become part of the container.
"""

from __future__ import annotations

import hashlib
import itertools
import tarfile
from collections.abc import Callable, Iterable, Iterator
from posixpath import basename, dirname, join, normpath

from ..context import Context
from ..engine.interface import VOLUME, Container, Engine, Image, Mount
from ..engine.specification import ContainerSpecification
from ..errors import EngineError, MlcError, NotFoundError
from ..lean import dataclass
from ..names import labels
from ..report import Reporter
from ..tar_stream import END, BrokenArchiveError, Member, members
from ..temporary import VOLUMES, temporary_name
from ..undo import Undo, retry_once
from .probe import create_temporary


@dataclass(frozen=True)
class Volume:
    """A volume, with what is mounted in it: the path without links, and the paths below it that
    belong to something else, such as a directory of the host."""

    mount: Mount
    path: str
    others: tuple[str, ...] = ()

    def holds(self, path: str) -> bool:
        """Whether a path is in it."""
        return is_below(path, self.path) and not any(
            path != other and is_below(path, other) for other in self.others
        )


def is_below(path: str, directory: str) -> bool:
    """Whether a path is a directory or something in it; both begin with a slash."""
    return path == directory or path.startswith(f"{directory.rstrip('/')}/")


def volumes_of(container: Container, context: Context) -> list[Volume]:
    """Return a container's volumes, except those that are in another one.

    Raises:
        EngineError: it has volumes, and a directory that it mounts, too, is missing.
    """
    if not any(each.kind == VOLUME for each in container.mounts):
        return []
    engine = context.engine
    context.check_mounts(container)
    found = {engine.real_path(container.id, each.path): each for each in container.mounts}
    volumes = []
    for path, mount in sorted(found.items()):
        above = [each for each in found if each != path and is_below(path, each)]
        if mount.kind == VOLUME and (not above or found[max(above, key=len)].kind != VOLUME):
            others = (
                each
                for each, other in found.items()
                if other.kind != VOLUME and each != path and is_below(each, path)
            )
            volumes.append(Volume(mount, path, tuple(sorted(others))))
    return volumes


def changed_volumes(container: Container, context: Context) -> list[Volume]:
    """Return the volumes whose files are not those that the container's image has there."""
    engine = context.engine
    volumes = volumes_of(container, context)
    image = engine.image(container.image_id) if volumes else None
    if image is None:
        return [each for each in volumes if not _is_empty(each, container.id, engine)]
    with Undo(context.report) as undo:
        bare = _bare_container(image, context, undo)
        changed = [each for each in volumes if not _is_same(each, container.id, bare, engine)]
        engine.remove_container(bare, force=True)
    if engine.copies_owners:
        return changed
    # Podman fills a volume when its container is first started.
    return [each for each in changed if not _is_empty(each, container.id, engine)]


def unsaved_volumes(container: Container, context: Context) -> list[Volume]:
    """Return the volumes with files that are nowhere else, and that would be removed together
    with the container."""
    if not any(each.is_anonymous for each in container.mounts):
        return []
    return [
        each
        for each in changed_volumes(container, context)
        if each.mount.is_anonymous and not _is_empty(each, container.id, context.engine)
    ]


def commit_with_volumes(
    container: str,
    volumes: list[Volume],
    temporary: str,
    commit: Callable[[str, str | None], str],
    context: Context,
) -> str:
    """Commit a container together with the files in volumes, and return the image's id.

    Args:
        container: the container.
        volumes: those whose files are to be in the image.
        temporary: a name for the image without them, which is removed.
        commit: commits a container, under this name or under the final one (None).

    Raises:
        MlcError: a volume cannot be copied. Nothing is left behind.
    """
    if not volumes:
        return commit(container, None)
    engine = context.engine
    refuse_uncopied(volumes, engine)
    with Undo(context.report) as undo:
        undo.add(f"The image {temporary}", lambda: engine.remove_image(temporary))
        image = engine.image(commit(container, temporary))
        if image is None:
            raise EngineError(f"The engine does not have {temporary}, which was just made.")
        target = _bare_container(image, context, undo)
        for each in volumes:
            context.report.step(f"Copying the volume {each.mount.path}")
            content = read_volume(each, container, engine, context.report)
            engine.write_directory(target, dirname(each.path), _replacing(each, content))
        _check_written(volumes, container, target, engine)
        made = commit(target, None)
        engine.remove_container(target, force=True)
        retry_once(lambda: engine.remove_image(temporary))
    return made


def _bare_container(image: Image, context: Context, undo: Undo) -> str:
    """Create a container of an image in which none of its volumes is mounted."""
    declared = {normpath(path) for path in image.volumes}
    specification = ContainerSpecification(
        name=temporary_name(VOLUMES, context.account, context.job.token),
        image=image.id,
        entrypoint=("true",),
        labels={labels.TEMPORARY: VOLUMES},
        network="none",
        tmpfs=tuple(sorted(declared)),
    )
    return create_temporary(specification, context.engine, undo)


def refuse_uncopied(volumes: Iterable[Volume], engine: Engine) -> None:
    """Refuse to go on if the engine cannot copy volumes.

    Raises:
        MlcError: it cannot.
    """
    paths = ", ".join(each.mount.path for each in volumes)
    if paths and not engine.copies_owners:
        raise MlcError(
            f"What is in the volumes {paths} cannot be copied: {engine.product} does not keep the "
            "owners of the files. Nothing was removed.",
            "Copy the files to /workspace, and empty these directories.",
        )


def read_volume(
    volume: Volume, container: str, engine: Engine, report: Reporter
) -> Iterator[Member]:
    """Yield the members of a volume's archive, without what else is mounted in it. Their names
    begin with the name of the volume's directory.

    Raises:
        MlcError: it is not a directory, or the engine failed.
    """
    count = 0
    for member, path in _members(volume, container, engine):
        if not (count or member.info.isdir()):
            break
        count += 1
        if volume.holds(path) and (path not in volume.others or member.info.isdir()):
            report.progress(f"{count} files of {volume.mount.path} copied")
            yield member
    if not count:
        raise EngineError(f"The engine did not return the directory {volume.path}.")


def _members(volume: Volume, container: str, engine: Engine) -> Iterator[tuple[Member, str]]:
    """Yield members with their absolute paths. The first is the directory, and the names of the
    others begin with its name: Docker's with its own, Podman's with the root of the volume."""
    top = None
    try:
        for member in members(engine.read_directory(container, volume.path)):
            top = member.path if top is None else top
            if not is_below(f"/{member.path}", f"/{top}"):
                raise EngineError(
                    f"The engine returned a file that is not in {volume.path}: {member.path}"
                )
            yield member, join(volume.path, member.path[len(top) :].lstrip("/")).rstrip("/")
    except BrokenArchiveError as error:
        raise EngineError(f"The archive of {volume.path} is not complete: {error}") from error


def _replacing(volume: Volume, content: Iterator[Member]) -> Iterator[bytes]:
    """Yield an archive that replaces a directory: a file of its name removes it first."""
    yield tarfile.TarInfo(basename(volume.path)).tobuf()
    for member in content:
        yield member.header
        yield from member.content
    yield END


def _check_written(volumes: Iterable[Volume], source: str, target: str, engine: Engine) -> None:
    """Check that the files are in the container itself, not in something mounted there."""
    written = {each.path for each in engine.changes(target)}
    for each in volumes:
        if each.path not in written or not _is_same(each, source, target, engine):
            raise EngineError(f"The engine did not copy what is in the volume {each.mount.path}.")


def _is_same(volume: Volume, container: str, other: str, engine: Engine) -> bool:
    """Whether two containers have the same files at a volume's path; the other one may have no
    such directory."""
    try:
        engine.real_path(other, volume.path)
    except NotFoundError:
        return _is_empty(volume, container, engine)
    facts = (_facts(volume, each, engine) for each in (container, other))
    return all(one == another for one, another in itertools.zip_longest(*facts))


def _facts(volume: Volume, container: str, engine: Engine) -> Iterator[object]:
    """Yield what makes the files of a volume what they are, but not when they were changed."""
    for member, path in _members(volume, container, engine):
        if not volume.holds(path) or path in volume.others:
            continue
        info, digest = member.info, hashlib.sha256()
        for chunk in member.content:
            digest.update(chunk)
        capability = info.pax_headers.get("SCHILY.xattr.security.capability")
        link = member.link or info.linkname
        owner = (info.uid, info.gid) if engine.copies_owners else ()
        yield (path, info.type, info.mode, *owner, link, info.size, digest.digest())
        yield (info.devmajor, info.devminor, capability)


def _is_empty(volume: Volume, container: str, engine: Engine) -> bool:
    return all(
        path == volume.path or path in volume.others or not volume.holds(path)
        for _, path in _members(volume, container, engine)
    )
