"""The settings: where each stands in the file, what it may hold, and what it is without one."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from ..host.gpus import CPU, KNOWN_ARCHITECTURES, parse_gpus
from ..names.images import check_registry
from ..units import parse_size
from .model import CAPABILITIES, CGROUP, LEGACY_FLOW_BUILD, LEGACY_FLOW_NO

LABELS = "labels"
"""The section whose keys are the administrator's own: labels for every container."""
RENAMED = {"images.old_flow": "legacy_flow"}
"""Settings under a former name, which is still read, and the key that replaces it."""
IPC_MODES = ("host", "private", "shareable", "none")

# capabilities(7), as far as a container can be given them.
_OTHERS = (
    "AUDIT_CONTROL AUDIT_READ BLOCK_SUSPEND BPF CHECKPOINT_RESTORE DAC_READ_SEARCH IPC_LOCK "
    "IPC_OWNER LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE MKNOD NET_ADMIN NET_BROADCAST NET_RAW "
    "PERFMON SYSLOG SYS_ADMIN SYS_BOOT SYS_MODULE SYS_NICE SYS_PACCT SYS_RAWIO SYS_RESOURCE "
    "SYS_TIME SYS_TTY_CONFIG WAKE_ALARM"
)
_KNOWN_CAPABILITIES = frozenset((*CAPABILITIES, *_OTHERS.split()))
_NO_DEVICES = "none"
_OWN_DEVICES = "default"


@dataclass(frozen=True)
class Setting:
    """One setting: where it stands, the field of Settings it fills, what it may hold.

    `default` is the built-in value as it would be written; `read` raises ValueError.
    """

    section: str
    key: str
    field: str
    default: str
    allowed: str
    read: Callable[[str], object]
    variable: str | None = None

    @property
    def name(self) -> str:
        """Its name for people, `section.key`."""
        return f"{self.section}.{self.key}"


def _yes_no(text: str) -> bool:
    try:
        return {"yes": True, "no": False, "on": True, "off": False, "true": True, "false": False}[
            text.lower()
        ]
    except KeyError:
        raise ValueError(text) from None


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


def _cpus(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) or not float(text) >= 0.01:
        raise ValueError(text)
    return float(text)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in re.split(r"[\s,]+", text) if word)


def _bases(text: str) -> tuple[str, ...]:
    if not (words := _words(text)):
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


_ARCHITECTURES = (*KNOWN_ARCHITECTURES, CPU)
SETTINGS = (
    Setting(
        "images",
        "catalog",
        "catalog",
        "",
        "the absolute path of a file, or nothing",
        _optional(_matching(r"/.*")),
        "MLC_CATALOG",
    ),
    Setting(
        "images", "bases", "bases", "*", "patterns such as aimehub/* with a blank between", _bases
    ),
    Setting("images", "legacy_flow", "legacy_flow", "yes", "yes, build or no", _legacy_flow),
    Setting(
        *("images", "registry", "registry", "", "HOST:PORT of a registry, or nothing"),
        _optional(check_registry),
        "DS01_REGISTRY",
    ),
    Setting(
        "gpus",
        "architecture",
        "architecture",
        "",
        f"one of {', '.join(_ARCHITECTURES)}, another of your catalog, or nothing",
        _optional(_matching(r"[A-Z][A-Z0-9_]*")),
        "MLC_ARCH",
    ),
    Setting(
        "gpus",
        "default",
        "default_gpus",
        "all",
        "all, none, a number, or device=ID,ID",
        _gpus,
        "MLC_GPUS",
    ),
    Setting("gpus", "largest", "largest_gpus", "all", "all, or a number from 0", _largest),
    Setting("container", "privileged", "privileged", "yes", "yes or no", _yes_no),
    Setting(
        "container",
        "capabilities",
        "capabilities",
        " ".join(CAPABILITIES),
        "names of capabilities(7) with a blank between: " + " ".join(sorted(_KNOWN_CAPABILITIES)),
        _capabilities,
    ),
    Setting(
        "container",
        "devices",
        "devices",
        _OWN_DEVICES,
        f"{_OWN_DEVICES}, {_NO_DEVICES}, or paths below /dev with a blank between",
        _devices,
    ),
    Setting(
        "container",
        "network",
        "network",
        "host",
        "host, bridge, none, or a network's name",
        _matching(r"[A-Za-z0-9][A-Za-z0-9_.-]*"),
    ),
    Setting(
        *("container", "ipc", "ipc", "host", ", ".join(IPC_MODES)),
        _matching("|".join(IPC_MODES)),
    ),
    Setting(
        "container",
        "shm_size",
        "shm_size",
        "",
        "a size such as 16g, or nothing",
        _optional(parse_size),
    ),
    Setting(
        "container",
        "cgroup_parent",
        "cgroup_parent",
        "",
        "a slice or cgroup path, or nothing",
        _optional(_matching(CGROUP.pattern)),
    ),
    Setting(
        "container",
        "slice_group",
        "slice_group",
        "",
        "letters, digits, _ and -, or nothing",
        _optional(_matching(r"[A-Za-z0-9_-]+")),
    ),
    Setting(
        "limits",
        "cpus",
        "cpus",
        "",
        "a number of cores such as 8 or 0.5, or nothing",
        _optional(_cpus),
    ),
    Setting(
        "limits", "memory", "memory", "", "a size such as 64g, or nothing", _optional(parse_size)
    ),
    Setting(
        "limits",
        "pids",
        "pids",
        "",
        "a whole number from 1, or nothing",
        _optional(lambda text: _whole(text, 1)),
    ),
)
BY_NAME = {setting.name: setting for setting in SETTINGS}
VARIABLES = {setting.variable: setting for setting in SETTINGS if setting.variable}
SECTIONS = (*dict.fromkeys(setting.section for setting in SETTINGS), LABELS)
