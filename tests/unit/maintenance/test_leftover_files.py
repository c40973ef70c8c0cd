"""Half-written files of killed commands."""

from __future__ import annotations

import os
import tarfile
import time
from pathlib import Path

import pytest

from mlc_patched.containers import archive
from mlc_patched.context import Context
from mlc_patched.host.account import Account
from mlc_patched.maintenance import prune
from mlc_patched.maintenance.leftover_files import left_files
from mlc_patched.maintenance.leftovers import Kind
from mlc_patched.temporary import mark_directory


def test_half_written_files_are_found_by_name_owner_and_age(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Path(context.account.home)
    left = {
        "dockerfiles/.a.Dockerfile.0123abcd.mlc-part": True,
        "dockerfiles/.a.Dockerfile.20261124": False,
        "dockerfiles/a.Dockerfile": False,
        ".ds01-config/images/.a.json.0123abcd.mlc-part": True,
        ".ds01-config/images/a.json": False,
        ".ds01-config/locks": False,
        ".n.mlc.tar.0123456789ab.mlc-part": True,
        ".empty.tar.0123456789ab.mlc-part": True,
        ".p.tar.0123456789ab.mlc-part": True,
        ".p.sbatch.0123456789ab.mlc-part": True,
        ".other.tar.0123456789ab.mlc-part": False,  # not an export
        ".film.deadbeef.part": False,
        ".film.202611261200.part": False,
        "n.mlc.tar": False,
        "workspace/.x.0123abcd": False,
        "tmp/mlc-build-0123456789ab-abc_d123/Dockerfile": True,
        "tmp/mlc-edit-abc_d123/a.Dockerfile": True,
        "tmp/mlc-edit-abc_d124/thesis.txt": False,  # without the mark
        "tmp/mlc-build-notes/Dockerfile": False,
        "tmp/other/Dockerfile": False,
    }
    for name in left:
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text("x")
    (home / ".n.mlc.tar.0123456789ab.mlc-part").write_bytes(
        archive.head(archive.Manifest("n", "alice", {}))[:700]
    )
    (home / ".p.tar.0123456789ab.mlc-part").write_bytes(tarfile.TarInfo("blobs").tobuf())
    (home / ".p.sbatch.0123456789ab.mlc-part").write_text("#!/bin/bash\n#SBATCH")
    (home / ".empty.tar.0123456789ab.mlc-part").write_text("")
    for name in ("mlc-build-0123456789ab-abc_d123", "mlc-edit-abc_d123", "mlc-build-notes"):
        mark_directory(home / "tmp" / name)
    monkeypatch.chdir(home)
    owner = context.account
    context.environ = {**context.environ, "TMPDIR": str(home / "tmp")}
    other = Account("bob", os.getuid() + 1, os.getgid() + 1, str(home))
    assert left_files(other, context.environ, time.time()) == []
    assert left_files(owner, context.environ, time.time() - 60) == []
    found = prune.find(context, older_than=0)
    assert {each.kind for each in found.items} == {Kind.FILE}
    prune.prune(found, context)
    assert {name: (home / name).exists() for name in left} == {
        name: not is_left for name, is_left in left.items()
    }


def test_a_current_directory_that_was_deleted_has_no_files(
    context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = Path(context.account.home) / ".empty.tar.0123456789ab.mlc-part"
    half.touch()
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    found = left_files(context.account, context.environ, time.time() + 1)
    assert [each.name for each in found] == [str(half)]
