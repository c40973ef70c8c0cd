"""Read a tar archive as a stream, member by member, with every byte of its headers."""

from __future__ import annotations

import copy
import io
import tarfile
from collections.abc import Iterable, Iterator

from .lean import dataclass

_BLOCK = tarfile.BLOCKSIZE
_EXTENSIONS = b"xgLK"
LARGEST_EXTENSION = 1024**2
"""Bytes of the largest extended header that is read."""
_ENCODING = ("utf-8", "surrogateescape")
END = b"\0" * (2 * _BLOCK)
"""What ends an archive (pax(1))."""


class BrokenArchiveError(ValueError):
    """It ended early, or is not a tar archive."""


@dataclass(frozen=True)
class Member:
    """A member: its parsed header, the header's blocks, and its content with the padding, which
    can be read once, before the next member."""

    info: tarfile.TarInfo
    header: bytes
    content: Iterator[bytes]

    @property
    def path(self) -> str:
        """Its path, without slashes at either end; empty for the root."""
        return plain(self.info.name)

    @property
    def link(self) -> str | None:
        """The path that it is a hard link to."""
        return plain(self.info.linkname) if self.info.islnk() else None

    def renamed(self, path: str, link: str | None) -> bytes:
        """Return its header with another path and, for a hard link, another target."""
        info = copy.copy(self.info)
        info.pax_headers = dict(info.pax_headers)
        info.pax_headers.pop("path", None)
        info.name = path
        if link is not None:
            info.pax_headers.pop("linkpath", None)
            info.linkname = link
        return info.tobuf(tarfile.PAX_FORMAT, *_ENCODING)


def plain(path: str) -> str:
    """Return a member's path without `./` and without slashes at either end."""
    return "/".join(part for part in path.split("/") if part not in ("", "."))


def members(chunks: Iterable[bytes]) -> Iterator[Member]:
    """Yield the members of an archive; what was not read of one's content is skipped.

    Raises:
        BrokenArchiveError: the archive is not one, or is cut off.
    """
    source = _Source(chunks)
    while (header := _header(source)) is not None:
        info = _parsed(header)
        size = info.size if info.isreg() else 0
        content = source.read(size + -size % _BLOCK)
        yield Member(info, header, content)
        for _ in content:
            pass
    for _ in source.rest():  # padding, which the sender waits to be rid of
        pass


def _header(source: _Source) -> bytes | None:
    """Return the blocks of the next member's header; None at the end of the archive."""
    header = b""
    while True:
        block = source.exactly(_BLOCK)
        if not any(block):
            return None
        header += block
        if block[156] not in _EXTENSIONS:
            return header
        size = _parsed(block).size
        if not 0 <= size <= LARGEST_EXTENSION:
            raise BrokenArchiveError("an extended header is too large")
        header += source.exactly(size + -size % _BLOCK)


def _parsed(header: bytes) -> tarfile.TarInfo:
    try:
        if len(header) == _BLOCK:
            return tarfile.TarInfo.frombuf(header, *_ENCODING)
        archive = tarfile.TarFile(
            fileobj=io.BytesIO(header), encoding=_ENCODING[0], errors=_ENCODING[1]
        )
        info = archive.firstmember  # type: ignore[attr-defined]
    except tarfile.TarError as error:
        raise BrokenArchiveError(str(error)) from error
    if info is None:
        raise BrokenArchiveError("a member has no header")
    return info  # type: ignore[no-any-return]


class _Source:
    """Pieces of any size, read in the sizes that are asked for."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._held = b""

    def exactly(self, size: int) -> bytes:
        return b"".join(self.read(size))

    def read(self, size: int) -> Iterator[bytes]:
        while size:
            chunk = self._held or next(self._chunks, None)
            if chunk is None:
                raise BrokenArchiveError("it is cut off")
            taken, self._held = chunk[:size], chunk[size:]
            size -= len(taken)
            yield taken

    def rest(self) -> Iterator[bytes]:
        yield self._held
        self._held = b""
        yield from self._chunks
