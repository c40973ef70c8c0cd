"""Read a tar archive member by member."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator

import pytest

from mlc_patched.tar_stream import END, BrokenArchiveError, members

CAPABILITY = "SCHILY.xattr.security.capability"
LONG = "d" * 150 + "/" + "f" * 150
VALUE = b"\1\0\0\2\0 \0\xff".decode("utf-8", "surrogateescape")


def archive() -> bytes:
    """Return an archive with long names, links, and an attribute that is not text."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT, encoding="utf-8") as tar:
        for name, content in (("x/a", b"1" * 700), (f"x/{LONG}", b"long"), ("x/\udcff", b"")):
            member = tarfile.TarInfo(name)
            member.size, member.uid, member.mtime = len(content), 2**31, 1.5
            member.pax_headers = {CAPABILITY: VALUE}
            tar.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("x/hard")
        link.type, link.linkname = tarfile.LNKTYPE, f"x/{LONG}"
        tar.addfile(link)
    return buffer.getvalue()


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


@pytest.mark.parametrize("size", [1, 511, 512, 10_000])
def test_members_are_passed_on_byte_by_byte(size: int) -> None:
    data = archive()
    found = b"".join(each.header + b"".join(each.content) for each in members(pieces(data, size)))
    assert data.startswith(found)
    assert data[len(found) :].strip(b"\0") == b""


def test_a_renamed_member_keeps_everything_else() -> None:
    out = b""
    for each in members([archive()]):
        link = None if each.link is None else f"srv/{each.link}"
        out += each.renamed(f"srv/{each.path}", link) + b"".join(each.content)
    with tarfile.open(fileobj=io.BytesIO(out + END), errors="surrogateescape") as tar:
        first, second, odd, hard = tar.getmembers()
        assert (first.name, first.uid, first.mtime) == ("srv/x/a", 2**31, 1.5)
        assert first.pax_headers[CAPABILITY] == VALUE
        assert tar.extractfile(first).read() == b"1" * 700
        assert (second.name, odd.name) == (f"srv/x/{LONG}", "srv/x/\udcff")
        assert (hard.name, hard.linkname) == ("srv/x/hard", f"srv/x/{LONG}")
        assert tar.extractfile(hard).read() == b"long"


@pytest.mark.parametrize("data", [archive()[:-11000], archive()[:700], b"no archive" * 60, b""])
def test_what_is_cut_off_or_no_archive_is_refused(data: bytes) -> None:
    with pytest.raises(BrokenArchiveError):
        for each in members([data]):
            b"".join(each.content)


def test_what_was_not_read_of_a_member_is_skipped() -> None:
    found = [each.path for each in members(pieces(archive(), 100))]
    assert found == ["x/a", f"x/{LONG}", "x/\udcff", "x/hard"]


@pytest.mark.parametrize("size", [1024**2 + 1, 8 * 1024**3])
def test_an_extended_header_that_is_too_large_is_not_read(size: int) -> None:
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, size
    with pytest.raises(BrokenArchiveError, match="extended header is too large"):
        next(members([header.tobuf(tarfile.GNU_FORMAT), b"\0" * 10_000]))


def test_the_padding_after_an_archive_is_read_to_its_end() -> None:
    data = pieces(archive() + b"\0" * 100_000, 512)
    assert len(list(members(data))) == 4
    assert list(data) == [], "the sender would wait to be rid of it"
