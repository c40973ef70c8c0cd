"""The specification of a Docker Swarm service as the engine receives it.

`service_body` translates it for the engine (Docker Engine API, "ServiceCreate"). What it
contains is decided in `cluster.service`.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..lean import TYPE_CHECKING, dataclass, field
from .specification import ContainerSpecification

if TYPE_CHECKING:
    from typing import Any

GPU_KIND = "NVIDIA-GPU"
"""The generic resource for a node's GPUs (`node-generic-resources` in daemon.json)."""
GPU_LABEL = "gpu"
"""Node label with the kind of its GPUs (`docker node update --label-add gpu=a100 NODE`)."""
SHARED_MEMORY = "/dev/shm"  # noqa: S108 - the container's own


@dataclass(frozen=True)
class ServiceSpecification:
    """A service of one container. `node` (a host name) and `gpu_kind` (the value of GPU_LABEL)
    restrict the placement; `labels` are the service's own."""

    name: str
    container: ContainerSpecification
    gpus: int = 0
    node: str | None = None
    gpu_kind: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


def service_body(service: ServiceSpecification) -> dict[str, Any]:
    """Return the request body of ServiceCreate for a specification."""
    container = service.container
    spec: dict[str, Any] = {
        "Image": container.image,
        "Args": list(container.command),
        "Env": [f"{name}={value}" for name, value in container.environment.items()],
        "User": container.user,
        "Dir": container.working_directory,
        "Groups": list(container.groups),
        "Labels": dict(container.labels),
        # An interactive bash ignores SIGTERM, but SIGHUP ends it at once.
        "StopSignal": "SIGHUP",
        "TTY": container.interactive,
        "OpenStdin": container.interactive,
        "Mounts": [
            *(
                {"Type": "bind", "Source": bind.source, "Target": bind.target}
                for bind in container.binds
            ),
            _shared_memory(container.shm_size),
        ],
        "CapabilityAdd": list(container.capabilities),
        "CapabilityDrop": list(container.dropped_capabilities),
        "Ulimits": [
            {"Name": limit.name, "Soft": limit.value, "Hard": limit.value}
            for limit in container.ulimits
        ],
    }
    if container.entrypoint is not None:
        spec["Command"] = list(container.entrypoint)
    limits = container.resources
    task: dict[str, Any] = {
        "ContainerSpec": spec,
        "Resources": {
            "Limits": {
                "NanoCPUs": limits.nano_cpus or 0,
                "MemoryBytes": limits.memory or 0,
                "Pids": limits.pids or 0,
            },
            "Reservations": {"GenericResources": _gpus(service.gpus)},
        },
        "RestartPolicy": {"Condition": "none"},
        "Placement": {"Constraints": _constraints(service)},
        "Networks": [{"Target": container.network}] if container.network else [],
    }
    return {
        "Name": service.name,
        "Labels": dict(service.labels),
        "TaskTemplate": task,
        "Mode": {"Replicated": {"Replicas": 1}},
    }


def _shared_memory(size: int | None) -> dict[str, Any]:
    mount: dict[str, Any] = {"Type": "tmpfs", "Target": SHARED_MEMORY}
    return {**mount, "TmpfsOptions": {"SizeBytes": size}} if size else mount


def _gpus(count: int) -> list[dict[str, Any]]:
    return [{"DiscreteResourceSpec": {"Kind": GPU_KIND, "Value": count}}] if count else []


def _constraints(service: ServiceSpecification) -> list[str]:
    wanted = [f"node.hostname=={service.node}"] if service.node else []
    return wanted + ([f"node.labels.{GPU_LABEL}=={service.gpu_kind}"] if service.gpu_kind else [])
