"""The plan of a container, and its specification."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from pathlib import Path

import pytest

from mlc_patched.engine.specification import container_body
from mlc_patched.errors import MlcError, NotFoundError, UsageError
from mlc_patched.host.account import Account
from mlc_patched.host.gpus import GpuRequest, choose, parse_gpus
from mlc_patched.host.hardware import Host, cuda_architecture, elsewhere, probe
from mlc_patched.plan import directories
from mlc_patched.plan.catalog import Catalog, Row
from mlc_patched.plan.container import Plan, make_plan
from mlc_patched.plan.flow import Flow
from mlc_patched.plan.request import CreateRequest
from mlc_patched.plan.specify import specify
from mlc_patched.units import parse_size

CATALOG = Catalog(
    (
        Row("Pytorch", "2.8.0", ("CUDA_ADA",), "hub/ada"),
        Row("Pytorch", "2.8.0", ("CUDA_BLACKWELL",), "hub/blackwell"),
        Row("Pytorch", "2.6.0", ("ROCM6",), "hub/rocm"),
    ),
    Path("ml_images.repo"),
)
GPU_HOST = Host("CUDA_BLACKWELL", True, frozenset({"/dev/snd", "/dev/video0"}))
BARE_HOST = Host(None, False, frozenset())
REQUEST = CreateRequest("n", "Pytorch", "2.8.0")


@pytest.fixture
def account(tmp_path: Path) -> Account:
    (tmp_path / "workspace").mkdir()
    return Account("h.baker@hertie-school.lan", 1722830498, 100, str(tmp_path))


def plan(request: CreateRequest, account: Account, host: Host = GPU_HOST, **environ: str) -> Plan:
    return make_plan(request, account, host, environ, lambda: CATALOG)


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        ("all", GpuRequest(-1)),
        ("2", GpuRequest(2)),
        ("device=0", GpuRequest(0, ("0",))),
        ("device=0,1", GpuRequest(0, ("0", "1"))),
        ('"device=0,1"', GpuRequest(0, ("0", "1"))),
        ("device=GPU-a-b,MIG-c/1/0", GpuRequest(0, ("GPU-a-b", "MIG-c/1/0"))),
        ("device=0:1", GpuRequest(0, ("0:1",))),
        ("device=nvidia.com/gpu=0", GpuRequest(0, ("nvidia.com/gpu=0",), is_cdi=True)),
        ("nvidia.com/gpu=all", GpuRequest(0, ("nvidia.com/gpu=all",), is_cdi=True)),
        (
            "device=nvidia.com/gpu=0:1,nvidia.com/gpu=GPU-a-b",
            GpuRequest(0, ("nvidia.com/gpu=0:1", "nvidia.com/gpu=GPU-a-b"), is_cdi=True),
        ),
        ("amd.com/gpu=0", GpuRequest(0, ("amd.com/gpu=0",), is_cdi=True)),
        ("none", None),
        ("0", None),
    ],
)
def test_gpu_requests(text: str, request_: GpuRequest | None) -> None:
    assert parse_gpus(text) == request_


@pytest.mark.parametrize(
    "text",
    [
        *("", "-1", "two", "device=", "device=0,,1", "device=a b", "²"),
        *("nvidia.com/gpu=", "nvidia.com/gpu", "/gpu=0", "device=nvidia.com/gpu=0,1", "a/b=c d"),
    ],
)
def test_invalid_gpu_requests(text: str) -> None:
    with pytest.raises(UsageError, match="device=0,1"):
        parse_gpus(text)


def test_without_a_request_the_host_decides() -> None:
    assert choose(None, None, GPU_HOST).architecture == "CUDA_BLACKWELL"
    cpu = choose(None, None, BARE_HOST)
    assert (cpu.architecture, cpu.gpus, cpu.request) == ("CPU", "none", None)
    assert "No GPU" in cpu.note


@pytest.mark.parametrize(
    ("architecture", "gpus", "host", "expected"),
    [
        ("CUDA_ADA", None, BARE_HOST, ("CUDA_ADA", "all", GpuRequest(-1))),
        ("cuda_ada", "2", GPU_HOST, ("CUDA_ADA", "2", GpuRequest(2))),
        (None, "2", BARE_HOST, (None, "2", GpuRequest(2))),
        (None, "none", GPU_HOST, ("CUDA_BLACKWELL", "none", None)),
        (None, "none", BARE_HOST, ("CPU", "none", None)),
        ("CPU", "all", GPU_HOST, ("CPU", "none", None)),
        ("OWN", None, BARE_HOST, ("OWN", "all", GpuRequest(-1))),
    ],
)
def test_an_explicit_request_is_taken_as_given(
    architecture: str | None, gpus: str | None, host: Host, expected: tuple[object, ...]
) -> None:
    choice = choose(architecture, gpus, host, ("OWN",))
    assert (choice.architecture, choice.gpus, choice.request) == expected
    assert choice.note is None


def test_an_unknown_architecture_is_refused() -> None:
    with pytest.raises(UsageError, match="CUDA_AMPERE"):
        choose("CUDA_X", None, GPU_HOST)


@pytest.mark.parametrize(
    ("text", "most"),
    [
        ("all", math.inf),
        ("3", 3),
        ("device=0,1", 2),
        ("device=all", math.inf),
        ("nvidia.com/gpu=0,nvidia.com/gpu=1", 2),
        ("nvidia.com/gpu=all", math.inf),
    ],
)
def test_how_many_gpus_a_request_asks_for(text: str, most: float) -> None:
    request = parse_gpus(text)
    assert request is not None
    assert request.most == most


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


@pytest.mark.parametrize(
    ("text", "size"),
    [("64m", 64 << 20), ("8G", 8 << 30), ("1.5GiB", 3 << 29), ("100", 100), ("2kb", 2048)],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "x", "0", "-1g", "1e9", "8 apples", "9" * 30])
def test_invalid_sizes(text: str) -> None:
    with pytest.raises(UsageError):
        parse_size(text)


def test_the_container_is_as_docs_contracts_promises(account: Account) -> None:
    made = plan(replace(REQUEST, gpus="device=GPU-a,GPU-b"), account)
    body = container_body(specify(made, "sha256:1", "sha256:1", Flow.IMAGE, account))
    host = body["HostConfig"]
    assert body["Cmd"] == ["bash", "-c", "bash"]
    assert (body["User"], body["WorkingDir"]) == ("1722830498:100", "/workspace")
    assert host["Binds"] == [
        f"{account.home}/workspace:/workspace",
        "/tmp/.X11-unix:/tmp/.X11-unix",
    ]
    assert host["DeviceRequests"] == [
        {
            "Driver": "",
            "Count": 0,
            "DeviceIDs": ["GPU-a", "GPU-b"],
            "Capabilities": [["gpu"]],
            "Options": {},
        }
    ]
    assert (host["NetworkMode"], host["IpcMode"], host["Privileged"]) == ("host", "host", True)
    assert body["Labels"]["aime.mlc.USER"] == "h.baker@hertie-school.lan"
    assert body["Labels"]["aime.mlc.GPUS"] == "device=GPU-a%2CGPU-b"


def test_private_shared_memory_replaces_the_host_s(account: Account) -> None:
    made = plan(replace(REQUEST, shm_size="16g"), account)
    host = container_body(specify(made, "i", "i", Flow.IMAGE, account))["HostConfig"]
    assert (host["IpcMode"], host["ShmSize"]) == ("", 16 << 30)


def test_a_path_with_a_colon_can_be_mounted(account: Account, tmp_path: Path) -> None:
    odd = tmp_path / "a:b,c d"
    odd.mkdir()
    made = plan(replace(REQUEST, data=str(odd)), account)
    host = container_body(specify(made, "i", "i", Flow.IMAGE, account))["HostConfig"]
    assert {"Type": "bind", "Source": str(odd), "Target": "/data"} in host["Mounts"]
    assert not any("/data" in bind for bind in host["Binds"])


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


@pytest.mark.parametrize(
    ("version", "name"),
    [
        ((11, 8), "CUDA_AMPERE"),
        ((12, 0), "CUDA_ADA"),
        ((12, 7), "CUDA_ADA"),
        ((12, 8), "CUDA_BLACKWELL"),
        ((13, 0), "CUDA_BLACKWELL"),
    ],
)
def test_the_architecture_of_a_toolkit(version: tuple[int, int], name: str) -> None:
    assert cuda_architecture(*version) == name


def host_with(root: Path, files: dict[str, str]) -> Host:
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    return probe(root)


INSTALLED = "Package: {}\nStatus: install ok installed\nPriority: optional\nVersion: {}\n\n"


@pytest.mark.parametrize(
    ("files", "architecture"),
    [
        ({}, None),
        ({"var/lib/dpkg/status": INSTALLED.format("cuda-toolkit-12-6", "12.6-1")}, "CUDA_ADA"),
        (
            {
                "var/lib/dpkg/status": INSTALLED.format("cuda-toolkit-11-8", "1")
                + INSTALLED.format("cuda-toolkit-12-8-config-common", "1")
            },
            "CUDA_BLACKWELL",
        ),
        (
            {
                "var/lib/dpkg/status": "Package: cuda-toolkit-12-6\n"
                "Status: deinstall ok config-files\nVersion: 1\n"
            },
            None,
        ),
        ({"var/lib/dpkg/status": INSTALLED.format("rocm-core", "6.2.0.60200-1")}, "ROCM6"),
        ({"usr/local/cuda/version.json": '{"cuda": {"version": "11.8.0"}}'}, "CUDA_AMPERE"),
        ({"opt/rocm/.info/version": "5.7.1-98\n"}, "ROCM5"),
        (
            {
                "proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX x86_64 "
                "Kernel Module  550.54.15  Tue\n"
            },
            "CUDA_ADA",
        ),
    ],
)
def test_the_host_s_architecture(
    tmp_path: Path, files: dict[str, str], architecture: str | None
) -> None:
    found = host_with(tmp_path, files)
    assert (found.architecture, found.has_gpu, found.devices) == (architecture, False, frozenset())


def test_device_nodes_are_found(tmp_path: Path) -> None:
    found = host_with(tmp_path, {"dev/nvidia0": "", "dev/snd/seq": "", "dev/dri/card0": ""})
    assert (found.has_gpu, found.devices) == (True, frozenset({"/dev/snd", "/dev/dri"}))


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
