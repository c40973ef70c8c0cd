"""Convert the Docker Engine's JSON answers (Docker Engine API) to dataclasses."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping

from ..errors import EngineError
from ..json_text import pairs, string, strings
from ..lean import TYPE_CHECKING
from ..units import seconds_since_1970, utc_time
from .interface import DOCKER, PODMAN, Container, Image, Mount

if TYPE_CHECKING:
    from typing import Any, TypeVar

    from .observations import Activity, EngineInfo, MountsAndDevices, Stats

    _Reader = TypeVar("_Reader", bound=Callable[..., Any])


_MISSING_MOUNT = r"bind source path does not exist: (.*)"
"""dockerd's message for a bind mount without a source (moby, volume/mounts/validate.go)."""

_CONTAINERD_STORE = "io.containerd.snapshotter.v1"
"""How dockerd names containerd's image store (moby, daemon/containerd/service.go)."""

_PODMAN_CONFLICT = (
    r"is already in use|container state improper|with more than one tag|image (?:is )?in use by"
    r"|UNIQUE constraint failed: ContainerConfig\.Name"
)


def validated(read: _Reader) -> _Reader:
    """Make a reader raise EngineError for an answer that does not have the API's form."""

    @functools.wraps(read)
    def reading(*arguments: Any, **named: Any) -> Any:
        try:
            return read(*arguments, **named)
        except (
            ArithmeticError,
            AttributeError,
            LookupError,
            OSError,
            TypeError,
            ValueError,
        ) as error:
            raise EngineError(f"Invalid answer from the Docker Engine: {error!r}") from error

    return reading  # type: ignore[return-value]


def missing_mount(refusal: str) -> str | None:
    """Return the path that is missing on the engine's host, if that is why it refused."""
    match = re.search(_MISSING_MOUNT, refusal)
    return match[1].strip() if match else None


def is_podman_conflict(refusal: str) -> bool:
    """Whether Podman refused because of a conflict, for which Docker has status 409."""
    return re.search(_PODMAN_CONFLICT, refusal) is not None


@validated
def id_of(found: Mapping[str, Any], key: str = "Id") -> str:
    """Convert an answer to a request that made something to its id."""
    return string(found[key])


@validated
def image_of(found: Mapping[str, Any]) -> Image:
    """Convert an answer of ImageInspect."""
    config = found.get("Config") or {}
    return Image(
        id=string(found["Id"]),
        references=_names(found),
        labels=pairs(config.get("Labels") or {}),
        size=found.get("Size", 0),
        created=found.get("Created", ""),
        # A name alone sets nothing; see images/save.py.
        environment=tuple(each for each in strings(config.get("Env") or []) if "=" in each),
        command=strings(config.get("Cmd") or []),
        entrypoint=strings(config.get("Entrypoint") or []),
        user=config.get("User") or "",
        working_directory=config.get("WorkingDir") or "",
        volumes=tuple(sorted(config.get("Volumes") or ())),
        triggers=strings(config.get("OnBuild") or []),
        layers=tuple((found.get("RootFS") or {}).get("Layers") or ()),
        digests=strings(found.get("RepoDigests") or []),
        parent=string(found.get("Parent") or ""),
    )


def _names(found: Mapping[str, Any]) -> tuple[str, ...]:
    """Return an image's names; Docker before 25 lists one without any as `<none>:<none>`."""
    return tuple(each for each in strings(found.get("RepoTags") or []) if each != "<none>:<none>")


@validated
def listed_image_of(found: Mapping[str, Any]) -> Image:
    """Convert an entry of ImageList, which has fewer details."""
    return Image(
        id=string(found["Id"]),
        references=_names(found),
        labels=pairs(found.get("Labels") or {}),
        size=found.get("Size", 0),
        created=utc_time(found.get("Created", 0)),
    )


