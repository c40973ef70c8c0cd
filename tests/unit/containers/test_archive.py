"""The archives of export and import: round trips, and what import refuses."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlc_patched.containers import archive
from mlc_patched.containers.archive import Manifest, head, read_head
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
