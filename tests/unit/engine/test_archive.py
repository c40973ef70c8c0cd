"""Files in the engine's archives, wherever these are cut into pieces or off."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator

import pytest

from mlc_patched.engine.archive import content_in, files_in
from mlc_patched.errors import EngineError, NotFoundError

CONTENT = bytes(range(256)) * 100  # more than tarfile reads at once


def archive(*kinds: bytes) -> bytes:
    """Return an archive of members with CONTENT, of these kinds, named `d/0`, `d/1` …"""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for number, kind in enumerate(kinds):
            member = tarfile.TarInfo(f"d/{number}")
            member.type, member.size = kind, len(CONTENT) if kind == tarfile.REGTYPE else 0
            tar.addfile(member, io.BytesIO(CONTENT))
    return buffer.getvalue()


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


@pytest.mark.parametrize("size", [1, 500, 512, 30_000, 100_000])
def test_a_file_is_the_same_however_it_arrives(size: int) -> None:
    data = archive(tarfile.REGTYPE, tarfile.REGTYPE)
    assert b"".join(content_in(pieces(data, size), "/f")) == CONTENT


@pytest.mark.parametrize("kind", [tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.FIFOTYPE])
def test_what_is_no_regular_file_is_not_found(kind: bytes) -> None:
    with pytest.raises(NotFoundError, match=r"^/f is not a file"):
        list(content_in([archive(kind, tarfile.REGTYPE)], "/f"))


@pytest.mark.parametrize("data", [b"", b"no archive" * 100, archive(tarfile.REGTYPE)[:1000]])
def test_what_is_cut_off_or_no_archive_is_an_error(data: bytes) -> None:
    with pytest.raises(EngineError, match="archive of /f was cut off"):
        list(content_in([data], "/f"))


def test_only_whole_regular_files_are_found() -> None:
    data = archive(tarfile.DIRTYPE, tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.REGTYPE)
    assert files_in(data) == {"1": CONTENT, "3": CONTENT}
    assert files_in(data[: 4 * 512 + 2 * len(CONTENT) - 1]) == {"1": CONTENT}
    assert files_in(b"no archive" * 100) == files_in(b"") == {}
