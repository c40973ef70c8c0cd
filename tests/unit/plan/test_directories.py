"""Directories that are mounted in a container."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from support.plans import CATALOG, REQUEST

from mlc_patched.errors import MlcError, NotFoundError, UsageError
from mlc_patched.host.account import Account
from mlc_patched.host.hardware import elsewhere
from mlc_patched.plan import directories
from mlc_patched.plan.container import Plan, make_plan


def test_directories_are_absolute_and_must_exist(account: Account, tmp_path: Path) -> None:
    found = directories.resolve("~/workspace", None, None, account)
    assert found.workspace == f"{account.home}/workspace"
    with pytest.raises(NotFoundError, match="mkdir -p"):
        directories.resolve("~/nowhere", None, None, account)
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(MlcError, match="not a directory"):
        directories.resolve(None, str(file), None, account)
    for odd in ("", "a\nb", "a\0b"):
        with pytest.raises(UsageError):
            directories.resolve(None, odd, None, account)


@pytest.mark.parametrize("said", [None, "~/workspace", "~/workspace/"])
def test_only_the_default_workspace_is_created(tmp_path: Path, said: str | None) -> None:
    account = Account("new", os.getuid(), os.getgid(), str(tmp_path))
    assert directories.resolve(said, None, None, account).workspace == f"{tmp_path}/workspace"
    assert (tmp_path / "workspace").is_dir()


def test_a_broken_link_in_place_of_the_workspace_is_kept(tmp_path: Path) -> None:
    (tmp_path / "workspace").symlink_to(tmp_path / "elsewhere")
    account = Account("new", os.getuid(), os.getgid(), str(tmp_path))
    with pytest.raises(MlcError, match="cannot be created"):
        directories.resolve(None, None, None, account)
    assert not (tmp_path / "elsewhere").exists()


def far_plan(account: Account, **fields: object) -> Plan:
    request = replace(REQUEST, **fields)
    host = elsewhere(("nvidia", "runc"))
    return make_plan(request, account, host, {}, lambda: CATALOG, is_local=False)


def test_directories_on_another_host_are_neither_checked_nor_created(tmp_path: Path) -> None:
    account = Account("alice", 1001, 2001, str(tmp_path / "home"))
    found = far_plan(account, architecture="CUDA_ADA", data="/there/only", models="~/models")
    assert found.directories == directories.Directories(
        f"{account.home}/workspace", "/there/only", f"{account.home}/models"
    )
    assert list(tmp_path.iterdir()) == []
    for path in ("here", "./here", "", "a\nb"):
        with pytest.raises(UsageError, match="workspace directory"):
            far_plan(account, architecture="CUDA_ADA", workspace=path)
