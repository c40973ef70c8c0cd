"""From a plan to Docker's options."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from support.plans import REQUEST, plan

from mlc_patched.engine.specification import container_body
from mlc_patched.host.account import Account
from mlc_patched.plan.flow import Flow
from mlc_patched.plan.specify import specify


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
