"""Call a site's own program in place of `docker`."""

from __future__ import annotations

import pytest

from mlc_patched.containers import site_wrapper
from mlc_patched.errors import (
    MlcError,
)
from mlc_patched.plan.request import CreateRequest


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
        site_wrapper.path({"DS01_MLC_WRAPPER": value})
    assert site_wrapper.path({"DS01_MLC_WRAPPER": ""}) is None
