"""From a plan to Docker's options."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support.plans import CATALOG, GPU_HOST, REQUEST, plan

from mlc_patched.engine.specification import Bind, ContainerSpecification, Ulimit, container_body
from mlc_patched.host.account import Account
from mlc_patched.names import labels
from mlc_patched.plan.container import Plan, make_plan
from mlc_patched.plan.flow import Flow
from mlc_patched.plan.request import CreateRequest
from mlc_patched.plan.specify import specify
from mlc_patched.settings.parse import parse
from mlc_patched.version import CONTAINER_VERSION

ROCM = replace(REQUEST, version="2.6.0", architecture="ROCM6")


def with_settings(text: str, account: Account, request: CreateRequest = REQUEST) -> Plan:
    return make_plan(request, account, GPU_HOST, {}, lambda: CATALOG, parse(text, "file"))


def specified(made: Plan, account: Account) -> ContainerSpecification:
    return specify(made, "image", "sha256:1", Flow.IMAGE, account)


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


def test_a_container_for_amd_s_gpus_is_as_rocm_needs_it(account: Account) -> None:
    made = specified(plan(ROCM, account), account)
    assert made.environment == {"MLC_CONTAINER_NAME": "n", "ROCM_PATH": "/opt/rocm"}
    assert made.security_options == ("seccomp=unconfined",)
    assert made.capabilities == ("SYS_PTRACE",)
    assert (made.shm_size, made.ipc) == (8 << 30, "host")
    assert specified(plan(replace(ROCM, shm_size="1g"), account), account).shm_size == 1 << 30


def test_any_other_container_gets_nothing_of_that(account: Account) -> None:
    made = specified(plan(REQUEST, account), account)
    assert made.environment == {"MLC_CONTAINER_NAME": "n"}
    assert (made.security_options, made.capabilities, made.shm_size) == ((), (), None)
    assert (made.cgroup_parent, made.interactive) == ("", True)


def test_limits_terminal_and_groups_are_as_aime_s_mlc_sets_them(account: Account) -> None:
    asked = replace(REQUEST, cgroup_parent="lab", cpus="2")
    made = specified(plan(asked, account), account)
    assert made.ulimits == (Ulimit("memlock", -1), Ulimit("stack", 64 << 20))
    assert made.groups == ("video", "sudo")
    assert (made.name, made.image, made.command) == (
        f"n._.{account.uid}",
        "image",
        ("bash", "-c", "bash"),
    )
    assert (made.cgroup_parent, made.resources.nano_cpus) == ("lab", 2 * 10**9)
    assert made.devices == ("/dev/snd", "/dev/video0")
    assert (made.privileged, made.dropped_capabilities) == (True, ())


def test_a_container_without_privileges_has_only_the_setting_s_capabilities(
    account: Account,
) -> None:
    text = "[container]\nprivileged = no\ncapabilities = SYS_NICE\nnetwork = bridge\nipc = private"
    for request in (REQUEST, ROCM):
        made = specified(with_settings(text, account, request), account)
        assert not made.privileged
        assert (made.dropped_capabilities, made.capabilities) == (("ALL",), ("SYS_NICE",))
        assert (made.network, made.ipc) == ("bridge", "private")


def test_shared_memory_of_its_own_leaves_another_ipc_mode_as_it_is(account: Account) -> None:
    asked = replace(REQUEST, shm_size="1g")
    for mode, given in (("host", ""), ("shareable", "shareable")):
        made = specified(with_settings(f"[container]\nipc = {mode}", account, asked), account)
        assert made.ipc == given


def test_the_directories_are_mounted_at_the_places_of_docs_contracts(
    account: Account, tmp_path: Path
) -> None:
    asked = replace(REQUEST, data=str(tmp_path), models=str(tmp_path))
    here = plan(asked, account)
    x11 = Bind("/tmp/.X11-unix", "/tmp/.X11-unix")
    mounted = [
        Bind(f"{account.home}/workspace", "/workspace"),
        Bind(str(tmp_path), "/data"),
        Bind(str(tmp_path), "/models"),
    ]
    assert specified(here, account).binds == (*mounted, x11)
    far = specified(replace(here, is_local=False, has_x11_sockets=False), account)
    assert far.binds == tuple(replace(each, must_exist=True) for each in mounted)


def test_root_s_home_is_root_s_whatever_the_image_sets(account: Account) -> None:
    root = Account("root", 0, 0, "/root")
    made = specified(plan(REQUEST, account), root)
    assert (made.environment["HOME"], made.user) == ("/root", "0:0")
    assert "HOME" not in specified(plan(REQUEST, account), account).environment


def test_chosen_gpus_are_what_cuda_sees_and_the_label_names_them(account: Account) -> None:
    made = replace(plan(REQUEST, account), assigned=("GPU-a", "GPU-b"), visible=("MIG-a", "MIG-b"))
    chosen = specified(made, account)
    assert chosen.environment["CUDA_VISIBLE_DEVICES"] == "MIG-a,MIG-b"
    assert chosen.labels[labels.DEVICES] == "GPU-a%2CGPU-b"
    assert labels.DEVICES not in specified(plan(REQUEST, account), account).labels


def test_the_labels_say_whose_the_container_is_and_how_it_was_made(
    account: Account, tmp_path: Path
) -> None:
    odd = tmp_path / "a,b"
    odd.mkdir()
    asked = replace(REQUEST, labels={"room": "1,2"}, data=str(odd), workspace=str(odd))
    made = specify(plan(asked, account), "image", "sha256:1", Flow.COMMIT, account)
    assert made.labels == {
        "room": "1,2",
        "aime.mlc": account.login,
        "aime.mlc.NAME": "n",
        "aime.mlc.USER": account.login,
        "aime.mlc.ARCH": "CUDA_BLACKWELL",
        "aime.mlc.MLC_VERSION": str(CONTAINER_VERSION),
        "aime.mlc.WORK_MOUNT": f"{tmp_path}/a%2Cb",
        "aime.mlc.DATA_MOUNT": f"{tmp_path}/a%2Cb",
        "aime.mlc.MODELS_MOUNT": "-",
        "aime.mlc.FRAMEWORK": "Pytorch-2.8.0",
        "aime.mlc.GPUS": "all",
        "aime.mlc.DS01_USER_SETUP": "commit",
        "aime.mlc.DS01_IMAGE": "sha256:1",
        "aime.mlc.DS01_HOST_DEVICES": "/dev/snd%2C/dev/video0",
    }
    models = specified(plan(replace(REQUEST, models=str(odd)), account), account)
    assert models.labels["aime.mlc.MODELS_MOUNT"] == f"{tmp_path}/a%2Cb"
    assert models.labels["aime.mlc.DATA_MOUNT"] == "-"


def test_a_container_of_an_own_image_has_the_label_of_its_project(account: Account) -> None:
    own = CreateRequest("n", image=f"ds01-{account.uid}/thesis:latest")
    assert specified(plan(own, account), account).labels[labels.PROJECT] == "thesis"
    others = CreateRequest("n", image="ds01-1/thesis:latest")
    assert labels.PROJECT not in specified(plan(others, account), account).labels


def test_ds01_s_spelling_is_written_with_the_setting_only(account: Account) -> None:
    with_ds01 = specified(with_settings("[labels]\nds01 = yes", account), account).labels
    assert with_ds01["ds01.user"] == account.login
    assert with_ds01["ds01.managed"] == "true"
    without = specified(plan(REQUEST, account), account).labels
    assert not [label for label in without if label.startswith("ds01.")]


@pytest.mark.parametrize(
    ("flow", "inherited", "user"),
    [
        (Flow.IMAGE, {labels.USERNAME: "alice-of-the-image"}, "alice-of-the-image"),
        (Flow.COMMIT, {labels.USERNAME: "somebody"}, "h-baker-at-hertie-school-lan"),
        (Flow.IMAGE, {}, "h-baker-at-hertie-school-lan"),
    ],
)
def test_vs_code_attaches_as_the_user_whom_the_container_has(
    account: Account, flow: Flow, inherited: dict[str, str], user: str
) -> None:
    image_labels = {**inherited, labels.DEVCONTAINER: '[{"remoteUser":"x","a":"b"}]'}
    made = specify(plan(REQUEST, account), "image", "sha256:1", flow, account, image_labels)
    assert made.labels[labels.DEVCONTAINER] == f'[{{"remoteUser":"{user}"}}]'
