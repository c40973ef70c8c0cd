"""The limits that the administrator's settings put on a request. Every error names the limit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase

from username_utils import get_user_slice_name

from ..engine.specification import Resources
from ..errors import NotAllowedError, UsageError, shown
from ..host.account import Account
from ..host.gpus import NONE, GpuChoice, parse_gpus
from ..names.images import Reference, parse_reference
from ..names.projects import is_own_project
from ..settings.model import CGROUP, Settings
from ..units import parse_size

BASE_NAME = "org.opencontainers.image.base.name"
"""Label of an image: its base (OCI image specification, "Annotations")."""
NANO = 10**9
_COUNT = re.compile(r"[0-9]{1,18}")  # the engine uses 64-bit numbers
_LONGEST_NAME = 255
"""Of a directory, as every cgroup is one (`NAME_MAX` in limits.h)."""
_DEFAULT_REGISTRY = ("docker.io/library/", "docker.io/", "index.docker.io/")
_ASK = "Ask your administrator."


def resources(
    cpus: str | None, memory: str | None, pids: str | None, settings: Settings
) -> Resources:
    """Return the limits of a container: those of the settings, or lower ones set by flags.

    The flags are a number of cores such as `1.5`, a size such as `16g`, and a number of processes.
    Raises UsageError if one is not understood, NotAllowedError if it exceeds the settings.
    """
    cores = _cores(cpus) if cpus is not None else None
    limit = None if settings.cpus is None else round(settings.cpus * NANO)
    wanted = parse_size(memory) if memory is not None else None
    count = _processes(pids) if pids is not None else None
    return Resources(
        _within("--cpus", cpus, cores, limit, f"{settings.cpus}"),
        _within("--memory", memory, wanted, settings.memory, f"{settings.memory} bytes"),
        _within("--pids-limit", pids, count, settings.pids, f"{settings.pids}"),
    )


def default_gpus(settings: Settings, *, by_wrapper: bool = False) -> str:
    """Return the GPU request for a container without one, within the allowed maximum.

    `by_wrapper` says that `mlc-create-wrapper.sh` is creating the container.
    """
    largest = _largest(settings)
    default = settings.wrapper_gpus if by_wrapper else settings.default_gpus
    request = parse_gpus(default)
    if largest is None or request is None or request.most <= largest:
        return default
    return str(largest) if largest else NONE


def check_gpus(choice: GpuChoice, is_rocm: bool, settings: Settings) -> None:
    """Raise NotAllowedError for more GPUs than the settings allow."""
    largest = _largest(settings)
    if largest is None or choice.request is None:
        return
    if is_rocm:
        raise NotAllowedError(
            f"At most {largest} GPUs are allowed here, but a ROCm container gets all of them, so "
            f"only -g none is possible. {_ASK}"
        )
    if choice.request.most > largest:
        raise NotAllowedError(
            f"At most {largest} GPUs are allowed here, and {choice.gpus!r} asks for more.",
            f"For example: -g {largest or NONE}",
        )


def _largest(settings: Settings) -> int | None:
    """Return the largest number of GPUs of a container: no more than its user may have."""
    limits = (settings.largest_gpus, settings.per_user_gpus)
    return min((each for each in limits if each is not None), default=None)


def least_gpus(settings: Settings) -> str:
    """Return the name of the setting that limits the GPUs of a container."""
    is_users = settings.per_user_gpus is not None and settings.per_user_gpus == _largest(settings)
    return "gpus.per_user" if is_users else "gpus.largest"


def cgroup(wanted: str | None, account: Account, settings: Settings) -> str | None:
    """Return the parent cgroup of a container: that of the settings, or one below it.

    Raises UsageError if the wanted one is not valid, and NotAllowedError if it is elsewhere.
    """
    own = settings.cgroup_parent
    if settings.slice_group:
        own = get_user_slice_name(settings.slice_group, account.login)
    if own is None:
        return _cgroup(wanted)
    if wanted is None:
        return own
    path, top = _parts(wanted), _parts(own)
    if path == top:
        return own
    # systemd.slice(5): a-b.slice is below a.slice. Other cgroups form a tree of paths.
    is_slice_below = (
        wanted.endswith(".slice")
        and own.endswith(".slice")
        and "/" not in wanted
        and wanted.startswith(f"{own.removesuffix('.slice')}-")
    )
    if is_slice_below or (".." not in path and path[: len(top)] == top):
        return _cgroup(wanted)
    raise NotAllowedError(
        f"Your containers have to be under the cgroup {own}, not under {wanted}. {_ASK}"
    )


def _parts(cgroup: str) -> list[str]:
    return [part for part in cgroup.split("/") if part]


def _cgroup(wanted: str | None) -> str | None:
    if not wanted:
        return wanted
    parts = wanted.split("/")
    is_long = any(len(part) > _LONGEST_NAME for part in parts) or len(parts) > _LONGEST_NAME
    if is_long or ".." in parts or not CGROUP.fullmatch(wanted):
        raise UsageError(
            f"--cgroup-parent {shown(wanted)} is neither a slice nor a cgroup path.",
            "For example: --cgroup-parent ds01-students.slice",
        )
    return wanted


def check_base(reference: Reference, settings: Settings) -> None:
    """Raise NotAllowedError for an image that the setting `images.bases` does not allow."""
    names = {str(reference), reference.repository}
    for prefix in _DEFAULT_REGISTRY:
        names |= {name.removeprefix(prefix) for name in names}
    if not any(fnmatchcase(name, pattern) for name in names for pattern in settings.bases):
        raise NotAllowedError(
            f"The image {reference} is not allowed here. Allowed: {', '.join(settings.bases)}"
        )


def check_image(
    reference: Reference, image_labels: Mapping[str, str], account: Account, settings: Settings
) -> None:
    """As `check_base`, but for an image of the user's own project its base is checked."""
    if is_own_project(reference, account):
        if base := image_labels.get(BASE_NAME):
            check_base(parse_reference(base), settings)
        return
    check_base(reference, settings)


def _within(
    flag: str, said: str | None, wanted: int | None, limit: int | None, most: str
) -> int | None:
    if wanted is not None and limit is not None and wanted > limit:
        raise NotAllowedError(f"{flag} {said} is more than is allowed here: at most {most}. {_ASK}")
    return limit if wanted is None else wanted


def _cores(text: str) -> int:
    try:
        cores = float(text) if text.isascii() else 0
    except ValueError:
        cores = 0
    if not 0.01 <= cores < 10**6:
        raise UsageError(f"--cpus {shown(text)} is not understood.", "For example: --cpus 4")
    return round(cores * NANO)


def _processes(text: str) -> int:
    if not (_COUNT.fullmatch(text) and int(text)):
        raise UsageError(f"--pids-limit {shown(text)} is not understood.", "For example: 4096")
    return int(text)