@validated
def container_of(found: Mapping[str, Any]) -> Container:
    """Convert an entry of ContainerList."""
    names = found["Names"]
    return Container(
        id=string(found["Id"]),
        # A container that others link to has more names, with a second slash.
        name=next((name[1:] for name in names if name.count("/") == 1), names[0]),
        image=found.get("Image", ""),
        image_id=found.get("ImageID", ""),
        labels=pairs(found.get("Labels") or {}),
        state=found.get("State", ""),
        status=found.get("Status", ""),
        created=found.get("Created", 0),
        size=found.get("SizeRw", 0) if "SizeRootFs" in found or "SizeRw" in found else None,
        mounts=_mounts(found),
    )


@validated
def inspected_container_of(found: Mapping[str, Any]) -> Container:
    """Convert an answer of ContainerInspect to a container."""
    config, state = found.get("Config") or {}, (found.get("State") or {}).get("Status", "")
    host = found.get("HostConfig") or {}
    return Container(
        id=string(found["Id"]),
        name=found["Name"].removeprefix("/"),
        image=config.get("Image", ""),
        image_id=found.get("Image", ""),
        labels=pairs(config.get("Labels") or {}),
        state=state,
        status=state,
        created=0,
        mounts=_mounts(found),
        network=host.get("NetworkMode", ""),
        limits=_limits(host),
    )


def _limits(host: Mapping[str, Any]) -> dict[str, int]:
    """Return the limits in an inspected HostConfig; those that are not set are 0, -1 or null."""
    limits = {
        "nano_cpus": host.get("NanoCpus"),
        "memory": host.get("Memory"),
        "pids": host.get("PidsLimit"),
        # With the host's shared memory the size, which is always there, has no effect.
        "shm_size": None if host.get("IpcMode") == "host" else host.get("ShmSize"),
    }
    return {name: int(value) for name, value in limits.items() if value is not None and value > 0}


def _mounts(found: Mapping[str, Any]) -> tuple[Mount, ...]:
    return tuple(
        Mount(
            string(each["Type"]),
            string(each["Destination"]),
            each.get("Name") or "",
            each.get("Source") or "",
        )
        for each in found.get("Mounts") or ()
        if isinstance(each, dict)  # Podman's list has only the paths
    )


@validated
def transfer_progress(event: Mapping[str, Any], layers: dict[str, tuple[int, int]]) -> str:
    """Return a line on the overall progress after an event of a pull or push.

    `layers` has the bytes done and in total by layer, kept up to date from event to event.
    """
    if "error" in event:
        raise EngineError(event["error"])
    detail = event.get("progressDetail") or {}
    if event.get("status") in ("Downloading", "Pushing") and detail.get("total"):
        layers[event.get("id", "")] = (detail.get("current", 0), detail["total"])
    if not layers:
        return str(event.get("status", ""))
    # Sizes are uncompressed, but what is sent may add up to a little more.
    done = sum(min(current, size) for current, size in layers.values()) / 1e6
    total = sum(size for _, size in layers.values()) / 1e6
    return f"{event.get('status', '')}: {done:.0f} of {total:.0f} MB so far"


@validated
def command_ids_of(found: Mapping[str, Any]) -> tuple[str, ...]:
    """Convert an answer of ContainerInspect to the IDs of the commands started in it."""
    return strings(found.get("ExecIDs") or [])


