"""What an archive may hold, looked at while it passes to the engine.

An archive can come from anybody. The engine unpacks within bounds, but believes sizes: a file
with holes of terabytes takes a kilobyte here and is written out there, and what is compressed
is unpacked. `mlc export` writes neither, nor a way out of the directory that is unpacked into.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterable, Iterator

from ..errors import MlcError, shown

_BLOCK = tarfile.BLOCKSIZE
_EXTENDED = b"x"
_LONG = (b"L", b"K")
_PLAIN = (*b"01234567", 0)
# As Go and GNU tar write it: what readers take for different sizes is not let through.
_SIZE = re.compile(rb"[0-7]{11}[\0 ]|\x80[\0-\xff]{11}", re.S)
_LARGEST_EXTENSION = 1024**2
_DIGITS = 19  # of a size that 64 bits hold


class _Members:
    """Goes from one member's header to the next in an archive's bytes."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._rest = 0
        self._extension: bytearray | None = None
        self._kind = b""
        self._size: int | None = None
        self._is_over = False

    def take(self, data: bytes) -> int:
        """Look at data and return how much of it can go on; the rest is a part of a header."""
        at = 0
        while at < len(data):
            if self._is_over:
                return len(data)
            if self._rest:
                taken = data[at : at + self._rest] if self._extension is not None else b""
                step = min(self._rest, len(data) - at)
                if self._extension is not None:
                    self._extension += taken
                self._rest -= step
                at += step
                if not self._rest and self._extension is not None:
                    self._extended(bytes(self._extension))
                continue
            if len(data) - at < _BLOCK:
                return at
            self._header(data[at : at + _BLOCK])
            at += _BLOCK
        return at

    def end(self, held: bytes) -> None:
        """Refuse an archive whose last member is not whole."""
        if held or self._rest:
            raise MlcError(f"{self._name} is cut off. Copy it again, or export once more.")

    def _header(self, block: bytes) -> None:
        if not any(block):
            self._is_over = True
            return
        try:
            member = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.TarError as error:
            self._refuse("what is no member of an archive", str(error))
        if not _SIZE.fullmatch(block[124:136]):
            self._refuse(shown(member.name), "its size is no number")
        size = member.size if self._size is None else self._size
        kind = block[156]
        if bytes((kind,)) in (_EXTENDED, *_LONG):
            if not 0 < size <= _LARGEST_EXTENSION or self._size is not None:
                self._refuse(shown(member.name), "its description is too large")
            self._extension, self._kind = bytearray(), bytes((kind,))
            self._rest = size + -size % _BLOCK
            return
        if kind not in _PLAIN:
            self._refuse(shown(member.name), f"it is of the kind {chr(kind)!r}, such as with holes")
        self._check_path(member.name)
        if kind == ord("1"):
            self._check_path(member.linkname)
        self._size = None
        has_content = kind in (0, ord("0"), ord("7"))
        if size < 0 or (size and not has_content):
            self._refuse(shown(member.name), "its size cannot be")
        self._rest = size + -size % _BLOCK

    def _extended(self, content: bytes) -> None:
        kind, self._extension = self._kind, None
        if kind in _LONG:
            self._check_path(content.rstrip(b"\0").decode(errors="surrogateescape"))
            return
        for key, value in _records(content):
            if key is None or key.startswith(b"GNU.sparse."):
                self._refuse("a file with holes", "or a description that is none")
            if key in (b"path", b"linkpath"):
                self._check_path(value.decode(errors="surrogateescape"), is_link=key != b"path")
            if key == b"size":
                if not value.isdigit() or len(value) > _DIGITS:
                    self._refuse("a size that cannot be", shown(value))
                self._size = int(value)

    def _check_path(self, path: str, *, is_link: bool = False) -> None:
        # A symbolic link may lead anywhere: it is followed inside the container only.
        if not is_link and (path.startswith("/") or ".." in path.split("/")):
            self._refuse(shown(path), "it leads out of the archive")

    def _refuse(self, what: str, why: str) -> None:
        raise MlcError(
            f"{self._name} holds {what}, which mlc export never writes: {why}. "
            "Nothing was imported."
        )


def checked(chunks: Iterable[bytes], name: str) -> Iterator[bytes]:
    """Pass an archive's bytes on, each piece only after it was looked at.

    Args:
        chunks: a tar archive, in pieces of any size.
        name: what to call it in a message.

    Raises:
        MlcError: it holds what `mlc export` never writes, or ends too early.
    """
    members, held = _Members(name), b""
    for chunk in chunks:
        data = held + chunk
        passed = members.take(data)
        held = data[passed:]
        if passed:
            yield data[:passed]
    members.end(held)


def _records(content: bytes) -> Iterator[tuple[bytes | None, bytes]]:
    """Yield the keys and values of an extended header (pax(1)); key None for what is none."""
    at, end = 0, len(content.rstrip(b"\0"))
    while at < end:
        length, blank, _ = content[at : at + 20].partition(b" ")
        if not blank or not length.isdigit():
            yield None, b""
            return
        stop = at + int(length)
        key, equals, value = content[at + len(length) + 1 : stop - 1].partition(b"=")
        if stop <= at or stop > len(content) or not equals or content[stop - 1 : stop] != b"\n":
            yield None, b""
            return
        yield key, value
        at = stop
