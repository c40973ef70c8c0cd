"""Put a plan's GPU request into the form that the engine serves, or refuse it.

An engine reports a device request that it cannot serve only when the container is started, and
Podman ignores some silently. So it is checked before a container is created.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..context import Context
from ..engine.interface import DOCKER, PODMAN, Image
from ..engine.observations import EngineInfo
from ..errors import EngineError
from ..host.gpus import GpuRequest
from ..host.hardware import has_nvidia_hook
from ..images.probe import refusal_of_gpus
from ..lean import replace
from ..plan.cdi import CDI_REMEDY, DOCKER_REMEDY, by_cdi, has_gpus
from ..plan.container import Plan

_NO_DEVICE = GpuRequest(device_ids=("mlc.invalid/gpu=none",), is_cdi=True)


def with_served_gpus(plan: Plan, image: Image, context: Context) -> Plan:
    """Return the plan with its GPU request in a form that the engine serves.

    Where NVIDIA's hook or runtime is found, nothing is asked. Otherwise an engine that does not
    report its devices is asked by starting a container, of any image, that cannot run.

    Raises NotFoundError if the engine does not have the requested devices, and EngineError, which
    says what to install, if it cannot give a container GPUs.
    """
    request = plan.gpus
    if request is None or _is_served_by_docker(request, context):
        return plan
    if plan.choice.is_assumed:
        if context.engine.product == PODMAN:
            context.report.warn(
                "No GPU was found, and Podman gives the container none (-g all to request GPUs)."
            )
        return plan
    info = context.engine.info()
    if not request.is_cdi and "nvidia" in info.runtimes:
        return plan
    if request.is_cdi and info.cdi_devices == ():
        raise EngineError(
            f"The engine, {info.product} {info.version}, has no CDI devices.",
            _remedy(info, request),
        )
    refusal = ""
    for form in _forms(request, info):
        refused = None
        if not (form.is_cdi and info.cdi_devices is not None):
            refused = refusal_of_gpus(image, form, context)
        if refused is None and _is_ignored(image, info, context):
            refused = f"{info.product} {info.version} ignores device requests of its API"
        if refused is None:
            return replace(plan, choice=replace(plan.choice, request=form))
        refusal = refusal or refused
    raise EngineError(
        f"The engine cannot give a container the GPUs {plan.choice.gpus}: {refusal}.",
        f"{_remedy(info, request)} - or do without GPUs: --cpu-only",
    )


def _is_served_by_docker(request: GpuRequest, context: Context) -> bool:
    """Whether Docker serves the request by NVIDIA's hook, as far as this host shows."""
    if request.is_cdi or context.engine.product != DOCKER or not context.address.is_local:
        return False
    return has_nvidia_hook(context.environ)


def _forms(request: GpuRequest, info: EngineInfo) -> Iterator[GpuRequest]:
    """Yield the forms of a request that the engine may serve, the usual one first."""
    if info.product == DOCKER and not request.is_cdi:
        yield request
        if info.cdi_devices is not None and not has_gpus(info.cdi_devices):
            return
    yield by_cdi(request, info.cdi_devices)


def _is_ignored(image: Image, info: EngineInfo, context: Context) -> bool:
    """Whether the engine ignores requests silently, as Podman does before version 5.4."""
    if info.product == DOCKER or info.cdi_devices is not None:
        return False
    return refusal_of_gpus(image, _NO_DEVICE, context) is None


def _remedy(info: EngineInfo, request: GpuRequest) -> str:
    if info.product == DOCKER and not request.is_cdi:
        return f"Install NVIDIA's Container Toolkit on its host: {DOCKER_REMEDY}"
    needed = "Docker 25" if info.product == DOCKER else "Podman 5.4"
    return f"With {needed} or newer, describe the GPUs on its host: {CDI_REMEDY}"
