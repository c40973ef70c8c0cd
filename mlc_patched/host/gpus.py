"""Choose a container's architecture and GPUs (docs/contracts.md, "Catalog")."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from ..errors import InvalidValueError, UsageError, shown
from ..lean import dataclass
from .hardware import Host

KNOWN_ARCHITECTURES = (
    "CUDA",
    "CUDA_AMPERE",
    "CUDA_ADA",
    "CUDA_BLACKWELL",
    "ROCM5",
    "ROCM6",
)
CPU = "CPU"
NONE = "none"
_DEVICE_ID = r"[A-Za-z0-9][A-Za-z0-9:._-]*|MIG-[A-Za-z0-9._/-]+"
"""An index, a UUID or a MIG ID; of them only the MIG IDs of old drivers have slashes."""
_CDI_NAME = (
    r"[A-Za-z][A-Za-z0-9_.-]*/[A-Za-z][A-Za-z0-9_.-]*=[A-Za-z0-9](?:[A-Za-z0-9_.:-]*[A-Za-z0-9])?"
)
"""A device's name by the Container Device Interface: `VENDOR/CLASS=NAME` (its SPEC.md, "kind")."""
_COUNT = r"[0-9]{1,9}"


@dataclass(frozen=True)
class GpuRequest:
    """The engine's device request: `count` GPUs (-1: all), or exactly the `device_ids`.

    With `is_cdi` the IDs are names by the Container Device Interface: `nvidia.com/gpu=0`.
    """

    count: int = 0
    device_ids: tuple[str, ...] = ()
    is_cdi: bool = False

    @property
    def most(self) -> float:
        """How many GPUs it asks for, infinity for all."""
        if self.count == -1 or any(each.rpartition("=")[2] == "all" for each in self.device_ids):
            return math.inf
        return self.count or len(self.device_ids)


def parse_gpus(text: str) -> GpuRequest | None:
    """Read a GPU request: `all`, a number, `device=ID[,ID]`, or `none`, for which it returns None.

    IDs are indices, UUIDs (`GPU-…`) or MIG IDs (`MIG-…`, `0:1`), or all of them are CDI names
    (`nvidia.com/gpu=0`), for which `device=` can be left out. Quotes, which `docker run --gpus`
    needs in places, are removed. Raises UsageError for anything else.
    """
    value = text.strip().strip("\"'")
    if value == NONE:
        return None
    if value == "all":
        return GpuRequest(count=-1)
    if re.fullmatch(_COUNT, value):
        return GpuRequest(count=int(value)) if int(value) else None
    names = tuple(part.strip() for part in value.removeprefix("device=").split(","))
    if all(re.fullmatch(_CDI_NAME, part) for part in names):
        return GpuRequest(device_ids=names, is_cdi=True)
    if value.startswith("device=") and all(re.fullmatch(_DEVICE_ID, part) for part in names):
        return GpuRequest(device_ids=names)
    raise UsageError(
        f"The GPU request {shown(text)} is not understood.",
        "Use 'all', a number, 'device=0,1' (indices, GPU-… or MIG-… IDs, or CDI names such as "
        "nvidia.com/gpu=0) or 'none'.",
    )


@dataclass(frozen=True)
class GpuChoice:
    """The architecture and GPUs chosen for a container.

    `architecture` is None if it was left open; then the catalog row decides. `gpus` is the request
    as text, for the label. `note` is a message for the user, if there is one. `is_assumed` says
    that only the architecture suggests GPUs: none were requested, and the host shows none.
    """

    architecture: str | None
    gpus: str
    request: GpuRequest | None
    note: str | None = None
    is_assumed: bool = False


def choose(
    architecture: str | None,
    gpus: str | None,
    host: Host,
    catalog_architectures: Iterable[str] = (),
    default: str = "all",
) -> GpuChoice:
    """Choose architecture and GPU request.

    An explicit request (by a flag, a variable or the settings) is taken as given, even on a host
    without a visible GPU. Only without one, and without a GPU, the choice is the CPU, with a note.

    Raises UsageError if the architecture is unknown or the request is not understood.
    """
    if architecture is not None:
        architecture = architecture.strip().upper()
        known = tuple(dict.fromkeys((*KNOWN_ARCHITECTURES, *catalog_architectures, CPU)))
        if architecture not in known:
            raise InvalidValueError(
                f"The architecture {shown(architecture)} is unknown. Known: {', '.join(known)}"
            )
    if architecture == CPU:
        return GpuChoice(CPU, NONE, None)
    wanted = default if gpus is None else gpus
    request = parse_gpus(wanted)
    if request is None:
        return GpuChoice(architecture or host.architecture or CPU, NONE, None)
    if architecture is None and gpus is None and not host.has_gpu:
        found = (
            "No GPU was found on this host" if host.is_here else "The remote engine reports no GPU"
        )
        note = f"{found}, so the container will use the CPU (-g all to request GPUs anyway)."
        return GpuChoice(CPU, NONE, None, note)
    words = wanted.strip().strip("\"'")
    is_assumed = gpus is None and not host.has_gpu
    return GpuChoice(architecture or host.architecture, words, request, is_assumed=is_assumed)
