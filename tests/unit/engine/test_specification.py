"""The request that the engine receives for a container (Docker Engine API, "ContainerCreate")."""

from __future__ import annotations

from mlc_patched.engine.specification import (
    Bind,
    ContainerSpecification,
    Resources,
    Ulimit,
    container_body,
)
from mlc_patched.host.gpus import GpuRequest


def test_each_field_is_in_its_place() -> None:
    specification = ContainerSpecification(
        name="n._.1001",
        image="sha256:1",
        command=("bash", "-l"),
        entrypoint=("tini", "--"),
        user="1001:2001",
        working_directory="/workspace",
        labels={"aime.mlc": "alice"},
        environment={"A": "1", "B": "x=y"},
        binds=(
            Bind("/home/alice/w", "/workspace"),
            Bind("/data", "/data", must_exist=True),
            Bind("/a:b", "/models"),
        ),
        devices=("/dev/snd",),
        gpus=GpuRequest(2),
        groups=("video",),
        capabilities=("SYS_ADMIN",),
        security_options=("seccomp=unconfined",),
        ulimits=(Ulimit("memlock", -1),),
        privileged=True,
        network="host",
        ipc="host",
        shm_size=64,
        cgroup_parent="users.slice",
        interactive=True,
        dropped_capabilities=("MKNOD",),
        resources=Resources(500_000_000, 1024, 100),
        tmpfs=("/scratch",),
    )
    assert container_body(specification) == {
        "Image": "sha256:1",
        "Cmd": ["bash", "-l"],
        "Entrypoint": ["tini", "--"],
        "User": "1001:2001",
        "WorkingDir": "/workspace",
        "Labels": {"aime.mlc": "alice"},
        "Env": ["A=1", "B=x=y"],
        "Tty": True,
        "OpenStdin": True,
        "StdinOnce": True,
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "HostConfig": {
            "Binds": ["/home/alice/w:/workspace"],
            "Mounts": [
                {"Type": "bind", "Source": "/data", "Target": "/data"},
                {"Type": "bind", "Source": "/a:b", "Target": "/models"},
            ],
            "Devices": [
                {
                    "PathOnHost": "/dev/snd",
                    "PathInContainer": "/dev/snd",
                    "CgroupPermissions": "rwm",
                }
            ],
            "DeviceRequests": [
                {
                    "Driver": "",
                    "Count": 2,
                    "DeviceIDs": None,
                    "Capabilities": [["gpu"]],
                    "Options": {},
                }
            ],
            "GroupAdd": ["video"],
            "CapAdd": ["SYS_ADMIN"],
            "CapDrop": ["MKNOD"],
            "SecurityOpt": ["seccomp=unconfined"],
            "Ulimits": [{"Name": "memlock", "Soft": -1, "Hard": -1}],
            "Privileged": True,
            "NetworkMode": "host",
            "IpcMode": "host",
            "ShmSize": 64,
            "CgroupParent": "users.slice",
            "NanoCpus": 500_000_000,
            "Memory": 1024,
            "PidsLimit": 100,
            "RestartPolicy": {"Name": "no"},
            "Tmpfs": {"/scratch": ""},
        },
    }


def test_what_is_not_given_is_the_engine_s_choice() -> None:
    body = container_body(ContainerSpecification("n", "image"))
    host = body.pop("HostConfig")
    assert body == {
        "Image": "image",
        "Cmd": None,
        "Entrypoint": None,
        "User": "",
        "WorkingDir": "",
        "Labels": {},
        "Env": [],
        **dict.fromkeys(("Tty", "OpenStdin", "StdinOnce", "AttachStdin"), False),
        "AttachStdout": True,
        "AttachStderr": True,
    }
    assert host == {
        **{key: [] for key in ("Binds", "Mounts", "Devices", "GroupAdd", "Ulimits")},
        **dict.fromkeys(("DeviceRequests", "CapAdd", "CapDrop", "SecurityOpt", "Tmpfs")),
        "Privileged": False,
        "NetworkMode": "default",
        "IpcMode": "",
        "CgroupParent": "",
        **dict.fromkeys(("ShmSize", "NanoCpus", "Memory"), 0),
        "PidsLimit": 0,
        "RestartPolicy": {"Name": "no"},
    }


def test_an_entrypoint_may_be_emptied() -> None:
    assert container_body(ContainerSpecification("n", "i", entrypoint=()))["Entrypoint"] == []


def test_gpus_by_their_ids_and_by_the_container_device_interface() -> None:
    def request(gpus: GpuRequest) -> object:
        return container_body(ContainerSpecification("n", "i", gpus=gpus))["HostConfig"][
            "DeviceRequests"
        ]

    assert request(GpuRequest(0, ("GPU-1", "GPU-2"))) == [
        {
            "Driver": "",
            "Count": 0,
            "DeviceIDs": ["GPU-1", "GPU-2"],
            "Capabilities": [["gpu"]],
            "Options": {},
        }
    ]
    assert request(GpuRequest(0, ("nvidia.com/gpu=0",), is_cdi=True)) == [
        {"Driver": "cdi", "Count": 0, "DeviceIDs": ["nvidia.com/gpu=0"]}
    ]
