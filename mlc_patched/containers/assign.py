"""Choose free GPUs for a container, and check them again when it is started.

A GPU is free if no running container was given it and no process uses it. Choosing and creating, or
checking and starting, is done under a lock that all users of the host share.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence

from ..context import Context
from ..engine.interface import Container
from ..errors import GpuTakenError, MlcError, NoFreeGpuError, NotAllowedError, NotFoundError
from ..host.gpu_device import GpuDevice, short_uuid
from ..host.gpus import GpuRequest, parse_gpus
from ..host.locks import of_the_host
from ..host.nvidia_smi import PROGRAM, find_nvidia_smi, nvidia_devices
from ..lean import replace
from ..names import labels
from ..names.containers import short_name
from ..plan.assign import (
    assigned_uuids,
    choose,
    in_use,
    number_of_devices,
    requested,
    uuids_of,
)
from ..plan.cdi import by_cdi
from ..plan.container import Plan
from ..plan.flow import Flow
from ..settings.model import FREE
from .gpu_usage import labelled, uses_of

NO_WAIT = "--wait has no effect: the setting gpus.assign is not free."
_PURPOSE = "that chooses GPUs"
_SECONDS_BETWEEN = 5.0


@contextlib.contextmanager
def assigned(plan: Plan, context: Context) -> Iterator[Plan]:
    """Choose the GPUs of a plan's container, and hold the lock while it is created.

    With `plan.waits_for_gpus` it waits until enough are free. With the setting `gpus.assign =
    engine`, and for a plan without GPUs, the plan is returned as it is.

    Raises:
        NoFreeGpuError: too few GPUs are free.
        NotFoundError: the host has fewer, or nvidia-smi is missing.
        NotAllowedError: the user's running containers have as many as the settings allow.
    """
    _check_user(plan.choice.request, "", context)
    if not _is_chosen_here(plan, context):
        _say_who_chooses(plan, context)
        yield plan
        return
    with _chosen(plan, context) as (made, chosen):
        if chosen:
            context.report.note(f"Chosen: {', '.join(each.words for each in chosen)}")
        else:
            _warn_of_sharing(made, context)
        yield made


def await_free_gpus(plan: Plan, context: Context) -> None:
    """Check, before anything slow starts, that GPUs are free, or wait for them; see `assigned`."""
    _check_user(plan.choice.request, "", context)
    if _is_chosen_here(plan, context):
        with _chosen(plan, context):
            pass


@contextlib.contextmanager
def _chosen(plan: Plan, context: Context) -> Iterator[tuple[Plan, Sequence[GpuDevice]]]:
    """Hold the lock, with the plan and the GPUs that were chosen; wait for them if it says so."""
    context.refuse_existing(short_name(plan.tag))  # before waiting for long
    has_warned = False
    while True:
        with of_the_host(context.report, _PURPOSE):
            try:
                found = _with_devices(plan, context)
            except NoFreeGpuError as error:
                if not plan.waits_for_gpus:
                    raise
                if not has_warned:
                    context.report.note(error.message)
                    context.report.step("Waiting for free GPUs")
                    has_warned = True
                context.report.progress(error.message)
            else:
                yield found
                return
        _pause()


def _pause() -> None:
    time.sleep(_SECONDS_BETWEEN)


@contextlib.contextmanager
def startable(container: Container, context: Context) -> Iterator[None]:
    """Hold the lock while a container with GPUs is started, and check them: those that were chosen
    for it are free, and the user's containers have no more than the settings allow.

    Raises:
        GpuTakenError: something else uses one of them.
        NotFoundError: the host does not have one of them any more.
        NotAllowedError: the user's running containers have as many as the settings allow.
    """
    own = assigned_uuids(container.labels)
    with of_the_host(context.report, _PURPOSE):
        _check_user(requested(container.labels), container.id, context)
        if own:
            _check_devices(container, own, context)
        yield


def _is_chosen_here(plan: Plan, context: Context) -> bool:
    """Whether mlc, not the engine, chooses or resolves the GPUs of a plan's container."""
    return (
        context.settings.assign_gpus == FREE
        and plan.gpus is not None
        and not plan.is_rocm
        and not plan.choice.is_assumed
        and context.address.is_local
    )


def _say_who_chooses(plan: Plan, context: Context) -> None:
    """Say why no free GPUs are chosen, where the user or the administrator expects it."""
    if context.settings.assign_gpus != FREE:
        if plan.waits_for_gpus:
            context.report.note(NO_WAIT)
    elif plan.is_rocm:
        context.report.note("A ROCm container gets every GPU: none is chosen for it.")
    elif not context.address.is_local and not (
        plan.choice.request and plan.choice.request.device_ids
    ):
        context.report.warn(
            "Which GPUs are free on a remote engine's host cannot be seen from here, so the "
            "engine chooses: the first ones, whoever uses them. Name others with -g device=ID."
        )


def _devices(context: Context) -> list[GpuDevice]:
    program = find_nvidia_smi(context.environ)
    if program is None:
        raise NotFoundError(
            f"{PROGRAM}, which shows what GPUs are free, is not on PATH.",
            "It comes with NVIDIA's driver. Without it, name the GPUs: -g device=0",
        )
    return nvidia_devices(program, context.environ)


