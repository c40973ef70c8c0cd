"""Check of GPUs that several users share."""

from __future__ import annotations

import contextlib
import grp
from collections.abc import Sequence

from ..errors import MlcError
from ..host.gpu_device import usable
from ..host.nvidia_smi import PROGRAM, find_nvidia_smi, nvidia_devices
from ..names import labels
from ..settings.file import FILE
from ..settings.model import FREE, Settings
from .checks import Finding, Machine, broken, ok, warning

_NAME = "shared GPUs"


def shared_gpus(machine: Machine) -> Finding | Sequence[Finding]:
    """Several GPUs for several users are given to one at a time."""
    context = machine.context
    if not machine.has_settings or not context.address.is_local:
        return ()
    is_free = context.settings.assign_gpus == FREE
    if program := find_nvidia_smi(context.environ):
        try:
            count = len(usable(nvidia_devices(program, context.environ)))
        except MlcError as error:
            return broken(_NAME, error.message, PROGRAM)
        if count < 2:
            return ()
        return _of_free(count, context.settings) if is_free else _of_engine(count, machine)
    if is_free and context.host.has_gpu and "/dev/kfd" not in context.host.devices:
        text = f"gpus.assign is free, but {PROGRAM}, which shows what is free, is not on PATH"
        return broken(_NAME, text, "install the programs of the driver: Debian's nvidia-smi")
    return ()


def _of_free(count: int, settings: Settings) -> Finding:
    limits = (settings.largest_gpus, settings.per_user_gpus)
    if settings.default_gpus == "all" and limits == (None, None):
        text = "gpus.assign is free, but without -g a container asks for every GPU"
        return warning(_NAME, text, f"sudoedit {FILE}: under [gpus], default = 1")
    return ok(_NAME, f"{count}, given to one container at a time")


def _of_engine(count: int, machine: Machine) -> Finding:
    users = _users(machine)
    if users < 2:
        return ok(_NAME, f"{count}, for one user")
    text = f"{count} GPUs for {users} users, and the engine gives -g 1 the first one always"
    remedy = f"sudoedit {FILE}: under [gpus], assign = free and default = 1"
    return warning(_NAME, text, remedy)


def _users(machine: Machine) -> int:
    """Return how many users have containers or are in group docker."""
    found: set[str] = set()
    with contextlib.suppress(KeyError):
        found.update(grp.getgrnam("docker").gr_mem)
    if machine.info is not None:
        containers = machine.context.engine.containers(labels=(labels.OWNER,))
        found.update(each.labels[labels.OWNER] for each in containers)
    return len(found - {""})
