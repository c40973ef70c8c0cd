"""The administrator's settings: built-in defaults, under one file, under the environment.

`/etc/ds01/mlc.ini` is the file; `etc/mlc.ini` in the source tree shows and explains every
setting. What is a limit there (`gpus.largest`, `[limits]`, `container.privileged`,
`images.bases` …) is kept to by `limits` and `plan`: no flag and no variable goes beyond it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

CGROUP = re.compile(r"/|/?[A-Za-z0-9_.@:\\-]+(?:/[A-Za-z0-9_.@:\\-]+)*/?")
"""A slice or a cgroup's path; one that leads upwards by `..` is refused besides."""
BUILT_IN = "built-in"
LEGACY_FLOW_BUILD = "build"
LEGACY_FLOW_NO = "no"
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
"""What a container that is not privileged may do: Docker's own defaults without raw sockets
and device nodes, and what debuggers, profilers and ROCm (docs/contracts.md, "Container") need."""


@dataclass(frozen=True)
class Settings:
    """What is in force. None and empty tuples stand for what was not set.

    Sizes are in bytes, `cpus` in cores. `origins` tells of each setting, by its name
    `section.key`, where its value comes from; `texts` holds the value as it was
    written, `notes` what the administrator should change.
    """

    catalog: str | None = None
    bases: tuple[str, ...] = ("*",)
    legacy_flow: str = "yes"
    registry: str | None = None
    architecture: str | None = None
    default_gpus: str = "all"
    largest_gpus: int | None = None
    privileged: bool = True
    capabilities: tuple[str, ...] = CAPABILITIES
    devices: tuple[str, ...] | None = None
    network: str = "host"
    ipc: str = "host"
    shm_size: int | None = None
    cgroup_parent: str | None = None
    slice_group: str | None = None
    cpus: float | None = None
    memory: int | None = None
    pids: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)
    texts: Mapping[str, str] = field(default_factory=dict, compare=False)
    notes: tuple[str, ...] = field(default=(), compare=False)


BUILT_IN_SETTINGS = Settings()
