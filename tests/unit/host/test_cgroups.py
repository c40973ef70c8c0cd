"""Which container a process is in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlc_patched.host.account import account_of
from mlc_patched.host.cgroups import container_ids, owner

ID, OUTER = "ab12" * 16, "cd34" * 16


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"0::/system.slice/docker-{ID}.scope\n", (ID,)),
        (f"12:pids:/docker/{ID}\n11:memory:/docker/{ID}\n0::/\n", (ID,)),
        (f"0::/docker/{OUTER}/docker/{ID}\n", (OUTER, ID)),
        (f"0::/ds01-students-alice.slice/docker-{ID}.scope/init.scope\n", (ID,)),
        (f"0::/machine.slice/libpod-{ID}.scope/container\n", (ID,)),
        (f"0::/user.slice/user-1001.slice/user@1001.service/user.slice/libpod-{ID}.scope\n", (ID,)),
        ("0::/user.slice/user-1001.slice/session-3.scope\n", ()),
        (f"0::/system.slice/{ID}00\n", ()),
    ],
)
def test_the_forms_of_engines_and_cgroup_drivers(
    tmp_path: Path, text: str, found: tuple[str, ...]
) -> None:
    (tmp_path / "44").mkdir()
    (tmp_path / "44/cgroup").write_text(text)
    assert container_ids(44, tmp_path) == found


def test_a_process_that_has_ended(tmp_path: Path) -> None:
    assert container_ids(44, tmp_path) == ()
    assert owner(44, tmp_path) is None


def test_the_owner_of_a_process() -> None:
    assert owner(os.getpid()) == account_of(os.getuid()).login


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_an_owner_that_the_host_does_not_know_is_named_by_number(tmp_path: Path) -> None:
    (tmp_path / "44").mkdir()
    os.chown(tmp_path / "44", 2**31 - 7, 0)
    assert owner(44, tmp_path) == str(2**31 - 7)
