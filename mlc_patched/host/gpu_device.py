"""GPUs as the vendors' programs report them: what nvidia_smi and amd_smi return."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Mapping

from ..errors import MlcError
from ..lean import dataclass
from .process import output_of
from .sudo import for_programs

NVIDIA, AMD = "nvidia", "amd"
_SECONDS = 60.0
"""Without the persistence mode, the driver wakes every GPU first: seconds for each."""
_UUID = re.compile(r"((?:MIG-GPU-|MIG-|GPU-)?[0-9a-fA-F]{8})-[0-9a-fA-F-]+.*")


@dataclass(frozen=True)
class GpuProcess:
    """A process that uses a GPU; `memory` is in bytes, None if it is not reported."""

    pid: int
    name: str
    memory: int | None


@dataclass(frozen=True)
class GpuDevice:
    """A GPU, or a MIG device, which is a part of one.

    `index` is what `-g device=` takes: `0`, or `0:1` for MIG device 1 of GPU 0. Memory is in bytes,
    `utilisation` in percent; None is not reported. `parent` is the UUID of a MIG device's GPU.
    With `is_divided` a GPU is in MIG mode, and only its MIG devices can be used. `driver` is a
    version, empty if it is not reported.
    """

    index: str
    uuid: str
    name: str
    vendor: str = NVIDIA
    memory_used: int | None = None
    memory_total: int | None = None
    utilisation: int | None = None
    processes: tuple[GpuProcess, ...] = ()
    parent: str = ""
    is_divided: bool = False
    driver: str = ""

    @property
    def words(self) -> str:
        """What people call it."""
        return f"GPU {self.index} ({self.name}, {short_uuid(self.uuid)})"


def usable(devices: Iterable[GpuDevice]) -> list[GpuDevice]:
    """Return the devices that a container can use: MIG devices, not the GPUs they are part of."""
    return [each for each in devices if not each.is_divided]


def short_uuid(uuid: str) -> str:
    """Return the beginning of a UUID: `GPU-d50ab561`. Another identifier stays as it is."""
    found = _UUID.fullmatch(uuid)
    return found[1] if found else uuid


def find_program(name: str, environ: Mapping[str, str], *places: str) -> str | None:
    """Return the path of a program on PATH, else in one of the `places`, or None."""
    path = for_programs(environ).get("PATH", os.defpath)
    return shutil.which(name, path=os.pathsep.join((path, *places)))


def said_by(program: str, arguments: Iterable[str], environ: Mapping[str, str]) -> str:
    """Run a vendor's program and return its output, or raise MlcError with what it says."""
    done = output_of([program, *arguments], seconds=_SECONDS, environ=for_programs(environ))
    if done.returncode != 0:
        said = (done.stdout.strip() or done.stderr.strip() or "it printed nothing").splitlines()
        raise SmiError(f"{program} failed (exit status {done.returncode}): {said[0]}", done)
    return done.stdout


class SmiError(MlcError):
    """A vendor's program failed; `exit_status` is its own."""

    def __init__(self, message: str, done: object) -> None:
        super().__init__(message, "Run it yourself to see more, or ask your administrator.")
        self.exit_status: int = getattr(done, "returncode", 1)


def number(text: object) -> int | None:
    """Return a whole number; None for `[N/A]`, `[Not Supported]` and the like."""
    try:
        return int(float(str(text).split()[0]))
    except (ValueError, IndexError, OverflowError):
        return None
