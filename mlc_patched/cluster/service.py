"""Decide the Swarm service that runs a container, and how it differs from the container."""

from __future__ import annotations

from ..engine.service import SHARED_MEMORY, ServiceSpecification
from ..engine.specification import ContainerSpecification
from ..errors import UsageError
from ..lean import replace
from ..names import labels

LONGEST_NAME = 63
"""Of a service's name, as swarmkit checks it (manager/controlapi, "validateAnnotations")."""


def service_name(name: str, uid: int) -> str:
    """Return the name of the service for a user's container: `NAME-UID`.

    Swarm only allows the characters of host names, which excludes the `._.` of containers. Raises
    UsageError if it is too long.
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
    """Return the service that comes closest to a container on a single engine.

    It gets `capabilities` in place of being privileged, and reserves that many GPUs, only on the
    `node` and of the `gpu_kind` that are given.
    """
    fitted = replace(
        container,
        capabilities=capabilities if container.privileged else container.capabilities,
        privileged=False,
        devices=(),
        gpus=None,
        security_options=(),
        ipc="",
        # Without the owner label, mlc on the node does not stop or remove this container.
        labels={
            **{key: value for key, value in container.labels.items() if key != labels.OWNER},
            labels.SERVICE: container.name,
        },
    )
    own = {**container.labels, labels.SERVICE: container.name}
    return ServiceSpecification(name, fitted, gpus, node, gpu_kind, own)


def differences(container: ContainerSpecification, service: ServiceSpecification) -> list[str]:
    """Return how a service differs from the same container on one engine."""
    notes = []
    if container.privileged:
        added = " ".join(service.container.capabilities)
        notes.append(f"not privileged: it has Docker's default capabilities and {added} instead")
    if container.ipc == "host":
        size = service.container.shm_size
        much = f"of {size} bytes" if size else "of up to half the node's memory"
        notes.append(f"not the host's shared memory: {SHARED_MEMORY} is private, {much}")
    elif container.shm_size:
        notes.append(f"no --shm-size: {SHARED_MEMORY} is a tmpfs of that size instead")
    if container.devices:
        notes.append(f"without the devices {', '.join(container.devices)}")
    return notes
