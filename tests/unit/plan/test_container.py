"""The plan of a container, and its specification."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.plans import CATALOG, GPU_HOST, REQUEST, plan

from mlc_patched.engine.specification import container_body
from mlc_patched.errors import UsageError
from mlc_patched.host.account import Account
from mlc_patched.host.gpus import choose
from mlc_patched.host.hardware import Host, elsewhere
from mlc_patched.plan.catalog import Catalog
from mlc_patched.plan.container import Plan, make_plan
from mlc_patched.plan.flow import Flow
from mlc_patched.plan.request import CreateRequest
from mlc_patched.plan.specify import specify

BARE_HOST = Host(None, False, frozenset())


def test_amd_gpus_by_cdi_come_without_the_device_nodes(account: Account) -> None:
    host = Host("ROCM6", True, frozenset({"/dev/kfd", "/dev/dri", "/dev/snd"}))
    request = replace(REQUEST, version="2.6.0", gpus="amd.com/gpu=1")
    made = plan(request, account, host)
    assert made.devices == ("/dev/snd",)
    body = container_body(specify(made, "i", "sha256:1", Flow.IMAGE, account))
    wanted = [{"Driver": "cdi", "Count": 0, "DeviceIDs": ["amd.com/gpu=1"]}]
    assert body["HostConfig"]["DeviceRequests"] == wanted
    all_of_them = plan(replace(request, gpus="all"), account, host)
    assert all_of_them.gpus is None
    assert all_of_them.devices == ("/dev/kfd", "/dev/dri", "/dev/snd")
    unknown = plan(replace(request, image="own", gpus="amd.com/gpu=1"), account, BARE_HOST)
    assert unknown.architecture == "ROCM"


def test_the_row_follows_the_architecture(account: Account) -> None:
    assert plan(REQUEST, account).image == "hub/blackwell"
    assert plan(REQUEST, account, MLC_ARCH="CUDA_ADA").image == "hub/ada"
    flag = replace(REQUEST, architecture="CUDA_BLACKWELL")
    assert plan(flag, account, MLC_ARCH="CUDA_ADA").image == "hub/blackwell"
    on_cpu = plan(REQUEST, account, BARE_HOST)
    assert (on_cpu.image, on_cpu.architecture, on_cpu.devices) == ("hub/ada", "CPU", ())
    open_ = plan(replace(REQUEST, gpus="1"), account, BARE_HOST)
    assert (open_.image, open_.architecture) == ("hub/ada", "CUDA_ADA")


def test_a_named_image_needs_no_catalog(account: Account) -> None:
    def no_catalog() -> Catalog:
        raise AssertionError("the catalog was read")

    made = make_plan(CreateRequest("n", image="my/own"), account, GPU_HOST, {}, no_catalog)
    assert (made.image, made.framework, made.is_current) == ("my/own", "custom-latest", True)


@pytest.mark.parametrize("image", ["", " ", "-v"])
def test_an_invalid_image_name_is_refused(account: Account, image: str) -> None:
    with pytest.raises(UsageError):
        plan(CreateRequest("n", image=image), account)


@pytest.mark.parametrize("label", ["aime.mlc", "aime.mlc.USER", "aime.mlc.DS01_USER_SETUP"])
def test_labels_of_ownership_cannot_be_forged(account: Account, label: str) -> None:
    with pytest.raises(UsageError, match="reserved for mlc"):
        plan(replace(REQUEST, labels={label: "x"}), account)


def test_missing_devices_are_reported(account: Account) -> None:
    made = plan(REQUEST, account, Host("CUDA_ADA", True, frozenset({"/dev/snd"})))
    assert made.devices == ("/dev/snd",)
    assert made.notes() == [
        "Not passed to the container, as this host does not have them: /dev/video0"
    ]


def far_plan(account: Account, **fields: object) -> Plan:
    request = replace(REQUEST, **fields)
    host = elsewhere(("nvidia", "runc"))
    return make_plan(request, account, host, {}, lambda: CATALOG, is_local=False)


def test_the_engine_reports_a_missing_directory_on_another_host(account: Account) -> None:
    plan = far_plan(account, architecture="CUDA_ADA", data="/there")
    body = container_body(specify(plan, "i", "sha256:1", Flow.IMAGE, account))
    host = body["HostConfig"]
    assert host["Binds"] == []  # which the engine would make, as root's
    assert [(each["Source"], each["Target"]) for each in host["Mounts"]] == [
        (f"{account.home}/workspace", "/workspace"),
        ("/there", "/data"),
    ]


def test_on_another_host_only_requested_gpus_are_assumed_to_exist(
    account: Account,
) -> None:
    assert far_plan(account, architecture="CUDA_ADA").devices == ()
    assert far_plan(account, architecture="CUDA_ADA").notes() == []
    rocm = far_plan(account, version="2.6.0", architecture="ROCM6")
    assert rocm.devices == ("/dev/kfd", "/dev/dri")
    assert choose(None, None, elsewhere(("runc",))).gpus == "none"
    assert "The remote engine reports no GPU" in (choose(None, None, elsewhere(())).note or "")
    assert choose(None, None, elsewhere(("nvidia",))).gpus == "all"