@validated
def running_command_of(found: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Convert an answer of ExecInspect; None if the command has ended."""
    if not found["Running"]:
        return None
    process = found["ProcessConfig"]
    return (string(process["entrypoint"]), *strings(process.get("arguments") or []))


@validated
def exit_status_of(found: Mapping[str, Any]) -> int:
    """Convert an answer of ExecInspect to the exit status of a command that has ended."""
    return int(found["ExitCode"])


@validated
def activity_of(found: Mapping[str, Any], commands: tuple[tuple[str, ...], ...]) -> Activity:
    """Convert an answer of ContainerInspect to when the container last ran."""
    from .observations import Activity

    state = found["State"]
    is_running = state.get("Running", False)
    return Activity(
        started=seconds_since_1970(state.get("StartedAt", "")),
        ended=None if is_running else seconds_since_1970(state.get("FinishedAt", "")),
        exit_status=state.get("ExitCode", 0),
        commands=commands,
    )


@validated
def mounts_and_devices_of(found: Mapping[str, Any]) -> MountsAndDevices:
    """Convert an answer of ContainerInspect to the host paths the container needs."""
    from .observations import MountsAndDevices

    host = found.get("HostConfig") or {}
    binds = [bind.split(":") for bind in host.get("Binds") or ()]
    mounts = [each for each in host.get("Mounts") or () if each.get("Type") == "bind"]
    targets = {bind[0]: bind[1] for bind in binds if len(bind) > 1}
    targets |= {each["Source"]: each["Target"] for each in mounts}
    return MountsAndDevices(
        devices=tuple(each["PathOnHost"] for each in host.get("Devices") or ()),
        # Without a leading slash it is the name of a volume.
        mounts=tuple(path for path in targets if path.startswith("/")),
        targets=targets,
        process=(found.get("State") or {}).get("Pid") or 0,
        is_privileged=bool(host.get("Privileged")),
    )


@validated
def info_of(found: Mapping[str, Any], *, is_local: bool) -> EngineInfo:
    """Convert an answer of SystemInfo."""
    from .observations import EngineInfo

    return EngineInfo(
        version=found.get("ServerVersion", ""),
        root_directory=found.get("DockerRootDir", ""),
        runtimes=tuple(sorted(found.get("Runtimes") or ())),
        is_local=is_local,
        # Podman has a field for it, Docker a security option.
        is_rootless=bool(found.get("Rootless"))
        or "name=rootless" in (found.get("SecurityOptions") or ()),
        # Only Podman has this field.
        product=PODMAN if "BuildahVersion" in found else DOCKER,
        cdi_devices=_cdi_devices_of(found),
        cgroup_driver=found.get("CgroupDriver", ""),
        cpus=found.get("NCPU", 0),
        containerd=_containerd_of(found),
        machine=found.get("Architecture", ""),
    )


def _cdi_devices_of(found: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return the names of CDI devices; None if the engine may have some and does not report them.

    Docker has CDI from version 25 on, and reports devices from API version 1.50 on; Podman reports
    them from version 6 on.
    """
    if found.get("DiscoveredDevices"):
        devices = found["DiscoveredDevices"]
        return tuple(each["ID"] for each in devices if each.get("Source") == "cdi")
    may_have = bool(found.get("CDISpecDirs")) or "BuildahVersion" in found
    return None if may_have else ()


def _containerd_of(found: Mapping[str, Any]) -> str | None:
    """Return where containerd's API is, if it stores the engine's images, and None otherwise."""
    if ["driver-type", _CONTAINERD_STORE] not in (found.get("DriverStatus") or ()):
        return None
    return str((found.get("Containerd") or {}).get("Address", ""))


@validated
def stats_of(sample: Mapping[str, Any]) -> Stats | None:
    """Convert an answer of ContainerStats; None if the container has exited."""
    from .observations import Stats

    memory = sample.get("memory_stats") or {}
    if "usage" not in memory:
        return None
    # Like `docker stats`: page cache that can be dropped at any time does not count as used.
    details = memory.get("stats") or {}
    cache = details.get("total_inactive_file", details.get("inactive_file", 0))
    now, before = sample["cpu_stats"], sample["precpu_stats"]
    used = now["cpu_usage"]["total_usage"] - before["cpu_usage"]["total_usage"]
    passed = now.get("system_cpu_usage", 0) - before.get("system_cpu_usage", 0)
    cores = now.get("online_cpus") or len(now["cpu_usage"].get("percpu_usage") or [0])
    return Stats(
        cpu_percent=100 * cores * used / passed if passed > 0 else 0.0,
        memory=max(memory["usage"] - cache, 0),
        memory_limit=memory.get("limit", 0),
        processes=(sample.get("pids_stats") or {}).get("current", 0),
    )
