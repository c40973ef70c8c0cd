"""The administrator's settings and their built-in values.

The file `/etc/ds01/mlc.ini` overrides the built-in values, the environment and flags override the
file; `etc/mlc.ini` in the source tree explains every setting. Limits (`gpus.largest`, `[limits]`,
`container.privileged`, `images.bases` …) cannot be exceeded by a flag or a variable.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..lean import dataclass, field

CGROUP = re.compile(r"/|/?[A-Za-z0-9_.@:\\-]+(?:/[A-Za-z0-9_.@:\\-]+)*/?")
"""A slice or the path of a cgroup; a path with `..` is refused separately."""
BUILT_IN = "built-in"
LEGACY_FLOW_BUILD = "build"
LEGACY_FLOW_NO = "no"
AUTO, SWARM, SLURM = "auto", "swarm", "slurm"
"""What `--cluster` uses; `auto` is Slurm where it is set up, else Docker Swarm."""
ENGINE, FREE = "engine", "free"
"""Who chooses GPUs: the engine, which takes the first ones, or mlc, which takes free ones."""
CAPABILITIES = (
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
    "SYS_PTRACE",
)
"""Capabilities of a container that is not privileged: Docker's defaults without raw sockets and
device nodes, and what debuggers, profilers and ROCm (docs/contracts.md, "Container") need."""


@dataclass(frozen=True)
class Settings:
    """The settings in force. None and empty tuples mean that a setting is not set.

    Sizes are in bytes, `cpus` in cores. By the name `section.key`, `origins` has the file and line
    of a setting and `texts` its value as written there. `notes` are messages for the
    administrator.
    """

    catalog: str | None = None
    bases: tuple[str, ...] = ("*",)
    legacy_flow: str = "yes"
    registry: str | None = None
    architecture: str | None = None
    default_gpus: str = "all"
    wrapper_gpus: str = "1"
    largest_gpus: int | None = None
    assign_gpus: str = ENGINE
    per_user_gpus: int | None = None
    privileged: bool = True
    capabilities: tuple[str, ...] = CAPABILITIES
    devices: tuple[str, ...] | None = None
    directories: tuple[str, ...] = ()
    network: str = "host"
    ipc: str = "host"
    shm_size: int | None = None
    cgroup_parent: str | None = None
    slice_group: str | None = None
    cpus: float | None = None
    memory: int | None = None
    pids: int | None = None
    ds01_labels: bool = False
    cluster_engine: str = AUTO
    labels: Mapping[str, str] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)
    texts: Mapping[str, str] = field(default_factory=dict, compare=False)
    notes: tuple[str, ...] = field(default_factory=tuple, compare=False)


BUILT_IN_SETTINGS = Settings()
