"""The file that export writes and import reads.

A tar archive: first a member `mlc-manifest.json`, then the container's whole file system as the
engine exports it, with what is in the container's volumes. Both directions are streams. Any tar
program lists it, and `docker import` accepts it as it is.

An archive can come from anybody, so import checks it on its way to the engine. The engine unpacks
within bounds, but trusts sizes: a sparse file of terabytes takes a kilobyte here and is written
out in full there, and compressed data is unpacked. `mlc export` writes neither, nor paths out of
the directory that is unpacked into.
"""

from __future__ import annotations

import json
import re
import tarfile
import time
from collections.abc import Iterable, Iterator, Mapping

from ..errors import MlcError, shown
from ..json_text import counts, pairs, string, strings
from ..lean import TYPE_CHECKING, dataclass, field
from ..tar_stream import LARGEST_EXTENSION
from ..temporary import MANIFEST

if TYPE_CHECKING:
    from typing import Any, BinaryIO, NoReturn

FORMAT = "mlc-container"
VERSION = 1
CHUNK = 2 * 1024**2
_LARGEST_MANIFEST = 1024**2
_ACCOUNT_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_BLOCK = tarfile.BLOCKSIZE
_EXTENDED = b"x"
_LONG_NAME, _LONG_LINK = b"L", b"K"
_HARD_LINK = ord("1")
_PLAIN = (*b"01234567", 0)
# As Go and GNU tar write it: nothing that readers could take for different sizes.
_SIZE = re.compile(rb"[0-7]{11}[\0 ]|\x80[\0-\xff]{11}", re.S)
_DIGITS = 19  # of a size that 64 bits hold
_RECORD = re.compile(rb"(\d{1,7}) ([^=]+)=")  # as long as the largest extension, at most


@dataclass(frozen=True)
class Manifest:
    """What an archive contains in addition to files.

    `labels` are the container's, with those of its image, and `own_labels` those that a user gave
    it; `account` is the name of its user's account inside; `limits` are as in `Container`. The rest
    is the configuration of the image it was made from.
    """

    name: str
    account: str
    labels: Mapping[str, str]
    environment: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    working_directory: str = ""
    volumes: tuple[str, ...] = ()
    limits: Mapping[str, int] = field(default_factory=dict)
    own_labels: Mapping[str, str] = field(default_factory=dict)


def head(manifest: Manifest) -> bytes:
    """Return the beginning of an archive; a file system follows it."""
    content = json.dumps(
        {"format": FORMAT, "version": VERSION, **vars(manifest)}, indent=2
    ).encode()
    member = tarfile.TarInfo(MANIFEST)
    member.size, member.mtime, member.mode = len(content), int(time.time()), 0o644
    padding = b"\0" * (-len(content) % _BLOCK)
    return member.tobuf(tarfile.USTAR_FORMAT) + content + padding


