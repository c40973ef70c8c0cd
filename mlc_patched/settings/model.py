"""The administrator's settings: built-in defaults, under one file, under the environment.

`/etc/ds01/mlc.ini` is the file; `etc/mlc.ini` in the source tree shows and explains every
setting. What is a limit there (`gpus.largest`, `[limits]`, `container.privileged`,
`images.bases` …) is kept to by `limits` and `plan`: no flag and no variable goes beyond it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import MlcError
from ..host.account import Account
from ..host.files import read_text

FILE = Path("/etc/ds01/mlc.ini")
FILE_VARIABLE = "DS01_SETTINGS"
"""Names another file where `FILE` does not exist; where it does, nobody may go around it."""
BUILT_IN = "built-in"
OLD_FLOW_BUILD = "build"
OLD_FLOW_NO = "no"
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
and device nodes, and what debuggers, profilers and ROCm (contract 1) need."""


@dataclass(frozen=True)
class Settings:
    """What is in force. None and empty tuples stand for what was not set.

    Sizes are in bytes, `cpus` in cores. `origins` tells of each setting, by its name
    `section.key`, where its value comes from; `texts` holds the value as it was written.
    """

    catalog: str | None = None
    bases: tuple[str, ...] = ("*",)
    old_flow: str = "yes"
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


BUILT_IN_SETTINGS = Settings()


def locate(environ: Mapping[str, str], file: Path = FILE) -> Path | None:
    """Return the settings file in force, or None where there is none.

    Args:
        environ: the environment; its DS01_SETTINGS counts only where `file` is missing, so
            that no user can put a file of their own in place of the administrator's.
        file: the administrator's file.
    """
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError:
        return file  # it may not be looked at: reading it will say so
    else:
        return file
    named = environ.get(FILE_VARIABLE)
    return Path(named) if named else None


def load(environ: Mapping[str, str], file: Path = FILE, account: Account | None = None) -> Settings:
    """Return the built-in settings with those of the file over them.

    The environment (`Setting.variable`) and flags go over these where they are used.

    Args:
        environ: the environment, for DS01_SETTINGS.
        file: the administrator's file.
        account: the user, whose rights count for a file that DS01_SETTINGS names.

    Raises:
        MlcError: the file cannot be read, or a key or value is wrong; the message names the
            file, the line and what is allowed.
    """
    path = locate(environ, file)
    if path is None:
        return BUILT_IN_SETTINGS
    text = read_text(str(path), "settings file", account if path != file else None)
    return parse(text.removeprefix("\ufeff"), str(path))


def parse(text: str, name: str) -> Settings:
    """Return the built-in settings with those of a file's text over them.

    Args:
        text: the file's content.
        name: the file's name, for messages.

    Raises:
        MlcError: a key or value is wrong.
    """
    from .file import entries, value_of
    from .schema import BY_NAME, LABELS

    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    texts: dict[str, str] = {}
    labels: dict[str, str] = {}
    for entry in entries(text, name):
        origins[entry.name] = f"{name}, line {entry.line}"
        texts[entry.name] = entry.value
        if entry.section == LABELS:
            labels[entry.key] = entry.value
        else:
            values[BY_NAME[entry.name].field] = value_of(entry, name)
    if values.get("cgroup_parent") and values.get("slice_group"):
        where = origins["container.slice_group"]
        raise MlcError(f"{where}: set either cgroup_parent or slice_group, not both.")
    return Settings(**values, labels=labels, origins=origins, texts=texts)
