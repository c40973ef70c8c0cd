"""Requests for a container, as the user made them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..lean import dataclass, field
from ..names.images import is_image_id, parse_reference
from ..names.projects import LATEST

CUSTOM = "custom"
ARCHITECTURE_VARIABLE = "MLC_ARCH"
GPUS_VARIABLE = "MLC_GPUS"
_LONGEST_DERIVED = 60


@dataclass(frozen=True)
class CreateRequest:
    """A request for a container. None means not given; directories may begin with `~`.

    With `image` the catalog is not used, and `framework` and `version` are only words for the
    label. `gpus` is `all`, a number, `device=ID[,ID]` or `none`; `shm_size` and `memory` are sizes
    such as `16g`, `cpus` is a number of cores, `pids_limit` a number of processes; `labels` are
    additional labels. `wait` is for GPUs, with the setting `gpus.assign = free`.
    """

    name: str
    framework: str = CUSTOM
    version: str = LATEST
    image: str | None = None
    architecture: str | None = None
    gpus: str | None = None
    workspace: str | None = None
    data: str | None = None
    models: str | None = None
    shm_size: str | None = None
    cgroup_parent: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    cpus: str | None = None
    memory: str | None = None
    pids_limit: str | None = None
    wait: bool = False


_NO_OPTIONS = CreateRequest("")


@dataclass(frozen=True)
class DeployRequest:
    """A request to deploy. `options` is everything but the name and the image. At most one of
    `project`, `image` and `framework` is given; without one, the project is named `name`."""

    name: str | None = None
    project: str | None = None
    image: str | None = None
    framework: str | None = None
    version: str | None = None
    options: CreateRequest = _NO_OPTIONS


def container_name_from(image: str) -> str:
    """Return a container name for an image: `aimehub/pytorch-2.x.x` gives `pytorch-2-x-x`."""
    if is_image_id(image):
        return f"image-{image.removeprefix('sha256:')[:12]}"
    return allowed_name(parse_reference(image).repository.rpartition("/")[2])


def allowed_name(text: str) -> str:
    """Return the valid container name that is most like a text."""
    plain = re.sub(r"[^A-Za-z0-9_]+", "-", text).strip("-_")[:_LONGEST_DERIVED].rstrip("-_")
    return plain or "container"
