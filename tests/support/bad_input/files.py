"""The files and archives that the rows of tests/support/bad_input/table.py name."""

from __future__ import annotations

import gzip
import json
import os
import tarfile
from pathlib import Path

from mlc_patched.containers.archive import Manifest, head
from support.bad_input.table import DOCKERFILES


def prepare(home: Path) -> None:
    """Put into a home what the rows name."""
    os.mkfifo(home / "fifo")
    (home / "file").write_text("content")
    (home / "big").write_text("FROM debian\n" + "# a comment\n" * 900_000)
    (home / "latin").write_bytes(b"FROM caf\xe9\n")
    (home / "wide").write_text("x," * 500_000)
    (home / "dead").symlink_to("/no/where")
    (home / "loop").symlink_to("loop")
    (home / os.fsdecode(b"caf\xe9")).mkdir()
    for number, (_, text, _) in enumerate(DOCKERFILES):
        (home / f"Dockerfile.{number}").write_text(text)
    for name, members in archives().items():
        (home / f"{name}.tar").write_bytes(head(MANIFEST_OF_NOBODY) + members)
    manifest = json.loads(head(MANIFEST_OF_NOBODY)[512:].rstrip(b"\0"))
    for name, field, value in (
        ("steering", "format", "\x1b[2J"),
        ("format", "format", "a" * 10**6),
        ("version", "version", "a" * 10**6),
    ):
        content = json.dumps({**manifest, field: value}).encode()
        made = member("mlc-manifest.json", size=len(content)) + content
        (home / f"{name}.tar").write_bytes(made + bytes(-len(content) % 512 + 1024))


MANIFEST_OF_NOBODY = Manifest("copy", "alice", {})


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> bytes:
    """Return the header of an archive's member."""
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.size = kind, link, size
    return made.tobuf(tarfile.GNU_FORMAT)


def extended(key: str, value: str | bytes) -> bytes:
    """Return an extended header of one record, as pax(1) has it."""
    content = value.encode() if isinstance(value, str) else value
    record = b" " + key.encode() + b"=" + content + b"\n"
    length = len(record) + 2
    length += len(str(length)) - 2
    content = str(length).encode() + record
    return member("x", b"x", size=len(content)) + content.ljust(512, b"\0")


def archives() -> dict[str, bytes]:
    """Return archives without their manifest: a good one, and those that nobody exports."""
    end = bytes(1024)
    passwd = b"root:x:0:0:root:/root:/bin/bash\n"
    good = member("etc/passwd", size=len(passwd)) + passwd.ljust(512, b"\0")
    return {
        "good": good + end,
        "dots": good + member("../../evil") + end,
        "absolute": good + member("/etc/evil") + end,
        "symlink": good + member("../../etc/x", tarfile.SYMTYPE, "/etc/passwd") + end,
        "device": good + member("../../etc/x", tarfile.BLKTYPE) + end,
        "pipe": good + member("../../etc/x", tarfile.FIFOTYPE) + end,
        "directory": good + member("../../etc/x", tarfile.DIRTYPE) + end,
        "hard": good + member("inside", tarfile.LNKTYPE, "../../etc/shadow") + end,
        "long": good + member("a/" * 100 + "../" * 200 + "evil") + end,
        "holes": good + member("bomb", tarfile.GNUTYPE_SPARSE, size=512) + bytes(512) + end,
        "pax": good + extended("GNU.sparse.realsize", str(2**50)) + member("bomb") + end,
        "gzip": gzip.compress(bytes(2**20)),
        "cut": good[:600],
    }