def read_head(file: BinaryIO, name: str) -> Manifest:
    """Read an archive's manifest; the file is then positioned at the file system.

    Raises MlcError if `mlc export` did not write it, or a later version did; `name` is for that.
    """
    try:
        member = tarfile.TarInfo.frombuf(file.read(_BLOCK), "utf-8", "strict")
        if member.name != MANIFEST or not 0 < member.size <= _LARGEST_MANIFEST:
            raise ValueError("it does not begin with a manifest")
        content = json.loads(file.read(member.size))
        file.read(-member.size % _BLOCK)
        if content["format"] != FORMAT:
            raise ValueError(f"its format is {shown(content['format'])}")
        if content["version"] != VERSION:
            raise MlcError(
                f"{name} was written by a later mlc (archive version {shown(content['version'])}); "
                "this one cannot read it."
            )
        return _manifest(content)
    except (tarfile.TarError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise MlcError(f"{name} is not an archive made by mlc export: {error}") from error


def rest(file: BinaryIO) -> Iterator[bytes]:
    """Yield what follows the manifest."""
    while chunk := file.read(CHUNK):
        yield chunk


def checked(chunks: Iterable[bytes], name: str) -> Iterator[bytes]:
    """Pass a tar archive's bytes on, in pieces of any size, each only after it was checked.

    Raises MlcError if it contains what `mlc export` never writes, or is cut off.
    """
    members, held = _Members(name), b""
    for chunk in chunks:
        data = held + chunk
        passed = members.take(data)
        held = data[passed:]
        if passed:
            yield data[:passed]
    members.end(held)


def _manifest(content: dict[str, Any]) -> Manifest:
    account = content["account"]
    if not _ACCOUNT_NAME.fullmatch(account):
        raise ValueError(f"its account is {shown(account)}")
    return Manifest(
        name=string(content["name"]),
        account=account,
        labels=pairs(content["labels"]),
        environment=strings(content["environment"]),
        command=strings(content["command"]),
        entrypoint=strings(content["entrypoint"]),
        working_directory=string(content["working_directory"]),
        volumes=strings(content.get("volumes", [])),  # earlier versions lack these
        limits=counts(content.get("limits", {})),
        own_labels=pairs(content.get("own_labels", {})),
    )


class _Members:
    """Follows an archive's bytes from one member's header to the next."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._rest = 0
        self._extension: bytearray | None = None
        self._kind = b""
        self._size: int | None = None
        self._link: str | None = None
        self._is_over = False

    def take(self, data: bytes) -> int:
        """Check data and return how much of it may pass; the rest is an incomplete header."""
        at = 0
        while at < len(data):
            if self._is_over:
                return len(data)
            if self._rest:
                step = min(self._rest, len(data) - at)
                if self._extension is not None:
                    self._extension += data[at : at + step]
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
        """Refuse an archive whose last member is incomplete."""
        if held or self._rest:
            raise MlcError(f"{self._name} is cut off. Copy it again, or export once more.")

    def _header(self, block: bytes) -> None:
        if not any(block):
            self._is_over = True
            return
        try:
            member = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.TarError as error:
            self._refuse("data that is not a tar member", str(error))
        if not _SIZE.fullmatch(block[124:136]):
            self._refuse(shown(member.name), "its size is not a number")
        size = member.size if self._size is None else self._size
        kind = block[156]
        if bytes((kind,)) in (_EXTENDED, _LONG_NAME, _LONG_LINK):
            if not 0 < size <= LARGEST_EXTENSION or self._size is not None:
                self._refuse(shown(member.name), "its extended header is too large")
            self._extension, self._kind = bytearray(), bytes((kind,))
            self._rest = size + -size % _BLOCK
            return
        if kind not in _PLAIN:
            self._refuse(shown(member.name), f"its type is {chr(kind)!r}, such as a sparse file")
        self._check_path(member.name)
        # A symbolic link may point anywhere: it is followed inside the container only.
        if kind == _HARD_LINK:
            self._check_path(member.linkname if self._link is None else self._link)
        self._size = self._link = None
        has_content = kind in (0, ord("0"), ord("7"))
        if size < 0 or (size and not has_content):
            self._refuse(shown(member.name), "its size is invalid")
        self._rest = size + -size % _BLOCK

    def _extended(self, content: bytes) -> None:
        kind, self._extension = self._kind, None
        if kind == _LONG_NAME:
            self._check_path(_text(content.rstrip(b"\0")))
        elif kind == _LONG_LINK:
            self._link = _text(content.rstrip(b"\0"))
        else:
            try:
                for key, value in _records(content):
                    self._record(key, value)
            except ValueError:
                self._refuse("an invalid extended header", shown(content))

    def _record(self, key: bytes, value: bytes) -> None:
        if key.startswith(b"GNU.sparse."):
            self._refuse("a sparse file", shown(key))
        if key == b"path":
            self._check_path(_text(value))
        elif key == b"linkpath":
            self._link = _text(value)
        elif key == b"size":
            if not value.isdigit() or len(value) > _DIGITS:
                self._refuse("an invalid size", shown(value))
            self._size = int(value)

    def _check_path(self, path: str) -> None:
        if path.startswith("/") or ".." in path.split("/"):
            self._refuse(shown(path), "it points outside the archive")

    def _refuse(self, what: str, why: str) -> NoReturn:
        raise MlcError(
            f"{self._name} contains {what}, which mlc export never writes: {why}. "
            "Nothing was imported."
        )


def _text(path: bytes) -> str:
    return path.decode(errors="surrogateescape")


def _records(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys and values of an extended header (pax(1)); raises ValueError for another."""
    at, end = 0, len(content.rstrip(b"\0"))
    while at < end:
        begin = _RECORD.match(content, at)
        stop = at + int(begin[1]) if begin else 0
        if begin is None or not begin.end() < stop <= end or content[stop - 1] != ord("\n"):
            raise ValueError(at)
        yield begin[2], content[begin.end() : stop - 1]
        at = stop
