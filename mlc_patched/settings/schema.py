"""The table of settings: the name of each, its built-in value and what it may hold."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

from ..host.gpus import CPU, KNOWN_ARCHITECTURES, parse_gpus
from ..lean import dataclass
from ..names.images import check_registry
from ..units import parse_size
from .model import (
    AUTO,
    CAPABILITIES,
    CGROUP,
    ENGINE,
    FREE,
    LEGACY_FLOW_BUILD,
    LEGACY_FLOW_NO,
    SLURM,
    SWARM,
)

LABELS = "labels"
"""The section with additional labels for every container; its keys are labels, but for `ds01`."""
RENAMED = {"images.old_flow": "legacy_flow"}
"""Settings under a former name, which is still read, and the key that replaces it."""
IPC_MODES = ("host", "private", "shareable", "none")

# The remaining capabilities(7).
_OTHERS = (
    "AUDIT_CONTROL AUDIT_READ BLOCK_SUSPEND BPF CHECKPOINT_RESTORE DAC_READ_SEARCH IPC_LOCK "
    "IPC_OWNER LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE MKNOD NET_ADMIN NET_BROADCAST NET_RAW "
    "PERFMON SYSLOG SYS_ADMIN SYS_BOOT SYS_MODULE SYS_NICE SYS_PACCT SYS_RAWIO SYS_RESOURCE "
    "SYS_TIME SYS_TTY_CONFIG WAKE_ALARM"
)
_KNOWN_CAPABILITIES = frozenset((*CAPABILITIES, *_OTHERS.split()))
_SHORT_KEYS = ("assign", "default", "largest", "per_user", "wrapper")
_CLUSTER = "cluster"
_NO_DEVICES = "none"
_OWN_DEVICES = "default"


@dataclass(frozen=True)
class Setting:
    """One setting: its name `section.key`, and what it may hold.

    `default` is the built-in value as the file would have it, `read` raises ValueError or
    UsageError, and `variable` is the environment variable that overrides the file.
    """

    name: str
    default: str
    allowed: str
    read: Callable[[str], object]
    variable: str | None = None

    @property
    def section(self) -> str:
        """The section of the file."""
        return self.name.partition(".")[0]

    @property
    def key(self) -> str:
        """The key within its section."""
        return self.name.partition(".")[2]

    @property
    def field(self) -> str:
        """The field of Settings that it fills: the key, unless that would be too short."""
        if self.section == LABELS:
            return f"{self.key}_labels"
        if self.section == _CLUSTER:
            return f"{_CLUSTER}_{self.key}"
        return f"{self.key}_gpus" if self.key in _SHORT_KEYS else self.key


def _yes_no(text: str) -> bool:
    if text.lower() in ("yes", "on", "true"):
        return True
    if text.lower() in ("no", "off", "false"):
        return False
    raise ValueError(text)


def _legacy_flow(text: str) -> str:
    if text.lower() == LEGACY_FLOW_BUILD:
        return LEGACY_FLOW_BUILD
    return "yes" if _yes_no(text) else LEGACY_FLOW_NO


def _matching(pattern: str) -> Callable[[str], str]:
    compiled = re.compile(pattern)

    def read(text: str) -> str:
        if not compiled.fullmatch(text):
            raise ValueError(text)
        return text

    return read


def _optional(read: Callable[[str], object]) -> Callable[[str], object]:
    return lambda text: read(text) if text else None


def _gpus(text: str) -> str:
    parse_gpus(text)
    return text


def _largest(text: str) -> int | None:
    return None if text == "all" else _whole(text, 0)


def _whole(text: str, least: int) -> int:
    if not (re.fullmatch(r"[0-9]{1,18}", text) and int(text) >= least):
        raise ValueError(text)
    return int(text)


def _processes(text: str) -> int:
    return _whole(text, 1)


def _cpus(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) or not float(text) >= 0.01:
        raise ValueError(text)
    return float(text)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in re.split(r"[\s,]+", text) if word)


def _bases(text: str) -> tuple[str, ...]:
    if not (words := _words(text)) or '"' in text or "'" in text:
        raise ValueError(text)
    return words


def _capabilities(text: str) -> tuple[str, ...]:
    names = tuple(word.upper().removeprefix("CAP_") for word in _words(text))
    if unknown := [name for name in names if name not in _KNOWN_CAPABILITIES]:
        raise ValueError(unknown)
    return names


def _devices(text: str) -> tuple[str, ...] | None:
    if text == _OWN_DEVICES:
        return None
    if text == _NO_DEVICES:
        return ()
    words = _words(text)
    if not words or not all(re.fullmatch(r"/dev/[A-Za-z0-9._/-]+", word) for word in words):
        raise ValueError(text)
    return words


def _paths(text: str) -> tuple[str, ...]:
    words = tuple(word.rstrip("/") or "/" for word in _words(text))
    if not all(word.startswith("/") and os.path.normpath(word) == word for word in words):
        raise ValueError(text)
    return words


_PATH = _optional(_matching(r"/.*"))
_NETWORK = _matching(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_CGROUP = _optional(_matching(CGROUP.pattern))
_GROUP = _optional(_matching(r"[A-Za-z0-9_-]+"))
_ARCHITECTURE = _optional(_matching(r"[A-Z][A-Z0-9_]*"))
_REGISTRY = _optional(check_registry)
_ARCHITECTURES = (
    f"one of {', '.join((*KNOWN_ARCHITECTURES, CPU))}, another one of your catalog, or nothing"
)
_CAPABILITY_NAMES = (
    f"names of capabilities(7), separated by blanks: {' '.join(sorted(_KNOWN_CAPABILITIES))}"
)
_DEVICES = f"{_OWN_DEVICES}, {_NO_DEVICES}, or paths below /dev, separated by blanks"
_BASES = "patterns such as aimehub/*, separated by blanks, without quotes"
_PATHS = "absolute paths without . and .., separated by blanks, or nothing"
_CLUSTERS = (AUTO, SWARM, SLURM)
SETTINGS = (
    Setting("images.catalog", "", "the absolute path of a file, or nothing", _PATH, "MLC_CATALOG"),
    Setting("images.bases", "*", _BASES, _bases),
    Setting("images.legacy_flow", "yes", "yes, build or no", _legacy_flow),
    Setting(
        "images.registry", "", "HOST:PORT of a registry, or nothing", _REGISTRY, "DS01_REGISTRY"
    ),
    Setting("gpus.architecture", "", _ARCHITECTURES, _ARCHITECTURE, "MLC_ARCH"),
    Setting("gpus.default", "all", "all, none, a number, or device=ID,ID", _gpus, "MLC_GPUS"),
    Setting("gpus.largest", "all", "all, or a number from 0", _largest),
    Setting("gpus.assign", ENGINE, f"{ENGINE} or {FREE}", _matching(f"{ENGINE}|{FREE}")),
    Setting("gpus.per_user", "all", "all, or a number from 0", _largest),
    Setting("gpus.wrapper", "1", "all, none, a number, or device=ID,ID", _gpus),
    Setting("container.privileged", "yes", "yes or no", _yes_no),
    Setting("container.capabilities", " ".join(CAPABILITIES), _CAPABILITY_NAMES, _capabilities),
    Setting("container.devices", _OWN_DEVICES, _DEVICES, _devices),
    Setting("container.directories", "", _PATHS, _paths),
    Setting("container.network", "host", "host, bridge, none, or a network's name", _NETWORK),
    Setting("container.ipc", "host", ", ".join(IPC_MODES), _matching("|".join(IPC_MODES))),
    Setting("container.shm_size", "", "a size such as 16g, or nothing", _optional(parse_size)),
    Setting("container.cgroup_parent", "", "a slice or cgroup path, or nothing", _CGROUP),
    Setting("container.slice_group", "", "letters, digits, _ and -, or nothing", _GROUP),
    Setting("limits.cpus", "", "a number of cores such as 8 or 0.5, or nothing", _optional(_cpus)),
    Setting("limits.memory", "", "a size such as 64g, or nothing", _optional(parse_size)),
    Setting("limits.pids", "", "a whole number from 1, or nothing", _optional(_processes)),
    Setting("labels.ds01", "no", "yes or no", _yes_no),
    Setting("cluster.engine", AUTO, " or ".join(_CLUSTERS), _matching("|".join(_CLUSTERS))),
)
BY_NAME = {setting.name: setting for setting in SETTINGS}
SECTIONS = tuple(dict.fromkeys(setting.section for setting in SETTINGS))
