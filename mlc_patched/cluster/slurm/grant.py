"""What Slurm gave to a job on its node, from the job's environment and cgroup. Pure.

`SLURM_JOB_GPUS` has positions in the node's part of gres.conf, from 0: not the numbers of the
devices' files if some are left out. `CUDA_VISIBLE_DEVICES` is the same, but in a device cgroup it
counts from 0 in each job (Slurm's gres_common.c, tried with 22.05.8).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from ...engine.specification import ContainerSpecification, Resources
from ...host.gpus import GpuRequest
from ...lean import dataclass, field, replace
from ...names import labels
from ...plan.limits import NANO
from ...plan.specify import CUDA_VARIABLE

_MIB = 1024**2
_BY_UUID = ("GPU-", "MIG-")
_MINOR = re.compile(r"^Device Minor:\s*(\d+)$", re.M)
_UUID = re.compile(r"^GPU UUID:\s*(GPU-\S+)$", re.M)


_LIST = re.compile(r"(.*?)\[([0-9,-]+)\](.*)")
_NUMBER = re.compile(r"\d+$")


@dataclass(frozen=True)
class Devices:
    """The GPUs of a node: `uuids` by their devices' minor numbers, `files` in the order of
    gres.conf, and the minor numbers of those that a job `opens`."""

    uuids: Mapping[int, str] = field(default_factory=dict)
    files: Sequence[str] = ()
    opens: Collection[int] = ()


@dataclass(frozen=True)
class Grant:
    """GPUs by UUID, or by number where the UUID is unknown, cores, and memory in bytes; None is no
    limit. `cgroup` is the path of the job's cgroup, empty if it has none."""

    gpus: tuple[str, ...] = ()
    cpus: int | None = None
    memory: int | None = None
    cgroup: str = ""


def grant_of(environ: Mapping[str, str], cgroups: str, devices: Devices) -> Grant:
    """Return what a job has, from its batch step's environment and /proc/self/cgroup."""
    cpus = _number(environ.get("SLURM_CPUS_ON_NODE"))
    memory = _number(environ.get("SLURM_MEM_PER_NODE"))
    if memory is None and cpus and (each := _number(environ.get("SLURM_MEM_PER_CPU"))):
        memory = each * cpus
    return Grant(
        _gpus(environ, devices),
        cpus or None,
        memory * _MIB if memory else None,
        _cgroup(environ.get("SLURM_JOB_ID", ""), cgroups),
    )


def uuids_by_minor(descriptions: Iterable[str]) -> dict[int, str]:
    """Return the UUIDs of GPUs by minor number, from /proc/driver/nvidia/gpus/*/information."""
    found = {}
    for text in descriptions:
        minor, uuid = _MINOR.search(text), _UUID.search(text)
        if minor and uuid:
            found[int(minor[1])] = uuid[1]
    return found


def gpu_files(configuration: str, node: str) -> list[str]:
    """Return the device files of a node's GPUs in gres.conf, in its order; none if it leaves them
    to AutoDetect."""
    files = []
    for line in configuration.splitlines():
        words = dict(re.findall(r"(\w+)=(\S+)", line.partition("#")[0].lower()))
        names = _expanded(words.get("nodename", node.lower()))
        if words.get("name") == "gpu" and node.lower() in names and "file" in words:
            files += _expanded(words["file"])
    return files


def granted(
    container: ContainerSpecification, grant: Grant, cores: int, driver: str
) -> ContainerSpecification:
    """Return the container with what Slurm gave, and no more.

    Args:
        cores: how many the node has; an engine refuses more.
        driver: the engine's cgroup driver. Only `cgroupfs` takes a path as the parent; the job's
            cgroup is in a scope, and systemd's driver takes slices only.
    """
    asked = container.resources
    cpus = None if grant.cpus is None else min(grant.cpus, cores) * NANO
    has_uuids = all(each.startswith(_BY_UUID) for each in grant.gpus)
    gpus = ",".join(grant.gpus)
    environment = {CUDA_VARIABLE: gpus} if gpus and has_uuids else {}
    is_below = driver == "cgroupfs" and grant.cgroup
    return replace(
        container,
        gpus=GpuRequest(device_ids=grant.gpus) if grant.gpus else None,
        environment={**container.environment, **environment},
        labels={
            **container.labels,
            **({labels.DEVICES: labels.escaped(gpus)} if gpus else {}),
        },
        resources=Resources(
            _least(asked.nano_cpus, cpus), _least(asked.memory, grant.memory), asked.pids
        ),
        cgroup_parent=grant.cgroup if is_below else container.cgroup_parent,
    )


def _gpus(environ: Mapping[str, str], devices: Devices) -> tuple[str, ...]:
    visible = _words(environ.get("CUDA_VISIBLE_DEVICES", ""))
    # MIG devices have no other name that an engine understands.
    if visible and all(each.startswith(_BY_UUID) for each in visible):
        return visible
    words = _words(environ.get("SLURM_JOB_GPUS") or environ.get("SLURM_STEP_GPUS") or "")
    positions = [int(each) for each in words or visible if each.isdigit()]
    minors = [_minor(each, devices.files) for each in positions]
    if len(devices.opens) == len(positions):  # Slurm constrains devices: these are the job's
        minors = sorted(devices.opens)
    return tuple(devices.uuids.get(each, str(each)) for each in minors)


def _minor(position: int, files: Sequence[str]) -> int:
    """Return the number of a GPU's device file, /dev/nvidiaN."""
    found = _NUMBER.search(files[position]) if position < len(files) else None
    return int(found[0]) if found else position


def _expanded(text: str) -> list[str]:
    """Return the names in a list of Slurm's, such as `n[1-3,7],m`."""
    names = []
    for part in re.findall(r"(?:\[[^\]]*\]|[^,\[])+", text):
        found = _LIST.fullmatch(part)
        if found is None:
            names.append(part)
            continue
        for item in found[2].split(","):
            first, _, last = item.partition("-")
            for number in range(int(first), int(last or first) + 1):
                names.append(f"{found[1]}{number:0{len(first)}}{found[3]}")
    return names


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None


def _least(asked: int | None, given: int | None) -> int | None:
    return min((each for each in (asked, given) if each is not None), default=None)


def _cgroup(job: str, cgroups: str) -> str:
    """Return the path of a job's cgroup, `…/job_ID`, below which the steps' are."""
    for line in cgroups.splitlines():
        path = line.split(":", 2)[-1]
        before, found, after = path.partition(f"/job_{job}")
        if job and found and (not after or after.startswith("/")):
            return before + found
    return ""
