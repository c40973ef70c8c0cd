"""The administrator's limits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support.settings import REQUEST, host_config, with_settings

from mlc_patched.containers.create import create
from mlc_patched.context import Context
from mlc_patched.errors import NotAllowedError, UsageError
from mlc_patched.plan.limits import NANO
from mlc_patched.plan.request import CreateRequest


@pytest.mark.parametrize("gpus", ["all", "3", "device=0,1,2", "device=GPU-a,GPU-b,GPU-c"])
def test_no_container_gets_more_gpus_than_allowed(gpus: str) -> None:
    with pytest.raises(NotAllowedError, match="At most 2 GPUs"):
        host_config("[gpus]\nlargest = 2", replace(REQUEST, gpus=gpus))
    with pytest.raises(NotAllowedError):
        host_config("[gpus]\nlargest = 2", MLC_GPUS=gpus)


@pytest.mark.parametrize(
    ("settings", "environ", "count"),
    [
        ("", {"MLC_WRAPPER": "1"}, 1),
        ("", {}, -1),
        ("[gpus]\nwrapper = 2", {"MLC_WRAPPER": "1"}, 2),
        ("[gpus]\nwrapper = 4\nlargest = 2", {"MLC_WRAPPER": "1"}, 2),
        ("", {"MLC_WRAPPER": "1", "MLC_GPUS": "3"}, 3),
    ],
)
def test_the_wrapper_s_containers_get_one_gpu(
    settings: str, environ: dict[str, str], count: int
) -> None:
    [request] = host_config(settings, **environ)["DeviceRequests"]
    assert request["Count"] == count


def test_the_maximum_is_allowed_and_rocm_has_none_under_a_limit() -> None:
    for gpus in ("2", "device=0,1", "none"):
        host_config("[gpus]\nlargest = 2", replace(REQUEST, gpus=gpus))
    rocm = replace(REQUEST, architecture="ROCM6")
    with pytest.raises(NotAllowedError, match="ROCm"):
        host_config("[gpus]\nlargest = 2", rocm)
    host_config("[gpus]\nlargest = 2", replace(rocm, gpus="none"))


def test_flags_can_only_lower_the_limits() -> None:
    text = "[limits]\ncpus = 4\nmemory = 2g\npids = 100"
    body = host_config(text)
    assert (body["NanoCpus"], body["Memory"], body["PidsLimit"]) == (4 * NANO, 2**31, 100)
    less = replace(REQUEST, cpus="1.5", memory="1g", pids_limit="10")
    body = host_config(text, less)
    assert (body["NanoCpus"], body["Memory"], body["PidsLimit"]) == (1.5 * NANO, 2**30, 10)
    assert host_config("", less)["NanoCpus"] == 1.5 * NANO
    for more in ({"cpus": "4.1"}, {"memory": "3g"}, {"pids_limit": "101"}):
        with pytest.raises(NotAllowedError, match="more than is allowed"):
            host_config(text, replace(REQUEST, **more))
    for wrong in ({"cpus": "x"}, {"cpus": "nan"}, {"cpus": "0"}, {"pids_limit": "-1"}):
        with pytest.raises(UsageError, match="not understood"):
            host_config("", replace(REQUEST, **wrong))


def test_a_slice_for_every_user() -> None:
    text = "[container]\nslice_group = students"
    own = "ds01-students-h-baker-at-hertie-school-lan.slice"
    assert host_config(text)["CgroupParent"] == own
    below = "ds01-students-h-baker-at-hertie-school-lan-x.slice"
    for wanted, given in ((own, own), (below, below)):
        assert host_config(text, replace(REQUEST, cgroup_parent=wanted))["CgroupParent"] == given
    for other in ("ds01-students.slice", "/", "", "a/../b", f"{own[:-6]}x.slice", "system.slice"):
        with pytest.raises(NotAllowedError, match=own):
            host_config(text, replace(REQUEST, cgroup_parent=other))


def test_a_cgroup_parent_for_all() -> None:
    text = "[container]\ncgroup_parent = /ds01/lab"
    assert host_config(text)["CgroupParent"] == "/ds01/lab"
    below = replace(REQUEST, cgroup_parent="/ds01/lab/me")
    assert host_config(text, below)["CgroupParent"] == "/ds01/lab/me"
    for other in ("/ds01", "/ds01/laboratory", "/ds01/lab/../x"):
        with pytest.raises(NotAllowedError):
            host_config(text, replace(REQUEST, cgroup_parent=other))
    assert host_config("", replace(REQUEST, cgroup_parent="x"))["CgroupParent"] == "x"


@pytest.mark.parametrize(
    ("image", "is_allowed"),
    [
        ("aimehub/pytorch", True),
        ("aimehub/pytorch:2", True),
        ("docker.io/aimehub/pytorch:2", True),
        ("index.docker.io/aimehub/pytorch", True),
        ("nvcr.io/nvidia/x/y@sha256:" + "0" * 64, True),
        ("debian:12", True),
        ("docker.io/library/debian:12", True),
        ("debian:11", False),
        ("evil.example/aimehub/pytorch", False),
        ("xaimehub/pytorch", False),
        ("sha256:" + "0" * 64, False),
        ("ds01-1722830498/mine", True),
        ("ds01-1001/others", False),
    ],
)
def test_only_bases_that_match_a_pattern_and_own_images_are_allowed(
    image: str, is_allowed: bool
) -> None:
    text = "[images]\nbases = aimehub/* nvcr.io/nvidia/*, debian:12"
    request = replace(REQUEST, image=image)
    if is_allowed:
        host_config(text, request)
        return
    with pytest.raises(NotAllowedError, match="Allowed: aimehub"):
        host_config(text, request)


def test_a_users_own_catalog_does_not_bypass_the_limits() -> None:
    with pytest.raises(NotAllowedError, match="hub/x:1"):
        host_config("[images]\nbases = aimehub/*")


def test_of_an_own_project_the_base_is_checked(context: Context, fake, tmp_path: Path) -> None:
    with_settings(context, "[images]\nbases = aimehub/*", tmp_path)
    passwd = "alice:x:1001:2001::/home/alice:/bin/bash\n"
    claim = {
        "aime.mlc.DS01_HAS_USER_SETUP": "true",
        "aime.mlc.DS01_USER_ID": "1001",
        "aime.mlc.DS01_GROUP_ID": "2001",
        "aime.mlc.DS01_USERNAME": "alice",
    }
    for name, base in (("good", "aimehub/pytorch"), ("bad", "evil/pytorch")):
        labels = {**claim, "org.opencontainers.image.base.name": base}
        fake.add_image(f"ds01-1001/{name}", labels, passwd)
    create(CreateRequest("good", image="ds01-1001/good:latest"), context)
    with pytest.raises(NotAllowedError, match="evil/pytorch"):
        create(CreateRequest("bad", image="ds01-1001/bad:latest"), context)
    assert len(fake.made) == 1
