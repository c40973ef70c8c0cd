"""Which GPUs a container was given, by its labels, and which ones are free."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from ..errors import MlcError, NoFreeGpuError, NotFoundError
from ..host.gpu_device import AMD, NVIDIA, GpuDevice, short_uuid, usable
from ..host.gpus import GpuRequest, parse_gpus
from ..lean import dataclass
from ..names import labels


@dataclass(frozen=True)
class Use:
    """A use of GPUs, by a container or a process: what it is in words, and the devices' UUIDs."""

    words: str
    uuids: frozenset[str]


def assigned_uuids(given: Mapping[str, str]) -> tuple[str, ...]:
    """Return the UUIDs of the devices that were chosen for a container."""
    value = labels.read_value(given, labels.DEVICES)
    return tuple(value.split(",")) if value else ()


def requested(given: Mapping[str, str]) -> GpuRequest | None:
    """Return the GPU request in a container's labels; None for one without, or in a cluster, where
    Swarm chooses the GPUs."""
    if given.get(labels.SERVICE):
        return None
    try:
        return parse_gpus(labels.read_value(given, labels.GPUS) or "none")
    except MlcError:
        return None  # another program's label


def names_of_devices(given: Mapping[str, str]) -> tuple[str, ...]:
    """Return the devices of a container, as far as its labels say: UUIDs of those that were chosen
    for it, else IDs as it was created with; `all` for all of them.

    The engine gives `-g 2` the first two (moby, daemon/nvidia_linux.go).
    """
    if uuids := assigned_uuids(given):
        return uuids
    request = requested(given)
    if request is None:
        return ()
    if request.count == -1 or given.get(labels.ARCHITECTURE, "").startswith("ROCM"):
        return request.device_ids if request.is_cdi else ("all",)
    return request.device_ids or tuple(map(str, range(request.count)))


def number_of_devices(given: Mapping[str, str]) -> float:
    """Return how many GPUs a container has, infinity for all."""
    names = names_of_devices(given)
    return float("inf") if any(_plain(each) == "all" for each in names) else len(names)


def given_uuids(given: Mapping[str, str], devices: Sequence[GpuDevice]) -> frozenset[str]:
    """Return the UUIDs of the devices that a container was given."""
    names = names_of_devices(given)
    if assigned_uuids(given):
        return frozenset(names)
    vendor = AMD if given.get(labels.ARCHITECTURE, "").startswith("ROCM") else NVIDIA
    own = [each for each in devices if each.vendor == vendor]
    return frozenset(uuid for name in names for uuid in uuids_of(name, own))


def uuids_of(name: str, devices: Sequence[GpuDevice]) -> list[str]:
    """Return the UUIDs that a device ID of `-g` means; a GPU in MIG mode is all its MIG devices."""
    plain = _plain(name)
    if plain == "all":
        return [each.uuid for each in usable(devices)]
    found = [each for each in devices if plain in (each.index, each.uuid)]
    return [
        uuid
        for each in found
        for uuid in (
            [part.uuid for part in devices if part.parent == each.uuid]
            if each.is_divided
            else [each.uuid]
        )
    ]


def _plain(name: str) -> str:
    """Return a device's ID without the kind of its CDI name."""
    return name.rpartition("=")[2]


def by_processes(
    devices: Iterable[GpuDevice], in_words: Mapping[int, str] | None = None
) -> list[Use]:
    """Return the uses of devices by processes; `in_words` has what to call them, by PID."""
    return [
        Use(
            (in_words or {}).get(process.pid) or f"process {process.pid} ({process.name})",
            frozenset((device.uuid,)),
        )
        for device in usable(devices)
        for process in device.processes
    ]


def choose(
    request: GpuRequest, devices: Sequence[GpuDevice], uses: Sequence[Use], later: Collection[str]
) -> tuple[GpuDevice, ...]:
    """Return free devices for a request of a number or of all.

    `later` are UUIDs that stopped containers want: they are taken last.

    Raises:
        NotFoundError: the host has fewer devices.
        NoFreeGpuError: too few are free; the message says who has the others.
    """
    own = [each for each in usable(devices) if each.vendor == NVIDIA]
    count = len(own) if request.count == -1 else request.count
    if count > len(own) or not own:
        raise NotFoundError(
            f"{_gpus(count)} requested, and this host has {len(own)}.",
            f"For example: -g {len(own) or 'none'}",
        )
    taken = frozenset(uuid for use in uses for uuid in use.uuids)
    free = [each for each in own if each.uuid not in taken]
    if len(free) < count:
        have = "; ".join(in_use(own, uses))
        raise NoFreeGpuError(
            f"{_gpus(count)} requested, and {len(free)} of {len(own)} "
            f"{'is' if len(free) == 1 else 'are'} free. {have}.",
            "Wait for free ones with --wait, ask for fewer, or name one to share it: "
            "-g device=ID - see: mlc gpus",
        )
    # CUDA uses only one of several devices if MIG devices are among them (MIG User Guide).
    free.sort(key=lambda each: (count > 1 and bool(each.parent), each.uuid in later))
    chosen = free[:count]
    return tuple(each for each in own if each in chosen)


def in_use(devices: Iterable[GpuDevice], uses: Iterable[Use]) -> list[str]:
    """Return who uses devices, without those that nobody uses: `GPU 0 (...): [thesis] of bob`."""
    uses = list(uses)
    users = {
        each.words: dict.fromkeys(use.words for use in uses if each.uuid in use.uuids)
        for each in devices
    }
    return [f"{device}: {', '.join(words)}" for device, words in users.items() if words]


def _gpus(count: int) -> str:
    return "1 GPU was" if count == 1 else f"{count} GPUs were"


def in_words(names: Iterable[str]) -> str:
    """Return devices as a list shows them: `0, 1`, `GPU-d50ab561`, `all`, `none`."""
    return ", ".join(short_uuid(each) for each in names) or "none"
