"""The archives of export and import: round trips, and what import refuses."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.bad_input.files import extended, member

from mlc_patched.containers import archive
from mlc_patched.containers.archive import Manifest, checked, head, read_head
from mlc_patched.containers.import_ import _FORMER_ACCOUNT
from mlc_patched.errors import MlcError

MANIFEST = Manifest("n", "alice", {"a": "1"}, ("PATH=/bin",), ("bash",), (), "/workspace")
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def changed(**fields: object) -> bytes:
    """Return an archive's beginning with some of the manifest's fields changed."""
    size = int(head(MANIFEST)[124:135], 8)
    content = json.loads(head(MANIFEST)[512 : 512 + size])
    content.update(fields)
    return wrapped(json.dumps(content).encode())


def wrapped(content: bytes, name: str = archive.MANIFEST) -> bytes:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    return member.tobuf() + content + b"\0" * (-len(content) % 512)


@given(TEXT, st.dictionaries(TEXT, TEXT), st.lists(TEXT))
def test_a_manifest_is_read_as_written(
    name: str, labels: dict[str, str], environment: list[str]
) -> None:
    manifest = Manifest(name, "alice", labels, tuple(environment))
    file = io.BytesIO(head(manifest) + b"the rest")
    assert read_head(file, "f") == manifest
    assert b"".join(archive.rest(file)) == b"the rest"


def test_an_archive_is_a_tar_that_any_tar_reads() -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("etc/hostname"))
    whole = io.BytesIO(head(MANIFEST) + buffer.getvalue())
    with tarfile.open(fileobj=whole) as tar:
        assert tar.getnames() == [archive.MANIFEST, "etc/hostname"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"x" * 100,
        b"x" * 10_000,
        wrapped(b"{}"),
        wrapped(b"[]"),
        wrapped(b"\xff"),
        wrapped(b"[" * 100_000),
        wrapped(b"{}", "etc/passwd"),
        wrapped(b""),
        changed(format="other"),
        changed(account="a; rm -rf /"),
        changed(account="../x"),
        changed(account=None),
        changed(labels=[]),
        changed(labels={"a": 1}),
        changed(own_labels={"a": 1}),
        *(changed(limits={"memory": value}) for value in (0, -1, 2**63, 1.5, True, "1g", None)),
        changed(limits=[]),
        changed(environment="PATH=/"),
        changed(command=[1]),
        head(MANIFEST)[:600],
    ],
)
def test_what_is_not_an_archive_is_refused(content: bytes) -> None:
    with pytest.raises(MlcError, match="the file is not an archive made by mlc export"):
        read_head(io.BytesIO(content), "the file")


def test_a_manifest_that_claims_gigabytes_is_not_read() -> None:
    member = tarfile.TarInfo(archive.MANIFEST)
    member.size = 2**33
    with pytest.raises(MlcError):
        read_head(io.BytesIO(member.tobuf(tarfile.GNU_FORMAT)), "f")


def test_a_later_version_says_so() -> None:
    with pytest.raises(MlcError, match="later mlc"):
        read_head(io.BytesIO(changed(version=2)), "f")


@given(st.binary(max_size=2000))
def test_any_bytes_are_refused_or_read(content: bytes) -> None:
    with contextlib.suppress(MlcError):
        read_head(io.BytesIO(content), "f")


@pytest.mark.parametrize(
    ("former", "ids", "gone"), [("bob", "1002", True), ("root", "0", False), ("nobody1", "", False)]
)
def test_importing_an_archive_of_root_keeps_root_s_account(
    tmp_path: Path, former: str, ids: str, gone: bool
) -> None:
    """The archive names the account to remove, and can name any."""
    programs = {
        "id": f'[ -n "{ids}" ] && echo {ids}',
        "userdel": f'echo "$@" >> {tmp_path}/deleted',
    }
    for name, script in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    subprocess.run(
        ["sh", "-euc", _FORMER_ACCOUNT],
        env={
            "PATH": f"{tmp_path}:/usr/bin:/bin",
            "DS01_FORMER_USERNAME": former,
            "DS01_USERNAME": "alice",
        },
        check=True,
    )
    assert (tmp_path / "deleted").exists() == gone


END = bytes(1024)


def long_link(path: bytes) -> bytes:
    """Return a GNU header that names where the next member, a link, points."""
    return member("././@LongLink", b"K", size=512) + path.ljust(512, b"\0")


def passed(content: bytes, step: int = 700) -> bytes:
    pieces = (content[at : at + step] for at in range(0, len(content), step))
    return b"".join(checked(pieces, "the file"))


def refusal(content: bytes) -> str:
    with pytest.raises(MlcError) as refused:
        passed(content)
    assert str(refused.value).startswith("the file ")
    return str(refused.value)


def test_every_field_of_a_manifest_is_read_as_written() -> None:
    manifest = Manifest(
        "n", "a" * 32, {"a": "1"}, ("A=1",), ("bash",), ("init",), "/work", ("/data", "/x")
    )
    whole = head(manifest)
    assert len(whole) % 512 == 0
    file = io.BytesIO(whole + b"rest")
    assert read_head(file, "f") == manifest
    assert file.read() == b"rest"
    with pytest.raises(MlcError, match="its account is 'aaa"):
        read_head(io.BytesIO(head(replace(manifest, account="a" * 33))), "f")


def test_the_manifest_of_an_earlier_mlc_has_no_volumes() -> None:
    size = int(head(MANIFEST)[124:135], 8)
    content = json.loads(head(MANIFEST)[512 : 512 + size])
    del content["volumes"]
    assert read_head(io.BytesIO(wrapped(json.dumps(content).encode())), "f") == MANIFEST


def test_anybody_may_read_the_manifest_that_tar_lists() -> None:
    with tarfile.open(fileobj=io.BytesIO(head(MANIFEST) + END)) as tar:
        [found] = tar.getmembers()
    assert (found.mode, found.isreg()) == (0o644, True)
    assert found.mtime > 1_700_000_000


def test_a_manifest_of_a_mebibyte_is_read_and_a_larger_one_is_not() -> None:
    size = int(head(MANIFEST)[124:135], 8)
    content = head(MANIFEST)[512 : 512 + size]
    largest = 1024**2
    assert read_head(io.BytesIO(wrapped(content.ljust(largest))), "f") == MANIFEST
    with pytest.raises(MlcError, match="does not begin with a manifest"):
        read_head(io.BytesIO(wrapped(content.ljust(largest + 1))), "f")


@pytest.mark.parametrize("size", [1, 511, 512, 513, 1024])
@pytest.mark.parametrize("step", [1, 511, 512, 4096])
def test_the_member_after_a_file_of_any_size_is_found(size: int, step: int) -> None:
    content = member("a", size=size) + b"x" * (size + -size % 512)
    good = content + member("b") + END
    assert passed(good, step) == good
    assert "'../x'" in refusal(content + member("../x") + END)


def test_what_follows_the_end_of_an_archive_is_passed_on_unread() -> None:
    good = member("a") + END + b"anything at all" * 100
    assert passed(good) == good


@pytest.mark.parametrize("cut", [1, 511, 513, 1023])
def test_a_file_that_is_cut_off_is_reported(cut: int) -> None:
    whole = member("a", size=600) + bytes(1024)
    assert refusal(whole[: -1024 + cut]) == (
        "the file is cut off. Copy it again, or export once more."
    )


@pytest.mark.parametrize("cut", [1, 100, 511])
def test_a_header_that_is_cut_off_is_reported(cut: int) -> None:
    content = (member("a") + member("b"))[: 512 + cut]
    assert "is cut off" in refusal(content)
    assert passed(member("a")) == member("a")


def test_a_file_of_the_oldest_type_has_its_content() -> None:
    good = member("a", b"\0", size=600) + bytes(1024) + member("b") + END
    assert passed(good) == good
    assert "its size is invalid" in refusal(member("a", b"1", size=600) + bytes(1024) + END)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (member("/etc/x"), "'/etc/x', which mlc export never writes: it points outside"),
        (member("a/../../x"), "'a/../../x', which mlc export never writes: it points outside"),
        (member("x", tarfile.LNKTYPE, "../y"), "'../y', which mlc export never writes: it points"),
        (extended("path", "/x") + member("x"), "'/x', which mlc export never writes: it points"),
        (member("x", b"L", size=512) + b"../long".ljust(512, b"\0"), "'../long', which"),
        (long_link(b"/long") + member("x", tarfile.LNKTYPE, "y"), "'/long', which"),
        (extended("linkpath", "../y") + member("x", tarfile.LNKTYPE, "y"), "'../y', which"),
        (member("x", tarfile.LNKTYPE, "../y") + long_link(b"z"), "'../y', which"),
        (member("x", b"L", size=512) + b"../\xe9".ljust(512, b"\0"), r"'../\udce9', which"),
        (extended("path", b"../\xe9") + member("x"), r"'../\udce9', which"),
        (member("x", b"S"), "'x', which mlc export never writes: its type is 'S', such as a"),
        (member("x", b"2", size=512) + bytes(512), "'x', which mlc export never writes: its size"),
        (
            extended("GNU.sparse.map", "0,1") + member("x"),
            "contains a sparse file, which mlc export never writes: b'GNU.sparse.map'",
        ),
        (
            extended("size", "9" * 20) + member("x"),
            f"contains an invalid size, which mlc export never writes: b'{'9' * 20}'",
        ),
        (
            extended("size", "-1") + member("x"),
            "contains an invalid size, which mlc export never writes: b'-1'",
        ),
        (b"not a tar header".ljust(512, b"x"), "contains data that is not a tar member"),
        (
            member("x", b"x", size=512) + b"9 a=b" + bytes(507),
            "contains an invalid extended header, which mlc export never writes: b'9 a=b",
        ),
        (member("x", b"x", size=512) + b"6 a=b\nX" + bytes(505), "invalid extended"),
    ],
)
def test_what_is_refused_is_named_with_its_reason(content: bytes, what: str) -> None:
    assert what in refusal(content + END)


def test_a_symbolic_link_may_point_anywhere_as_it_is_followed_inside() -> None:
    for link in (
        member("x", tarfile.SYMTYPE, "/etc/../x"),
        extended("linkpath", "../../x") + member("x", tarfile.SYMTYPE, "y"),
        long_link(b"/a/" + b"b" * 200) + member("x", tarfile.SYMTYPE, "/a"),
        member("d", tarfile.DIRTYPE) + member("d/..x") + member("x", tarfile.LNKTYPE, "d/..x"),
        member("f", tarfile.FIFOTYPE) + member("c", tarfile.CHRTYPE),
    ):
        assert passed(link + END) == link + END


def test_the_size_in_an_extended_header_is_of_the_next_member_alone() -> None:
    good = extended("size", "600") + member("big") + bytes(1024) + member("a") + member("b") + END
    assert passed(good) == good
    assert "'../x'" in refusal(
        extended("size", "600") + member("big") + bytes(1024) + member("../x")
    )
    largest = extended("size", "9" * 19) + member("big")
    assert "cut off" in refusal(largest + END)


def test_an_extended_header_has_at_most_a_mebibyte() -> None:
    def header(size: int) -> bytes:
        record = str(size).encode() + b" comment="
        content = record.ljust(size - 1, b"x") + b"\n"
        return member("x", b"x", size=size) + content + bytes(-size % 512)

    good = header(1024**2) + member("a") + END
    assert passed(good, 10**6) == good
    assert "its extended header is too large" in refusal(header(1024**2 + 1) + member("a") + END)
    assert "its extended header is too large" in refusal(member("x", b"x") + member("a") + END)


def test_several_records_of_an_extended_header_are_all_checked() -> None:
    def header(*records: bytes) -> bytes:
        content = b"".join(records)
        size = len(content)
        return member("x", b"x", size=size) + content + bytes(-size % 512) + member("a") + END

    good = header(b"7 a=bc\n", b"6 d=e\n", b"5 f=\n")
    assert passed(good) == good
    assert "'../x'" in refusal(header(b"7 a=bc\n", b"13 path=../x\n"))
    for wrong in (b"7 a=bcd", b"8 a=bc\n", b"6 a=bc\n", b"7 abcd\n", b"x a=bc\n", b"7", b"0 a=b\n"):
        assert "an invalid extended header" in refusal(header(b"6 d=e\n", wrong))


def test_the_link_in_an_extended_header_is_the_next_member_s_alone() -> None:
    for before in (long_link(b"/x"), extended("linkpath", "/x")):
        good = before + member("a", tarfile.SYMTYPE) + member("b", tarfile.LNKTYPE, "a") + END
        assert passed(good) == good
        # It is the one that counts, whatever the member's own says.
        good = extended("linkpath", "a") + member("b", tarfile.LNKTYPE, "/cut off") + END
        assert passed(good) == good


def test_a_long_name_that_ends_with_a_letter_of_ours_keeps_it() -> None:
    good = member("x", b"L", size=512) + b"a/..X".ljust(512, b"\0") + member("a") + END
    assert passed(good) == good


def test_a_name_in_another_encoding_is_passed_on() -> None:
    for header in (
        member("x", b"L", size=512) + b"caf\xe9".ljust(512, b"\0"),
        extended("path", b"caf\xe9"),
        extended("linkpath", b"caf\xe9"),
    ):
        assert passed(header + member("x") + END) == header + member("x") + END
    block = bytearray(member("caf_"))
    block[3] = 0xE9
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    assert passed(bytes(block) + END) == bytes(block) + END
