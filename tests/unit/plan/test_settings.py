"""What the administrator's settings change in a container."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support.settings import ACCOUNT, CATALOG, HOST, REQUEST, host_config, with_settings

from mlc_patched.containers.create import create
from mlc_patched.context import Context
from mlc_patched.engine.specification import container_body
from mlc_patched.errors import MlcError, NotAllowedError
from mlc_patched.images.create import ImageCreateRequest, prepare
from mlc_patched.images.recipe import ImageRequest
from mlc_patched.plan.container import make_plan
from mlc_patched.plan.flow import Flow
from mlc_patched.plan.request import CreateRequest
from mlc_patched.plan.specify import specify
from mlc_patched.settings.parse import parse


def test_without_settings_containers_are_as_aimes() -> None:
    body = host_config("")
    assert body["Privileged"] is True
    assert (body["NetworkMode"], body["IpcMode"], body["ShmSize"]) == ("host", "host", 0)
    assert (body["CapAdd"], body["CapDrop"]) == (None, None)
    assert (body["NanoCpus"], body["Memory"], body["PidsLimit"]) == (0, 0, 0)
    assert [device["PathOnHost"] for device in body["Devices"]] == ["/dev/snd", "/dev/video0"]
    assert body["DeviceRequests"][0]["Count"] == -1


def test_not_privileged_has_exactly_the_listed_capabilities() -> None:
    body = host_config("[container]\nprivileged = no\ncapabilities = cap_chown,SETUID")
    assert body["Privileged"] is False
    assert (body["CapDrop"], body["CapAdd"]) == (["ALL"], ["CHOWN", "SETUID"])
    rocm = replace(REQUEST, architecture="ROCM6")
    assert "SYS_PTRACE" in host_config("[container]\nprivileged = no", rocm)["CapAdd"]


def test_network_ipc_shared_memory_devices_labels() -> None:
    text = (
        "[container]\nnetwork = lab\nipc = private\nshm_size = 1g\ndevices = /dev/fuse\n"
        "[labels]\nsite = a,b=c"
    )
    body = host_config(text, replace(REQUEST, labels={"mine": "x"}))
    assert (body["NetworkMode"], body["IpcMode"], body["ShmSize"]) == ("lab", "private", 2**30)
    assert [device["PathOnHost"] for device in body["Devices"]] == ["/dev/fuse"]
    assert (body["Labels"]["site"], body["Labels"]["mine"]) == ("a,b=c", "x")
    assert host_config("[container]\nshm_size=1g")["IpcMode"] == ""
    assert (
        host_config("[container]\nshm_size=1g", replace(REQUEST, shm_size="2g"))["ShmSize"] == 2**31
    )
    assert host_config("[container]\ndevices = none")["Devices"] == []


def test_devices_leave_rocm_its_gpus() -> None:
    body = host_config("[container]\ndevices = none", replace(REQUEST, architecture="ROCM6"))
    assert [device["PathOnHost"] for device in body["Devices"]] == ["/dev/kfd"]


def test_flag_overrides_variable_overrides_default_gpus() -> None:
    def count(text: str, gpus: str | None = None, **environ: str) -> int:
        requests = host_config(text, replace(REQUEST, gpus=gpus), **environ)["DeviceRequests"]
        return requests[0]["Count"] if requests else 0

    assert count("[gpus]\ndefault = 2") == 2
    assert count("[gpus]\ndefault = 2", MLC_GPUS="3") == 3
    assert count("[gpus]\ndefault = 2", "4", MLC_GPUS="3") == 4
    assert count("[gpus]\ndefault = none") == 0
    assert count("[gpus]\nlargest = 2") == 2
    assert count("[gpus]\nlargest = 0") == 0
    assert count("[gpus]\nlargest = 4\ndefault = 1") == 1


def test_the_architecture_is_taken_from_file_variable_flag() -> None:
    def label(request: CreateRequest = REQUEST, **environ: str) -> str:
        return host_config("[gpus]\narchitecture = ROCM6", request, **environ)["Labels"][
            "aime.mlc.ARCH"
        ]

    assert label() == "ROCM6"
    assert label(MLC_ARCH="CUDA_ADA") == "CUDA_ADA"
    assert label(replace(REQUEST, architecture="CUDA_ADA"), MLC_ARCH="ROCM6") == "CUDA_ADA"


def test_image_create_takes_the_architecture_from_file_and_variable(
    context: Context, tmp_path: Path
) -> None:
    with_settings(context, "[gpus]\narchitecture = ROCM6", tmp_path)
    context.__dict__.update(catalog=CATALOG, host=HOST)
    request = ImageCreateRequest(ImageRequest("project", "Pytorch", "2"))
    assert context.environ["MLC_ARCH"] == "CUDA_ADA"
    assert prepare(request, context).recipe.base == "hub/x:1"
    context.environ = {**context.environ, "MLC_ARCH": ""}
    assert prepare(request, context).recipe.base == "hub/rocm"


def test_labels_of_ds01_are_written_beside_ours() -> None:
    def labels(text: str) -> dict[str, str]:
        plan = make_plan(REQUEST, ACCOUNT, HOST, {}, lambda: CATALOG, parse(text, "file"))
        return container_body(specify(plan, "image", "sha256:1", Flow.IMAGE, ACCOUNT))["Labels"]

    assert not any(label.startswith("ds01.") for label in labels("[labels]\nds01 = no"))
    found = labels("[labels]\nds01 = yes\nsite = lab")
    assert found["site"] == "lab"
    assert found["ds01.user"] == found["aime.mlc"]
    assert found["ds01.name"] == found["aime.mlc.NAME"]
    assert found["ds01.framework"] == found["aime.mlc.FRAMEWORK"]
    assert found["ds01.managed"] == "true"
    assert "ds01" not in found
    with pytest.raises(MlcError, match="yes or no"):
        parse("[labels]\nds01 = perhaps", "file")


def test_the_legacy_flow_can_be_disabled(context: Context, fake, tmp_path: Path) -> None:
    with_settings(context, "[images]\nlegacy_flow = no", tmp_path)
    fake.add_image("hub/plain")
    for image in ("hub/plain", "hub/absent"):
        with pytest.raises(NotAllowedError, match=f"image-create PROJECT --base {image}"):
            create(CreateRequest("x", image=image), context)
    assert not fake.made
    assert "pull" not in fake.calls


def test_the_catalog_setting(context: Context, tmp_path: Path) -> None:
    with_settings(context, f"[images]\ncatalog = {tmp_path}/other.repo", tmp_path)
    assert str(context.catalog_file) == context.environ["MLC_CATALOG"]
    context.environ = {"DS01_SETTINGS": context.environ["DS01_SETTINGS"]}
    assert context.catalog_file == tmp_path / "other.repo"
