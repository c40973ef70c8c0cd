"""A build context as the tar stream that the engine's build API expects ("ImageBuild").

It contains what the Docker client would send: the directory without what .dockerignore excludes.
The Dockerfile and the secrets of the build are added under names of our own, which no COPY sees.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from ..errors import MlcError
from ..host.account import Account
from ..host.directories import opened
from ..host.files import rights_of
from ..lean import dataclass, field

PREFIX = ".mlc-build."
DOCKERFILE = f"{PREFIX}Dockerfile"
"""Name of the Dockerfile in the build context."""
_IGNORE = ".dockerignore"
_CHUNK = 1024**2
_LARGEST_IGNORE = 1024**2


@dataclass(frozen=True)
class BuildOptions:
    """Options of a build from a build context; see `Engine.build`.

    `directory` is the build context, None for an empty one; its files are read with the rights of
    `account`. `secrets` are contents by id, which steps can mount.
    """

    account: Account
    directory: str | None = None
    arguments: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    network: str = "host"
    no_cache: bool = False


def added_name(secret: str) -> str:
    """Return the name of a secret's file in the build context."""
    return f"{PREFIX}{secret}"


def context_archive(
    directory: str | None,
    account: Account,
    added: Mapping[str, str],
    *,
    place: str | None = None,
    hides_added: bool = True,
) -> Iterator[bytes]:
    """Yield a build context as a tar archive, read with the account's rights.

    `added` has the contents of further files by name, which begins with PREFIX; `place` is the path
    to read the directory at, if it is opened already. With `hides_added`, .dockerignore gets rules
    by which COPY sees none of the added files; BuildKit does not read the file in an archive.
    Raises MlcError if a file cannot be read.
    """
    if directory is not None:
        try:
            with contextlib.nullcontext(place) if place else opened(directory, account) as reached:
                yield from _directory(_Source(directory, reached, account), hides_added)
        except OSError as error:
            raise unreadable(directory, error) from error
    for name, content in added.items():
        yield from _text(name, content)
    yield b"\0" * (2 * tarfile.BLOCKSIZE)  # the end of a tar archive


@dataclass(frozen=True)
class _Source:
    """A build context: its path for messages, the one to read it at, and with whose rights."""

    name: str
    place: str
    account: Account

    def unreadable(self, path: str, error: OSError) -> MlcError:
        """Return the error for one of its files."""
        return unreadable(path.replace(self.place, self.name, 1), error)


def _directory(source: _Source, hides_added: bool) -> Iterator[bytes]:
    own = _opened(f"{source.place}/{_IGNORE}", source)
    ignored = "" if own is None else own.read(_LARGEST_IGNORE).decode(errors="replace")
    if own is not None:
        own.close()
    # Like the Docker client: what it adds to a context is not for COPY.
    hidden = f"{ignored}\n{PREFIX}*\n" if own is not None else f"{PREFIX}*\n{_IGNORE}\n"
    if hides_added:
        yield from _text(_IGNORE, hidden)
    elif own is not None and _IGNORE not in _patterns(ignored):
        yield from _text(_IGNORE, ignored)
    for name in _names(source, ignored):
        if name != _IGNORE and not name.startswith(PREFIX):
            yield from _entry(source, name)


def _names(source: _Source, ignored: str) -> list[str]:
    """Return the paths in a directory that .dockerignore does not exclude, parents first."""
    from docker.utils.build import exclude_paths

    try:
        with rights_of(source.account):
            return sorted(exclude_paths(source.place, _patterns(ignored), DOCKERFILE))
    except OSError as error:
        raise source.unreadable(str(error.filename or source.place), error) from error


def _patterns(ignored: str) -> list[str]:
    lines = (line.strip() for line in ignored.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _entry(source: _Source, name: str) -> Iterator[bytes]:
    path = f"{source.place}/{name}"
    try:
        with rights_of(source.account):
            found = os.lstat(path)
            entry = _header(name, found)
            if stat.S_ISLNK(found.st_mode):
                entry.linkname = str(Path(path).readlink())
    except FileNotFoundError:
        return  # removed since the directory was listed
    except OSError as error:
        raise source.unreadable(path, error) from error
    if stat.S_ISREG(found.st_mode):
        file = _opened(path, source, os.O_NOFOLLOW)
        if file is not None:
            with file:
                yield from _file(entry, file, path.replace(source.place, source.name, 1))
    elif stat.S_ISDIR(found.st_mode) or stat.S_ISLNK(found.st_mode):
        yield _block(entry)


def _header(name: str, found: os.stat_result) -> tarfile.TarInfo:
    """Return the header of a file: it belongs to root, as everything that COPY makes."""
    entry = tarfile.TarInfo(name)
    entry.mode, entry.mtime = stat.S_IMODE(found.st_mode), int(found.st_mtime)
    if stat.S_ISDIR(found.st_mode):
        entry.type = tarfile.DIRTYPE
    elif stat.S_ISLNK(found.st_mode):
        entry.type = tarfile.SYMTYPE
    return entry


def _file(entry: tarfile.TarInfo, file: BinaryIO, path: str) -> Iterator[bytes]:
    size = entry.size = os.fstat(file.fileno()).st_size
    yield _block(entry)
    left = size
    while left:
        chunk = file.read(min(left, _CHUNK))
        if not chunk:
            raise MlcError(f"{path}, in the build context, became shorter while it was read.")
        left -= len(chunk)
        yield chunk
    yield b"\0" * (-size % tarfile.BLOCKSIZE)


def _text(name: str, content: str) -> Iterator[bytes]:
    entry, data = tarfile.TarInfo(name), content.encode()
    entry.size, entry.mode = len(data), 0o644
    yield _block(entry) + data + b"\0" * (-len(data) % tarfile.BLOCKSIZE)


def _block(entry: tarfile.TarInfo) -> bytes:
    return entry.tobuf(tarfile.PAX_FORMAT, errors="surrogateescape")


def _opened(path: str, source: _Source, flags: int = 0) -> BinaryIO | None:
    """Open a file with the account's rights; None if it does not exist."""
    try:
        with rights_of(source.account):
            file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | flags)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise source.unreadable(path, error) from error
    return os.fdopen(file, "rb")


def unreadable(path: str, error: OSError) -> MlcError:
    """Return the error for a file of a build context, or for the directory itself."""
    return MlcError(
        f"{path}, in the build context, cannot be read: {error.strerror}.",
        f"Make it readable, or exclude it in {_IGNORE}.",
    )
