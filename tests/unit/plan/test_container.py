"""The plan of a container, and its specification."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from support.accounts import AccountOfThisProcess
from support.plans import CATALOG, GPU_HOST, REQUEST, plan

from mlc_patched.engine.specification import container_body
from mlc_patched.errors import MlcError, NotAllowedError, UsageError
from mlc_patched.host.account import Account
from mlc_patched.host.gpus import choose
from mlc_patched.host.hardware import Host, elsewhere
from mlc_patched.plan.catalog import Catalog, Row
from mlc_patched.plan.container import Plan, make_plan
from mlc_patched.plan.flow import Flow
from mlc_patched.plan.request import CreateRequest
from mlc_patched.plan.specify import specify
from mlc_patched.settings.parse import parse

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


def test_an_architecture_in_any_spelling_needs_no_catalog(account: Account) -> None:
    def no_catalog() -> Catalog:
        raise AssertionError("the catalog was read")

    for spelling in (" cuda_ada ", "Cpu"):
        request = CreateRequest("n", image="my/own", architecture=spelling)
        made = make_plan(request, account, GPU_HOST, {}, no_catalog)
        assert made.architecture == spelling.strip().upper()


def test_an_architecture_of_the_catalog_can_be_named(account: Account) -> None:
    own = Catalog((Row("Pytorch", "2.8.0", ("MINE",), "hub/mine"),), Path("own"))
    made = make_plan(replace(REQUEST, architecture="mine"), account, GPU_HOST, {}, lambda: own)
    assert (made.architecture, made.image) == ("MINE", "hub/mine")
    with pytest.raises(UsageError, match="'YOURS' is unknown"):
        make_plan(replace(REQUEST, architecture="yours"), account, GPU_HOST, {}, lambda: own)


def test_flags_come_before_the_environment_and_that_before_the_settings(account: Account) -> None:
    settings = parse("[gpus]\narchitecture = CUDA_ADA\ndefault = 3", "file")

    def planned(request: CreateRequest, **environ: str) -> tuple[str, str]:
        made = make_plan(request, account, GPU_HOST, environ, lambda: CATALOG, settings)
        return made.architecture, made.choice.gpus

    assert planned(REQUEST) == ("CUDA_ADA", "3")
    assert planned(REQUEST, MLC_ARCH="", MLC_GPUS="") == ("CUDA_ADA", "3")
    assert planned(REQUEST, MLC_ARCH="CUDA_BLACKWELL", MLC_GPUS="2") == ("CUDA_BLACKWELL", "2")
    flags = replace(REQUEST, architecture="CUDA_ADA", gpus="1")
    assert planned(flags, MLC_ARCH="CUDA_BLACKWELL", MLC_GPUS="2") == ("CUDA_ADA", "1")


def test_the_label_of_the_framework_is_as_the_catalog_spells_it(account: Account) -> None:
    made = plan(replace(REQUEST, framework="pytorch", version="latest"), account)
    assert (made.framework, made.is_current) == ("Pytorch-2.8.0", False)


def test_gpus_of_an_unknown_kind_are_nvidia_s_unless_the_request_says_amd(
    account: Account,
) -> None:
    own = CreateRequest("n", image="own")
    for gpus, architecture in (
        ("all", "CUDA"),
        ("device=0", "CUDA"),
        ("nvidia.com/gpu=0", "CUDA"),
        ("amd.com/gpu=0,amd.com/gpu=1", "ROCM"),
    ):
        made = plan(replace(own, gpus=gpus), account, BARE_HOST)
        assert (made.architecture, made.is_rocm) == (architecture, architecture == "ROCM")


def test_without_gpus_and_without_a_kind_the_container_is_for_the_cpu(account: Account) -> None:
    made = plan(CreateRequest("n", image="own", gpus="none"), account, BARE_HOST)
    assert (made.architecture, made.gpus) == ("CPU", None)


def test_what_was_asked_for_is_in_the_plan(account: Account) -> None:
    made = plan(
        replace(REQUEST, wait=True, cpus="2", cgroup_parent="lab", shm_size="1g", gpus="none"),
        account,
    )
    assert (made.tag, made.waits_for_gpus, made.is_local) == (f"n._.{account.uid}", True, True)
    assert (made.cgroup_parent, made.shm_size) == ("lab", 2**30)
    assert (made.resources.nano_cpus, made.resources.memory) == (2 * 10**9, None)
    assert not plan(REQUEST, account).waits_for_gpus


def test_the_settings_give_what_a_request_leaves_open(account: Account) -> None:
    text = "[container]\nshm_size = 2g\n[labels]\nlab = a\nroom = 1"
    settings = parse(text, "file")
    request = replace(REQUEST, labels={"lab": "b"})
    made = make_plan(request, account, GPU_HOST, {}, lambda: CATALOG, settings)
    assert made.shm_size == 2 << 30
    assert made.labels == {"lab": "b", "room": "1"}
    assert made.settings is settings


def test_a_dry_run_creates_no_workspace(tmp_path: Path) -> None:
    somebody = AccountOfThisProcess("alice", 1001, 2001, str(tmp_path))
    make_plan(REQUEST, somebody, GPU_HOST, {}, lambda: CATALOG, is_dry_run=True)
    assert not (tmp_path / "workspace").exists()
    assert plan(REQUEST, somebody).directories.workspace == str(tmp_path / "workspace")
    assert (tmp_path / "workspace").is_dir()


def test_each_directory_is_mounted_where_it_was_given(account: Account, tmp_path: Path) -> None:
    for name in ("w", "d", "m"):
        (tmp_path / name).mkdir()
    given = {"workspace": f"{tmp_path}/w", "data": f"{tmp_path}/d", "models": f"{tmp_path}/m"}
    made = plan(replace(REQUEST, **given), account)
    assert vars(made.directories) == given


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
    assert plan(REQUEST, account).notes() == []


def test_what_was_left_out_is_said_with_its_reason(account: Account) -> None:
    on_cpu = plan(REQUEST, account, Host(None, False, GPU_HOST.devices)).notes()
    assert [note.partition(",")[0] for note in on_cpu] == ["No GPU was found on this host"]
    request = replace(REQUEST, version="2.6.0", architecture="ROCM6", gpus="all")
    [note] = plan(request, account, BARE_HOST).notes()
    assert note.endswith("does not have them: /dev/kfd, /dev/dri, /dev/snd")


def test_the_setting_s_devices_replace_all_but_the_gpus(account: Account) -> None:
    settings = parse("[container]\ndevices = /dev/fuse", "file")

    def devices(request: CreateRequest) -> tuple[str, ...]:
        made = make_plan(request, account, BARE_HOST, {}, lambda: CATALOG, settings)
        return made.missing_devices

    rocm = replace(REQUEST, version="2.6.0", architecture="ROCM6")
    assert devices(replace(REQUEST, gpus="1")) == ("/dev/fuse",)
    assert devices(replace(rocm, gpus="all")) == ("/dev/kfd", "/dev/dri", "/dev/fuse")
    assert devices(replace(rocm, gpus="none")) == ("/dev/fuse",)
    made = plan(replace(rocm, gpus="none"), account, BARE_HOST)
    assert made.missing_devices == ("/dev/snd",)


def test_under_sudo_a_directory_of_somebody_else_is_refused_by_its_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever is root inside a container reaches everything below the directory."""
    monkeypatch.setattr("mlc_patched.plan.container.is_root_for", lambda account: True)
    user = Account("alice", os.getuid() + 1001, 2001, "/")
    request = replace(REQUEST, workspace="/usr/share")

    def planned(directories: str, *, is_local: bool = True, data: str | None = None) -> Plan:
        text = f"[container]\nprivileged = no\ndirectories = {directories}"
        wanted = replace(request, data=data)
        settings = parse(text, "file")
        return make_plan(wanted, user, GPU_HOST, {}, lambda: CATALOG, settings, is_local=is_local)

    with pytest.raises(NotAllowedError, match="The workspace directory /usr/share does not"):
        planned("")
    with pytest.raises(NotAllowedError, match="The data directory /usr/bin does not"):
        planned("/usr/share", data="/usr/bin")
    assert planned("/usr/share").directories.workspace == "/usr/share"
    far = planned("", is_local=False)
    assert (far.directories.workspace, far.is_local, far.has_x11_sockets) == (
        "/usr/share",
        False,
        False,
    )


def test_a_directory_that_is_missing_here_may_be_there_on_another_host(account: Account) -> None:
    with pytest.raises(MlcError, match="The data directory /nowhere/x does not exist"):
        plan(replace(REQUEST, data="/nowhere/x"), account)
    assert far_plan(account, data="/nowhere/x").directories.data == "/nowhere/x"


@pytest.mark.parametrize("is_dry_run", [False, True])
def test_a_dry_run_makes_no_directory_of_x11_sockets(
    account: Account, monkeypatch: pytest.MonkeyPatch, is_dry_run: bool
) -> None:
    asked: list[bool] = []

    def x11_sockets(account: Account, *, make: bool) -> bool:
        asked.append(make)
        return account.uid == 1722830498

    monkeypatch.setattr("mlc_patched.plan.directories.x11_sockets", x11_sockets)
    made = make_plan(REQUEST, account, GPU_HOST, {}, lambda: CATALOG, is_dry_run=is_dry_run)
    assert (asked, made.has_x11_sockets) == ([not is_dry_run], True)


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
