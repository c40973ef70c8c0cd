"""gpus: every GPU of this host, the containers that were given it, and the processes that use it.

All of it is asked at that moment: of the vendor's program, the engine's labels and the kernel.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping

from ..context import Context
from ..engine.interface import Container
from ..errors import NotFoundError
from ..host.amd_smi import amd_devices
from ..host.cgroups import container_ids, owner
from ..host.gpu_device import GpuDevice
from ..host.nvidia_smi import find_nvidia_smi, nvidia_devices
from ..lean import dataclass
from ..names import labels
from ..names.containers import SEPARATOR, short_name
from ..plan.assign import Use, assigned_uuids, by_processes, given_uuids
from ..units import rfc_3339


@dataclass(frozen=True)
class Holder:
    """A container that was given a GPU. `since` is when it was started, None if it is not running;
    `is_assigned` says that mlc chose the GPU for it (the setting `gpus.assign`)."""

    name: str
    tag: str
    user: str | None
    state: str
    status: str
    since: str | None
    is_assigned: bool


@dataclass(frozen=True)
class Process:
    """A process that uses a GPU; `container` is that container's name in Docker, None outside of
    containers, and `user` the container's owner, else the process's. Memory is in bytes."""

    pid: int
    name: str
    memory: int | None
    container: str | None
    user: str | None


@dataclass(frozen=True)
class GpuUsage:
    """A GPU or MIG device and its use; memory is in bytes, utilisation in percent, None is not
    reported. `parent` is the UUID of the GPU that a MIG device is part of; `is_divided` says that a
    GPU is used only through its MIG devices; `driver` is the driver's version."""

    index: str
    uuid: str
    name: str
    vendor: str
    memory_used: int | None
    memory_total: int | None
    utilisation: int | None
    parent: str | None
    is_divided: bool
    driver: str | None
    containers: tuple[Holder, ...]
    processes: tuple[Process, ...]


def gpu_usage(*, context: Context | None = None) -> list[GpuUsage]:
    """Return the GPUs and MIG devices of this host, with their containers and processes.

    One engine call, and one for each running container that has a GPU. Containers that are not
    running are among them only if a GPU was chosen for them. Empty on a host without GPUs.

    Raises:
        NotFoundError: the engine is remote, or the vendor's program is missing.
        SmiError: that program failed.
    """
    context = context or Context()
    if not context.address.is_local:
        raise NotFoundError(
            f"The GPUs of a remote engine ({context.address.url}) cannot be seen from here.",
            "Log in on its host, and run there: mlc gpus",
        )
    devices = all_devices(context)
    if not devices:
        return []
    containers = context.engine.containers()
    holders = {
        each.id: (_holder(each, context), given_uuids(labelled(each), devices))
        for each in containers
        if each.is_running or assigned_uuids(labelled(each))
    }
    by_id = {each.id: each for each in containers}
    return [
        GpuUsage(
            index=device.index,
            uuid=device.uuid,
            name=device.name,
            vendor=device.vendor,
            memory_used=device.memory_used,
            memory_total=device.memory_total,
            utilisation=device.utilisation,
            parent=device.parent or None,
            is_divided=device.is_divided,
            driver=device.driver or None,
            containers=tuple(who for who, uuids in holders.values() if device.uuid in uuids),
            processes=tuple(_processes(device, by_id)),
        )
        for device in devices
    ]


def all_devices(context: Context) -> list[GpuDevice]:
    """Return this host's GPUs of either vendor; none on a host without GPUs.

    Raises NotFoundError if there are GPUs, but no program that reports them.
    """
    found = None
    if program := find_nvidia_smi(context.environ):
        found = nvidia_devices(program, context.environ)
    amd = amd_devices(context.environ)
    if found is None and amd is None and context.host.has_gpu:
        raise NotFoundError(
            "There is a GPU, but neither nvidia-smi nor amd-smi nor rocm-smi is on PATH.",
            "They come with the driver: ask your administrator.",
        )
    return [*(found or ()), *(amd or ())]


def labelled(container: Container) -> Mapping[str, str]:
    """Return a container's labels in AIME's spelling; its own if it is not mlc's."""
    return labels.without_ds01_spelling(container.labels) or container.labels


def uses_of(
    containers: Iterable[Container], devices: Iterable[GpuDevice], but: str = ""
) -> list[Use]:
    """Return the uses of devices by running containers and by processes, except those of the
    container with the ID `but`."""
    devices, containers = list(devices), list(containers)
    by_id = {each.id: each for each in containers}
    uses = [
        Use(in_words(each), given_uuids(labelled(each), devices))
        for each in containers
        if each.is_running and each.id != but
    ]
    words = {}
    for device in devices:
        for process in device.processes:
            if (inside := _container_of(process.pid, by_id)) is not None:
                words[process.pid] = in_words(inside)
            elif user := owner(process.pid):
                words[process.pid] = f"process {process.pid} ({process.name}) of {user}"
    return uses + by_processes(devices, words)


def in_words(container: Container) -> str:
    """Return what to call a container: `[thesis] of alice, Up 2 hours`."""
    name, user = name_of(container), labelled(container).get(labels.OWNER)
    status = container.status[:1].lower() + container.status[1:]
    return f"{name}{f' of {user}' if user else ''} ({status})"


def name_of(container: Container) -> str:
    """Return the name of a container for people, in brackets if it is mlc's."""
    if not labelled(container).get(labels.OWNER):
        return container.name
    return f"[{short_name(container.name)}]" if SEPARATOR in container.name else container.name


def _container_of(pid: int, by_id: Mapping[str, Container]) -> Container | None:
    return next((by_id[each] for each in container_ids(pid) if each in by_id), None)


def _holder(container: Container, context: Context) -> Holder:
    since = None
    if container.is_running:
        with contextlib.suppress(NotFoundError):  # it may have been removed by now
            since = context.engine.activity(container.id).started
    given = labelled(container)
    return Holder(
        name=short_name(container.name),
        tag=container.name,
        user=given.get(labels.OWNER) or None,
        state=container.state,
        status=container.status,
        since=rfc_3339(since),
        is_assigned=bool(assigned_uuids(given)),
    )


def _processes(device: GpuDevice, by_id: Mapping[str, Container]) -> Iterable[Process]:
    for each in device.processes:
        inside = _container_of(each.pid, by_id)
        user = labelled(inside).get(labels.OWNER) if inside is not None else owner(each.pid)
        yield Process(
            each.pid, each.name, each.memory, inside.name if inside is not None else None, user
        )
