"""The administrator's limits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support.settings import REQUEST, host_config, with_settings

from mlc_patched.containers.create import create
from mlc_patched.context import Context
from mlc_patched.errors import NotAllowedError, UsageError
from mlc_patched.host.account import Account
from mlc_patched.names.images import parse_reference
from mlc_patched.plan.limits import NANO, check_image, default_gpus, least_gpus
from mlc_patched.plan.request import CreateRequest
from mlc_patched.settings.parse import parse


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


def test_the_hint_is_a_request_that_is_allowed() -> None:
    for largest, hint in ((2, "For example: -g 2"), (0, "For example: -g none")):
        with pytest.raises(NotAllowedError) as refused:
            host_config(f"[gpus]\nlargest = {largest}", replace(REQUEST, gpus="3"))
        assert refused.value.hint == hint


def test_amd_gpus_by_cdi_name_are_counted_under_a_limit() -> None:
    rocm = replace(REQUEST, architecture="ROCM6", gpus="amd.com/gpu=0,amd.com/gpu=1")
    [request] = host_config("[gpus]\nlargest = 2", rocm)["DeviceRequests"]
    assert request["DeviceIDs"] == ["amd.com/gpu=0", "amd.com/gpu=1"]
    with pytest.raises(NotAllowedError, match="At most 1 GPUs"):
        host_config("[gpus]\nlargest = 1", rocm)


@pytest.mark.parametrize(
    ("largest", "per_user", "least", "setting"),
    [
        (None, 1, 1, "gpus.per_user"),
        (2, None, 2, "gpus.largest"),
        (2, 1, 1, "gpus.per_user"),
        (1, 2, 1, "gpus.largest"),
        (None, None, None, "gpus.largest"),
    ],
)
def test_the_lower_of_two_limits_of_gpus_counts(
    largest: int | None, per_user: int | None, least: int | None, setting: str
) -> None:
    limits = (("largest", largest), ("per_user", per_user))
    text = "\n".join(
        ["[gpus]", *(f"{key} = {value}" for key, value in limits if value is not None)]
    )
    assert least_gpus(parse(text, "file")) == setting
    request = replace(REQUEST, gpus="3")
    if least is None:
        assert host_config(text, request)["DeviceRequests"][0]["Count"] == 3
        return
    with pytest.raises(NotAllowedError, match=f"At most {least} GPUs"):
        host_config(text, request)


def test_the_default_request_is_kept_if_it_is_allowed_and_lowered_if_not() -> None:
    text = "[gpus]\ndefault = device=0,1\n"
    [request] = host_config(f"{text}largest = 2")["DeviceRequests"]
    assert request["DeviceIDs"] == ["0", "1"]
    [request] = host_config(f"{text}largest = 1")["DeviceRequests"]
    assert (request["Count"], request["DeviceIDs"]) == (1, None)
    assert host_config(f"{text}largest = 0")["DeviceRequests"] is None
    assert host_config("[gpus]\ndefault = none\nlargest = 1")["DeviceRequests"] is None


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ({"cpus": "4.1"}, "--cpus 4.1 is more than is allowed here: at most 4.0. Ask"),
        ({"memory": "3g"}, "--memory 3g is more than is allowed here: at most 2147483648 bytes."),
        ({"pids_limit": "101"}, "--pids-limit 101 is more than is allowed here: at most 100. Ask"),
    ],
)
def test_a_refused_limit_is_named_with_the_most_that_is_allowed(
    flag: dict[str, str], words: str
) -> None:
    with pytest.raises(NotAllowedError) as refused:
        host_config("[limits]\ncpus = 4\nmemory = 2g\npids = 100", replace(REQUEST, **flag))
    assert words in str(refused.value)


def test_the_limits_themselves_can_be_asked_for() -> None:
    same = replace(REQUEST, cpus="4", memory="2g", pids_limit="100")
    body = host_config("[limits]\ncpus = 4\nmemory = 2g\npids = 100", same)
    assert (body["NanoCpus"], body["Memory"], body["PidsLimit"]) == (4 * NANO, 2**31, 100)


def test_cores_are_from_a_hundredth_to_less_than_a_million() -> None:
    for text, nano in (("0.01", NANO // 100), ("999999", 999_999 * NANO), ("2e0", 2 * NANO)):
        assert host_config("", replace(REQUEST, cpus=text))["NanoCpus"] == nano
    for text in ("0.009", "1000000", "\u0664", "-1", "inf", ""):
        with pytest.raises(UsageError, match=r"--cpus .* is not understood"):
            host_config("", replace(REQUEST, cpus=text))


def test_processes_are_a_number_from_one_in_digits() -> None:
    for text in ("1", "9" * 18):
        assert host_config("", replace(REQUEST, pids_limit=text))["PidsLimit"] == int(text)
    for text in ("0", "9" * 19, "\u0664", "1.5", ""):
        with pytest.raises(UsageError, match=r"--pids-limit .* is not understood"):
            host_config("", replace(REQUEST, pids_limit=text))


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


def test_the_prescribed_cgroup_itself_can_be_asked_for_in_every_spelling() -> None:
    text = "[container]\ncgroup_parent = /ds01/lab"
    for same in ("/ds01/lab", "ds01/lab", "/ds01/lab/"):
        asked = replace(REQUEST, cgroup_parent=same)
        assert host_config(text, asked)["CgroupParent"] == "/ds01/lab"


def test_below_the_root_cgroup_is_every_other() -> None:
    asked = replace(REQUEST, cgroup_parent="/mine/x")
    assert host_config("[container]\ncgroup_parent = /", asked)["CgroupParent"] == "/mine/x"


@pytest.mark.parametrize(
    ("own", "wanted"),
    [
        ("lab.slice", "lab-x"),
        ("lab.slice", "lab-x/y.slice"),
        ("lab.slice", "labx.slice"),
        ("lab", "lab-x.slice"),
        ("a/b", "a/c/b"),
    ],
)
def test_what_only_looks_like_a_cgroup_below_is_refused(own: str, wanted: str) -> None:
    with pytest.raises(NotAllowedError, match=f"under the cgroup {own}, not under {wanted}"):
        host_config(f"[container]\ncgroup_parent = {own}", replace(REQUEST, cgroup_parent=wanted))


def test_a_cgroup_path_is_refused_before_the_engine_fails_on_it() -> None:
    for fits in ("x" * 255, "/".join("x" * 255), "", "/"):
        asked = replace(REQUEST, cgroup_parent=fits)
        assert host_config("", asked)["CgroupParent"] == fits
    for wrong in ("x" * 256, "/".join("x" * 256), "..", "a/../b", "a b", "a//b"):
        with pytest.raises(UsageError, match="neither a slice nor a cgroup path"):
            host_config("", replace(REQUEST, cgroup_parent=wrong))
    with pytest.raises(UsageError, match="neither a slice nor a cgroup path"):
        host_config("[container]\ncgroup_parent = lab", replace(REQUEST, cgroup_parent="lab/a b"))


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


def test_a_pattern_may_name_docker_s_own_registry() -> None:
    text = "[images]\nbases = docker.io/library/*"
    host_config(text, replace(REQUEST, image="docker.io/library/debian:12"))
    with pytest.raises(NotAllowedError):
        host_config(text, replace(REQUEST, image="quay.io/library/debian:12"))


def test_an_image_that_is_no_own_project_is_checked_itself() -> None:
    settings = parse("[images]\nbases = aimehub/*", "file")
    account = Account("alice", 1001, 2001, "/home/alice")
    base = {"org.opencontainers.image.base.name": "aimehub/pytorch"}
    for image in ("evil/pytorch", "ds01-1002/p"):
        with pytest.raises(NotAllowedError, match=f"The image {image} is not allowed"):
            check_image(parse_reference(image), base, account, settings)
    check_image(parse_reference("aimehub/x"), {}, account, settings)
    check_image(parse_reference("ds01-1001/p"), base, account, settings)


def test_without_the_wrapper_a_container_gets_every_gpu_by_default() -> None:
    assert default_gpus(parse("", "file")) == "all"


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
    fake.add_image("ds01-1001/unknown", claim, passwd)
    create(CreateRequest("unknown", image="ds01-1001/unknown:latest"), context)
    assert len(fake.made) == 2
