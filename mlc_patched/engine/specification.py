"""The specification of a container as the engine receives it.

`container_body` translates it for the engine (Docker Engine API, "ContainerCreate"). What it
contains is decided in `plan.specify`.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..host.gpus import GpuRequest
from ..lean import TYPE_CHECKING, dataclass, field

if TYPE_CHECKING:
    from typing import Any


@dataclass(frozen=True)
class Resources:
    """Limits of a container: CPU in billionths of a core, memory in bytes, number of processes;
    None is unlimited."""

    nano_cpus: int | None = None
    memory: int | None = None
    pids: int | None = None


UNLIMITED = Resources()


@dataclass(frozen=True)
class Bind:
    """A bind mount of a host directory.

    With `must_exist` a missing source is an error; otherwise the engine creates it, owned by root.
    """

    source: str
    target: str
    must_exist: bool = False


@dataclass(frozen=True)
class Ulimit:
    """A resource limit, both soft and hard; -1 is unlimited."""

    name: str
    value: int


@dataclass(frozen=True)
class ContainerSpecification:
    """A container to create. Empty values select the engine's defaults."""

    name: str
    image: str
    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    user: str = ""
    working_directory: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    binds: tuple[Bind, ...] = ()
    devices: tuple[str, ...] = ()
    gpus: GpuRequest | None = None
    groups: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    security_options: tuple[str, ...] = ()
    ulimits: tuple[Ulimit, ...] = ()
    privileged: bool = False
    network: str = ""
    ipc: str = ""
    shm_size: int | None = None
    cgroup_parent: str = ""
    interactive: bool = False
    dropped_capabilities: tuple[str, ...] = ()
    resources: Resources = UNLIMITED
    tmpfs: tuple[str, ...] = ()
    """Paths to mount a file system in memory at: such a path gets no volume."""


def container_body(specification: ContainerSpecification) -> dict[str, Any]:
    """Return the request body of ContainerCreate for a specification."""
    interactive = specification.interactive
    # The text form does not allow a colon in a path, and creates a missing source.
    plain: list[Bind] = []
    mounts: list[Bind] = []
    for bind in specification.binds:
        (mounts if bind.must_exist or ":" in bind.source else plain).append(bind)
    host: dict[str, Any] = {
        "Binds": [f"{bind.source}:{bind.target}" for bind in plain],
        "Mounts": [
            {"Type": "bind", "Source": bind.source, "Target": bind.target} for bind in mounts
        ],
        "Devices": [
            {"PathOnHost": path, "PathInContainer": path, "CgroupPermissions": "rwm"}
            for path in specification.devices
        ],
        "DeviceRequests": _device_requests(specification.gpus),
        "GroupAdd": list(specification.groups),
        "CapAdd": list(specification.capabilities) or None,
        "CapDrop": list(specification.dropped_capabilities) or None,
        "SecurityOpt": list(specification.security_options) or None,
        "Ulimits": [
            {"Name": limit.name, "Soft": limit.value, "Hard": limit.value}
            for limit in specification.ulimits
        ],
        "Privileged": specification.privileged,
        "NetworkMode": specification.network or "default",
        "IpcMode": specification.ipc,
        "ShmSize": specification.shm_size or 0,
        "CgroupParent": specification.cgroup_parent,
        "NanoCpus": specification.resources.nano_cpus or 0,
        "Memory": specification.resources.memory or 0,
        "PidsLimit": specification.resources.pids or 0,  # without it, Podman's default is 2048
        "RestartPolicy": {"Name": "no"},
        "Tmpfs": dict.fromkeys(specification.tmpfs, "") or None,
    }
    return {
        "Image": specification.image,
        "Cmd": list(specification.command) or None,
        "Entrypoint": None if specification.entrypoint is None else list(specification.entrypoint),
        "User": specification.user,
        "WorkingDir": specification.working_directory,
        "Labels": dict(specification.labels),
        "Env": [f"{name}={value}" for name, value in specification.environment.items()],
        "Tty": interactive,
        "OpenStdin": interactive,
        "StdinOnce": interactive,
        "AttachStdin": interactive,
        "AttachStdout": True,
        "AttachStderr": True,
        "HostConfig": host,
    }


def _device_requests(gpus: GpuRequest | None) -> list[dict[str, Any]] | None:
    if gpus is None:
        return None
    if gpus.is_cdi:
        # As `docker run --device` sends it, from Docker 25 on.
        return [{"Driver": "cdi", "Count": 0, "DeviceIDs": list(gpus.device_ids)}]
    return [
        {
            "Driver": "",
            "Count": gpus.count,
            "DeviceIDs": list(gpus.device_ids) or None,
            "Capabilities": [["gpu"]],
            "Options": {},
        }
    ]
