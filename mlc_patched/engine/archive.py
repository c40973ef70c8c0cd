"""Files in the tar archives of the engine's answers (Docker Engine API, "ContainerArchive")."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Iterator
from typing import Any

from ..errors import EngineError, NotFoundError

_CHUNK = 256 * 1024


def files_in(archive: bytes) -> dict[str, bytes]:
    """Return the regular files of a directory's archive by their paths in the directory.

    An archive that was cut off yields the files before that.
    """
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            for member in tar:
                file = tar.extractfile(member) if member.isreg() else None
                if file is not None:
                    found[member.name.partition("/")[2]] = file.read()
    except tarfile.TarError:
        pass
    return found


def content_in(archive: Iterable[bytes], path: str) -> Iterator[bytes]:
    """Yield the content of the regular file that an archive begins with.

    Raises:
        NotFoundError: it begins with something else.
        EngineError: it is not an archive.
    """
    try:
        source: Any = _Joined(archive)
        with tarfile.open(fileobj=source, mode="r|") as tar:
            member = tar.next()
            file = tar.extractfile(member) if member is not None and member.isreg() else None
            if file is None:
                raise NotFoundError(f"{path} is not a file.")
            while chunk := file.read(_CHUNK):
                yield chunk
    except tarfile.TarError as error:
        raise EngineError(f"The archive of {path} was cut off: {error}") from error


class _Joined:
    """A file made of chunks, with what tarfile needs of one."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = b""

    def read(self, size: int) -> bytes:
        """Return as many bytes as asked for, fewer at the end."""
        parts = [self._rest]
        there = len(self._rest)
        while there < size and (chunk := next(self._chunks, b"")):
            parts.append(chunk)
            there += len(chunk)
        joined = b"".join(parts)
        self._rest = joined[size:]
        return joined[:size]
