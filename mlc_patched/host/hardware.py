"""The GPU architecture of the host, by AIME's names, and its devices.

Everything is read from files, without running a program, so it takes about a millisecond.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ..lean import dataclass

_CUDA_PACKAGE = rb"(toolkit-)?((\d+)-(\d+))(?:-config-common)?\nStatus: \w+ ok installed$"
_ROCM_PACKAGE = (
    rb"(?:core|libs|dev)\nStatus: \w+ ok installed\n(?:[A-Z].*\n| .*\n)*?"
    rb"Version: (?:\d+:)?(\d+)\."
)
_DRIVER = r"Kernel Module.*?\s(\d{3,})\."


@dataclass(frozen=True)
class Host:
    """A host that runs containers.

    `architecture` is AIME's name for it, or None if unknown; `has_gpu` says whether a GPU's device
    node exists; `devices` has the existing paths under /dev that containers may get; `is_here`
    says whether it is this host.
    """

    architecture: str | None
    has_gpu: bool
    devices: frozenset[str]
    is_here: bool = True


def elsewhere(runtimes: Iterable[str], cdi_devices: Iterable[str] = ()) -> Host:
    """Return what is known about the host of a remote engine.

    NVIDIA's runtime, which nvidia-ctk adds, is a sign of GPUs, and so are CDI devices of that kind.
    """
    has_gpu = "nvidia" in runtimes or any("/gpu=" in each for each in cdi_devices)
    return Host(None, has_gpu, frozenset(), is_here=False)


CDI_DIRECTORIES = ("/etc/cdi", "/var/run/cdi")
"""Where engines look for descriptions of CDI devices (CDI's SPEC.md)."""
CUDA_DEVICES = ("/dev/snd", "/dev/video0")
NVIDIA_HOOKS = (
    "nvidia-container-runtime-hook",
    "nvidia-container-toolkit",
    "nvidia-container-runtime",
)
"""Programs of NVIDIA's Container Toolkit; Docker serves `--gpus` if one is on its PATH."""


ROCM_GPUS = ("/dev/kfd", "/dev/dri")
"""Devices passed to containers if they exist (docs/contracts.md, "Container")."""


def probe(root: Path = Path("/"), more: Iterable[str] = ()) -> Host:
    """Examine this host, or in tests another root; `more` are further devices to look for."""
    nvidia = any((root / node).exists() for node in ("dev/nvidiactl", "dev/nvidia0", "dev/dxg"))
    amd = (root / "dev/kfd").exists()
    architecture = _from_packages(root) or _from_driver(root)
    devices = frozenset(
        path for path in (*CUDA_DEVICES, *ROCM_GPUS, *more) if (root / path[1:]).exists()
    )
    return Host(architecture, nvidia or amd, devices)


def has_nvidia_hook(environ: Mapping[str, str]) -> bool:
    """Whether one of NVIDIA_HOOKS is on PATH."""
    places = os.get_exec_path(environ)  # shutil.which would take 3 ms to import
    return any(os.access(f"{place}/{each}", os.X_OK) for place in places for each in NVIDIA_HOOKS)


def described_in(directories: Iterable[str], kind: str) -> bool:
    """Whether a file in these directories describes devices of a kind for CDI."""
    for directory in directories:
        with contextlib.suppress(OSError):
            for path in Path(directory).iterdir():
                if _search(path, re.escape(kind)):
                    return True
    return False


def cuda_architecture(major: int, minor: int) -> str:
    """Return AIME's architecture for a CUDA toolkit version (docs/contracts.md, "Catalog")."""
    if (major, minor) <= (11, 8):
        return "CUDA_AMPERE"
    return "CUDA_ADA" if (major, minor) < (12, 8) else "CUDA_BLACKWELL"


def _from_packages(root: Path) -> str | None:
    """Read the package database: CUDA, else ROCm.

    Of several versions of CUDA, AIME uses the first by the package's name, and `cuda-N-M` before
    `cuda-toolkit-N-M`: on a host with 11.8 and 12.6 it chooses images for 11.8, which run on both.
    """
    try:
        status = b"\n" + (root / "var/lib/dpkg/status").read_bytes()
    except OSError:
        status = b""
    if packages := [each.groups(b"") for each in _packages(status, b"cuda-", _CUDA_PACKAGE)]:
        *_, major, minor = min(packages)
        return cuda_architecture(int(major), int(minor))
    if match := _search(root / "usr/local/cuda/version.json", r'"(\d+)\.(\d+)'):
        return cuda_architecture(int(match[1]), int(match[2]))
    rocm = [int(each[1]) for each in _packages(status, b"rocm-", _ROCM_PACKAGE)]
    if not rocm and (match := _search(root / "opt/rocm/.info/version", r"^(\d+)\.")):
        rocm = [int(match[1])]
    return f"ROCM{max(rocm)}" if rocm else None


def _packages(status: bytes, prefix: bytes, rest: bytes) -> Iterator[re.Match[bytes]]:
    """Find the packages whose name begins with `prefix` and whose entry goes on as `rest`.

    Searching all of the database for a pattern takes 20 ms for each megabyte.
    """
    start = b"\nPackage: " + prefix
    pattern = re.compile(rest, re.M)
    at = status.find(start)
    while at >= 0:
        at += len(start)
        if match := pattern.match(status, at):
            yield match
        at = status.find(start, at)


def _from_driver(root: Path) -> str | None:
    """Derive the supported CUDA version from the NVIDIA driver, if no toolkit is installed.

    The minimum drivers are NVIDIA's (CUDA Toolkit release notes, table "CUDA Toolkit and Minimum
    Required Driver Version"): 570 for 12.8, 525 for 12.0.
    """
    match = _search(root / "proc/driver/nvidia/version", _DRIVER)
    if match is None:
        return None
    driver = int(match[1])
    if driver >= 570:
        return "CUDA_BLACKWELL"
    return "CUDA_ADA" if driver >= 525 else "CUDA_AMPERE"


def _search(path: Path, pattern: str) -> re.Match[str] | None:
    try:
        return re.search(pattern, path.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return None


def boot_time(stat: Path = Path("/proc/stat")) -> float | None:
    """Return when this host was started, in seconds since 1970; None if it does not say."""
    with contextlib.suppress(OSError, ValueError):
        for line in stat.read_text(encoding="ascii").splitlines():
            if line.startswith("btime "):
                return float(line.split()[1])
    return None