def _with_devices(plan: Plan, context: Context) -> tuple[Plan, Sequence[GpuDevice]]:
    """Return the plan with free GPUs, and these; with those that the user named, and none."""
    words = parse_gpus(plan.choice.gpus)
    if words is None or words.device_ids:
        return _with_named(plan, words, context), ()
    devices, containers = _devices(context), context.engine.containers()
    later = {
        uuid
        for each in containers
        if not each.is_running
        for uuid in assigned_uuids(labelled(each))
    }
    chosen = choose(words, devices, uses_of(containers, devices), later)
    uuids = tuple(each.uuid for each in chosen)
    request = GpuRequest(device_ids=uuids)
    if plan.choice.request is not None and plan.choice.request.is_cdi:
        request = _cdi(chosen, context)
    choice = replace(plan.choice, request=request)
    return replace(plan, choice=choice, assigned=uuids, visible=uuids), chosen


def _cdi(chosen: tuple[GpuDevice, ...], context: Context) -> GpuRequest:
    """Return devices by CDI names: UUIDs if the engine has such names, else indices."""
    known = context.engine.info().cdi_devices
    try:
        return by_cdi(GpuRequest(device_ids=tuple(each.uuid for each in chosen)), known)
    except NotFoundError:
        return by_cdi(GpuRequest(device_ids=tuple(each.index for each in chosen)), known)


def _with_named(plan: Plan, words: GpuRequest | None, context: Context) -> Plan:
    """Return a plan whose CUDA programs see the devices that the user named."""
    names = words.device_ids if words is not None else ()
    try:
        devices = _devices(context)
    except MlcError:
        return plan  # nothing has to be chosen
    uuids = dict.fromkeys(uuid for name in names for uuid in uuids_of(name, devices))
    return replace(plan, visible=tuple(uuids))


def _warn_of_sharing(plan: Plan, context: Context) -> None:
    """Say who else uses the devices that the user named."""
    if not plan.visible:
        return
    devices = _devices(context)
    uses = uses_of(context.engine.containers(), devices)
    for text in in_use([each for each in devices if each.uuid in plan.visible], uses):
        context.report.warn(f"You share {text}.")


def _check_user(request: GpuRequest | None, but: str, context: Context) -> None:
    """Raise NotAllowedError if a user would have more GPUs than allowed in running containers."""
    if request is None or (limit := context.settings.per_user_gpus) is None:
        return
    running = {
        short_name(each.name): number_of_devices(each.labels)
        for each in context.containers()
        if each.is_running and each.id != but
    }
    have = {name: count for name, count in running.items() if count}
    if request.most + sum(have.values()) > limit:
        listed = ", ".join(
            f"[{name}] {'all' if count == float('inf') else int(count)}"
            for name, count in have.items()
        )
        raise NotAllowedError(
            f"Your running containers may have {limit} GPUs together (gpus.per_user). "
            f"They have: {listed or 'none'}.",
            f"Stop one first: mlc stop {next(iter(have), 'NAME')}" if have else "Ask for fewer.",
        )


def _check_devices(container: Container, own: tuple[str, ...], context: Context) -> None:
    name = short_name(container.name)
    unknown = [GpuDevice(uuid, uuid, "GPU") for uuid in own]
    devices = unknown  # enough to compare what other containers were given
    if context.address.is_local:
        try:
            devices = _devices(context)
        except MlcError as error:
            context.report.warn(f"Whether a process uses the GPU of {name} is unknown: {error}")
    if missing := [each for each in own if each not in {device.uuid for device in devices}]:
        raise NotFoundError(
            f"The GPU {', '.join(map(short_uuid, missing))} of [{name}] is not in this host any "
            "more.",
            _recreate(container),
        )
    uses = uses_of(context.engine.containers(), devices, but=container.id)
    if taken := in_use([each for each in devices if each.uuid in own], uses):
        raise GpuTakenError(
            f"[{name}] is not started, as what was chosen for it is in use by now: "
            f"{'; '.join(taken)}.",
            _recreate(container),
        )


def _recreate(container: Container) -> str:
    """Return how to create a container again, with GPUs that are free then."""
    import shlex

    name, given = short_name(container.name), container.labels
    project = given.get(labels.PROJECT)
    if project and given.get(labels.USER_SETUP) == Flow.IMAGE.value:
        line = ["container-deploy", name, "--project", project, *_flags(given)]
        return (
            f"Create it again, with free GPUs, from the project's image: container-retire {name} "
            f"&& {shlex.join(line)} - or with all that is in it: {_moved(name)}"
        )
    return f"Create it again, with free GPUs and all that is in it: {_moved(name)}"


def _moved(name: str) -> str:
    file = f"{name}.mlc.tar"
    return f"mlc export {name} {file} && mlc remove {name} && mlc import {file} {name}"


def _flags(given: Mapping[str, str]) -> list[str]:
    found = []
    for flag, label in (
        ("-g", labels.GPUS),
        ("-w", labels.WORKSPACE),
        ("-d", labels.DATA),
        ("-m", labels.MODELS),
    ):
        if (value := labels.read_value(given, label)) not in ("", labels.NOT_GIVEN):
            found += [flag, value]
    return found
