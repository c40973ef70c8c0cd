"""Translate a GPU request to names of the Container Device Interface (CDI).

The names are those of NVIDIA's `nvidia-ctk cdi generate`: `nvidia.com/gpu=` and an index, a UUID,
GPU:MIG or `all`.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import NotFoundError
from ..host.gpus import GpuRequest

KIND = "nvidia.com/gpu"
DOCKER_REMEDY = (
    "sudo apt-get install nvidia-container-toolkit && sudo nvidia-ctk runtime configure "
    "--runtime=docker && sudo systemctl restart docker"
)
CDI_REMEDY = (
    "sudo apt-get install nvidia-container-toolkit && "
    "sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml"
)
"""What gives an engine GPUs (NVIDIA Container Toolkit, "Installation Guide" and "CDI")."""


def by_cdi(request: GpuRequest, known: Iterable[str] | None) -> GpuRequest:
    """Return a GPU request by CDI names; `known` are the engine's, None if it does not report them.

    Raises NotFoundError if the engine does not have these devices.
    """
    names = request.device_ids
    if not request.is_cdi:
        names = tuple(f"{KIND}={each}" for each in _devices(request, _own(known)))
    if known is not None and (missing := [each for each in names if each not in {*known}]):
        raise NotFoundError(
            f"The engine has no CDI device {', '.join(missing)}.",
            f"It has: {', '.join(sorted(known)) or 'none'}.",
        )
    return GpuRequest(device_ids=names, is_cdi=True)


def has_gpus(known: Iterable[str]) -> bool:
    """Whether NVIDIA's GPUs are among an engine's CDI devices."""
    return any(each.startswith(f"{KIND}=") for each in known)


def _own(known: Iterable[str] | None) -> list[str] | None:
    if known is None:
        return None
    return [each.removeprefix(f"{KIND}=") for each in known if each.startswith(f"{KIND}=")]


def _devices(request: GpuRequest, own: list[str] | None) -> list[str]:
    if request.device_ids:
        return [*request.device_ids]
    if request.count == -1:
        return ["all"] if own is None or "all" in own else _whole(own)
    if own is None:
        return [str(number) for number in range(request.count)]
    if len(whole := _whole(own)) < request.count:
        raise NotFoundError(
            f"{request.count} GPUs were requested, and the engine has {len(whole)}.",
            f"For example: -g {len(whole) or 'none'}",
        )
    return whole[: request.count]


def _whole(own: list[str]) -> list[str]:
    """Return each GPU once: by its index if there are indices."""
    indices = sorted((each for each in own if each.isdecimal()), key=int)
    return indices or sorted(each for each in own if each != "all")
