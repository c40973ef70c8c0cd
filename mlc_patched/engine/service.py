"""A container's specification as a service of Docker Swarm: pure translation.

`service_body` puts it into the engine's words (Docker Engine API, "ServiceCreate"). What a
service cannot have, `differences` says, with what it has instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import UsageError
from ..names import labels
from ..plan.specify import ContainerSpecification

GPU_KIND = "NVIDIA-GPU"
"""The generic resource that a node's GPUs are (`node-generic-resources` in daemon.json)."""
GPU_LABEL = "gpu"
"""Label of a node (`docker node update --label-add gpu=a100 NODE`): the kind of its GPUs."""
SHARED_MEMORY = "/dev/shm"  # noqa: S108 - the container's own
LONGEST_NAME = 63
"""Of a service's name, as swarmkit checks it (manager/controlapi, "validateAnnotations")."""


@dataclass(frozen=True)
class ServiceSpecification:
    """A service of one container. `node` is a host name and `gpu_kind` the value of a node's
    label, where only such a node will do; `labels` are the service's own."""

    name: str
    container: ContainerSpecification
    gpus: int = 0
    node: str | None = None
    gpu_kind: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


def service_name(name: str, uid: int) -> str:
    """Return the name of the service for a user's container: `NAME-UID`.

    It is the host name's alphabet that Swarm allows, so the `._.` of containers cannot be.

    Raises:
        UsageError: Swarm does not take it.
    """
    made = f"{name}-{uid}"
    if len(made) > LONGEST_NAME:
        raise UsageError(
            f"The name {name!r} is too long for the cluster: at most "
            f"{LONGEST_NAME - len(f'-{uid}')} characters."
        )
    return made


def service_of(
    container: ContainerSpecification,
    name: str,
    *,
    gpus: int,
    capabilities: tuple[str, ...],
    node: str | None = None,
    gpu_kind: str | None = None,
) -> ServiceSpecification:
    """Return the service that comes nearest to a container.

    Args:
        container: the container, as a single engine would make it.
        name: what `service_name` returned.
        gpus: how many GPUs it is to have to itself.
        capabilities: what it may do in place of being privileged.
        node: the only node that will do, or None.
        gpu_kind: the only kind of GPU that will do, or None.
    """
    fitted = replace(
        container,
        capabilities=capabilities if container.privileged else container.capabilities,
        privileged=False,
        devices=(),
        gpus=None,
        security_options=(),
        ipc="",
        # Whoever looks for mlc's containers on the node must not stop or remove this one.
        labels={
            **{key: value for key, value in container.labels.items() if key != labels.OWNER},
            labels.SERVICE: container.name,
        },
    )
    own = {**container.labels, labels.SERVICE: container.name}
    return ServiceSpecification(name, fitted, gpus, node, gpu_kind, own)


def differences(container: ContainerSpecification, service: ServiceSpecification) -> list[str]:
    """Return what a service has otherwise than the container on one engine would."""
    notes = []
    if container.privileged:
        added = " ".join(service.container.capabilities)
        notes.append(f"not privileged: instead it has Docker's own capabilities and {added}")
    if container.ipc == "host":
        size = service.container.shm_size
        much = f"of {size} bytes" if size else "of up to half the node's memory"
        notes.append(f"not the host's shared memory: instead {SHARED_MEMORY} is its own, {much}")
    elif container.shm_size:
        notes.append(f"no --shm-size: instead {SHARED_MEMORY} is a tmpfs of that size")
    if container.devices:
        notes.append(f"none of the devices {', '.join(container.devices)}")
    return notes


def service_body(service: ServiceSpecification) -> dict[str, Any]:
    """Return the request body of the engine's ServiceCreate for a specification."""
    container = service.container
    spec: dict[str, Any] = {
        "Image": container.image,
        "Args": list(container.command),
        "Env": [f"{name}={value}" for name, value in container.environment.items()],
        "User": container.user,
        "Dir": container.working_directory,
        "Groups": list(container.groups),
        "Labels": dict(container.labels),
        # An interactive bash ignores SIGTERM; hung up, it ends at once.
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
