"""What an engine says of itself, of a container that runs, and of an image's history.

Apart from `interface`, because few commands ask for it and each class takes time to import.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..lean import dataclass, field


@dataclass(frozen=True)
class Layer:
    """One step of an image's history: the command, and how many bytes it added."""

    created_by: str
    size: int
    comment: str = ""


@dataclass(frozen=True)
class MountsAndDevices:
    """Host paths that must exist for a container to start: devices and sources of bind mounts.

    `targets` are the mounts' paths inside by source; `process` is the ID of the container's first
    process on the engine's host, 0 if it is not running.
    """

    devices: tuple[str, ...] = ()
    mounts: tuple[str, ...] = ()
    targets: Mapping[str, str] = field(default_factory=dict)
    process: int = 0
    is_privileged: bool = False


@dataclass(frozen=True)
class EngineInfo:
    """The engine itself: its version, where it stores images, and its container runtimes.

    `is_local` says whether its paths are on this host, `is_rootless` whether it runs as an
    ordinary user. `product` is `interface.DOCKER` or `PODMAN`.
    """

    version: str
    root_directory: str
    runtimes: tuple[str, ...] = ()
    is_local: bool = True
    is_rootless: bool = False
    product: str = "Docker Engine"
    cdi_devices: tuple[str, ...] | None = ()
    """Names of the devices that containers can get by the Container Device Interface; None if the
    engine does not report them."""
    cgroup_driver: str = ""
    """`systemd` or `cgroupfs`."""
    cpus: int = 0
    """How many processors containers can use; 0 if unknown."""
    containerd: str | None = None
    """Where containerd's API is, if images are in containerd's image store; empty if unknown."""
    machine: str = ""
    """The engine's machine, as `uname -m` names it."""


@dataclass(frozen=True)
class Change:
    """A path where a container's file system differs from its image; `kind` is `added`, `changed`
    or `deleted`."""

    path: str
    kind: str


@dataclass(frozen=True)
class Stats:
    """What a running container uses: CPU in percent of one core, memory in bytes."""

    cpu_percent: float
    memory: int
    memory_limit: int
    processes: int

    @property
    def memory_percent(self) -> float:
        """Memory used, in percent of the limit."""
        return 100 * self.memory / self.memory_limit if self.memory_limit else 0.0


@dataclass(frozen=True)
class Activity:
    """When a container last ran, and the commands that were started in it and still run.

    Times are seconds since 1970, or None if it has not started or not ended since.
    """

    started: float | None = None
    ended: float | None = None
    exit_status: int = 0
    commands: tuple[tuple[str, ...], ...] = ()
