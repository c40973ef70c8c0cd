"""A build context as the tar stream that the engine's build API expects ("ImageBuild").

It contains what the Docker client would send: the directory without what .dockerignore excludes.
The Dockerfile and the secrets of the build are added under names of our own, which no COPY sees.
"""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from ..errors import MlcError
from ..host.account import Account
from ..host.files import rights_of

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
    directory: str | None, account: Account, added: Mapping[str, str]
) -> Iterator[bytes]:
    """Yield a build context as a tar archive, read with the account's rights.

    `added` has the contents of further files by name, which begins with PREFIX. Raises MlcError if
    a file cannot be read.
    """
    if directory is not None:
        yield from _directory(directory, account)
    for name, content in added.items():
        yield from _text(name, content)
    yield b"\0" * (2 * tarfile.BLOCKSIZE)  # the end of a tar archive


def _directory(directory: str, account: Account) -> Iterator[bytes]:
    own = _opened(f"{directory}/{_IGNORE}", account)
    ignored = "" if own is None else own.read(_LARGEST_IGNORE).decode(errors="replace")
    if own is not None:
        own.close()
    # Like the Docker client: what it adds to a context is not for COPY.
    hidden = f"{ignored}\n{PREFIX}*\n" if own is not None else f"{PREFIX}*\n{_IGNORE}\n"
    yield from _text(_IGNORE, hidden)
    for name in _names(directory, ignored, account):
        if name != _IGNORE and not name.startswith(PREFIX):
            yield from _entry(directory, name, account)


def _names(directory: str, ignored: str, account: Account) -> list[str]:
    """Return the paths in a directory that .dockerignore does not exclude, parents first."""
    from docker.utils.build import exclude_paths

    lines = (line.strip() for line in ignored.splitlines())
    patterns = [line for line in lines if line and not line.startswith("#")]
    try:
        with rights_of(account):
            return sorted(exclude_paths(directory, patterns, DOCKERFILE))
    except OSError as error:
        raise _unreadable(str(error.filename or directory), error) from error


def _entry(directory: str, name: str, account: Account) -> Iterator[bytes]:
    path = f"{directory}/{name}"
    try:
        with rights_of(account):
            found = os.lstat(path)
            entry = _header(name, found)
            if stat.S_ISLNK(found.st_mode):
                entry.linkname = str(Path(path).readlink())
    except FileNotFoundError:
        return  # removed since the directory was listed
    except OSError as error:
        raise _unreadable(path, error) from error
    if stat.S_ISREG(found.st_mode):
        file = _opened(path, account, os.O_NOFOLLOW)
        if file is not None:
            with file:
                yield from _file(entry, file, path)
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


def _opened(path: str, account: Account, flags: int = 0) -> BinaryIO | None:
    """Open a file with the account's rights; None if it does not exist."""
    try:
        with rights_of(account):
            file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | flags)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, error) from error
    return os.fdopen(file, "rb")


def _unreadable(path: str, error: OSError) -> MlcError:
    return MlcError(
        f"{path}, in the build context, cannot be read: {error.strerror}.",
        f"Make it readable, or exclude it in {_IGNORE}.",
    )
