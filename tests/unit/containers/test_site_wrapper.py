"""Call a site's own program in place of `docker`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlc_patched.containers import site_wrapper
from mlc_patched.errors import (
    MlcError,
)
from mlc_patched.host.account import Account
from mlc_patched.plan.request import CreateRequest

ME = Account("me", os.getuid(), os.getgid(), "/home/me")


def test_the_wrapper_is_called_as_documented() -> None:
    request = CreateRequest(
        "n",
        image="i",
        workspace="/a b",
        data="/d'",
        gpus="device=0,1",
        shm_size="1g",
        cgroup_parent="x.slice",
        cpus="2",
        memory="3g",
        pids_limit="4",
    )
    assert site_wrapper.command("/w x", request) == [
        *("/w x", "n", "custom", "latest", "-w=/a b", "-d=/d'", "--image=i", "--gpus=device=0,1"),
        *("--shm-size=1g", "--cgroup-parent=x.slice", "--cpus=2", "--memory=3g", "--pids-limit=4"),
    ]
    assert site_wrapper.command("/w", CreateRequest("n", "F", "1", gpus="none")) == [
        *("/w", "n", "F", "1", "--cpu-only")
    ]


@pytest.mark.parametrize("value", ["wrapper.sh", "/there/is/none", "/etc/passwd"])
def test_a_wrapper_must_be_a_program_by_its_absolute_path(value: str) -> None:
    with pytest.raises(MlcError, match="unset DS01_MLC_WRAPPER"):
        site_wrapper.path({"DS01_MLC_WRAPPER": value}, ME)
    assert site_wrapper.path({"DS01_MLC_WRAPPER": ""}, ME) is None


@pytest.mark.skipif(os.getuid() != 0, reason="only root can work for others")
def test_root_runs_no_wrapper_that_its_user_could_have_written(tmp_path: Path) -> None:
    user = Account("nobody", 65534, 65534, "/nonexistent")
    (tmp_path / "users").mkdir()
    programs = tmp_path / "roots", tmp_path / "users/wrapper", tmp_path / "users/link"
    for program in programs[:2]:
        program.touch(0o755)
    programs[2].symlink_to(programs[0])
    os.chown(tmp_path / "users", user.uid, user.gid)
    roots, users, link = ({"DS01_MLC_WRAPPER": str(each)} for each in programs)
    assert site_wrapper.path(roots, user) == str(programs[0])
    assert site_wrapper.path(link, user) == str(programs[0]), "as the link says now"
    with pytest.raises(MlcError, match="not root's alone"):
        site_wrapper.path(users, user)
    assert site_wrapper.path(users, ME) == str(programs[1])
