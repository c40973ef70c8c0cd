"""The Python API: each command as a function that returns a result or raises an MlcError.

Every function takes an optional `context`: the caller, the environment and the engine. Without
one, those of the process are used.
"""

from __future__ import annotations

from collections.abc import Mapping

from .containers import create as _create
from .containers import import_ as _import
from .containers.create import Created
from .containers.export import export
from .containers.list import list_containers
from .containers.open import open_shell as open
from .containers.remove import remove
from .containers.start import start
from .containers.stats import stats
from .containers.stop import stop
from .context import Context
from .names.projects import LATEST
from .plan.request import CUSTOM, CreateRequest

__all__ = [
    "create",
    "export",
    "import_",
    "list_containers",
    "open",
    "remove",
    "start",
    "stats",
    "stop",
]


def create(
    name: str,
    framework: str = CUSTOM,
    version: str = LATEST,
    *,
    image: str | None = None,
    architecture: str | None = None,
    gpus: str | None = None,
    workspace: str | None = None,
    data: str | None = None,
    models: str | None = None,
    shm_size: str | None = None,
    cgroup_parent: str | None = None,
    labels: Mapping[str, str] | None = None,
    cpus: float | None = None,
    memory: str | None = None,
    pids_limit: int | None = None,
    context: Context | None = None,
) -> Created:
    """Create a container.

    Args:
        name: its name, without the UID.
        framework: framework of the catalog; with `image`, only a word for the label.
        version: version of the framework; with `image`, only a word for the label.
        image: image to use instead of one from the catalog.
        architecture: GPU architecture by AIME's name; else MLC_ARCH, else the host's.
        gpus: `all`, a number, `device=ID[,ID]` or `none`.
        workspace: directory mounted as /workspace; `~/workspace` by default.
        data: directory mounted as /data.
        models: directory mounted as /models.
        shm_size: private shared memory such as `16g`, instead of the host's.
        cgroup_parent: parent cgroup or slice.
        labels: additional labels.
        cpus: maximum number of cores.
        memory: maximum memory, such as `64g`.
        pids_limit: maximum number of processes.
        context: the caller and the engine.

    Raises:
        UsageError: an argument is invalid.
        AlreadyExistsError: the user has a container of this name.
        NotFoundError: a directory, catalog row or image does not exist.
        SetupError: the account could not be set up in the image.
        EngineError: the engine refused or cannot be reached. On any error, nothing is left behind.
    """
    request = CreateRequest(
        name=name,
        framework=framework,
        version=version,
        image=image,
        architecture=architecture,
        gpus=gpus,
        workspace=workspace,
        data=data,
        models=models,
        shm_size=shm_size,
        cgroup_parent=cgroup_parent,
        labels=dict(labels or {}),
        cpus=None if cpus is None else str(cpus),
        memory=memory,
        pids_limit=None if pids_limit is None else str(pids_limit),
    )
    return _create.create(request, context)


def import_(
    file: str,
    name: str | None = None,
    *,
    architecture: str | None = None,
    gpus: str | None = None,
    workspace: str | None = None,
    data: str | None = None,
    models: str | None = None,
    context: Context | None = None,
) -> Created:
    """Create a container from a file that `export` wrote; arguments as for `create`.

    Raises:
        MlcError: the file cannot be read or was not written by `export`; else as `create`.
    """
    request = _import.ImportRequest(file, name, architecture, gpus, workspace, data, models)
    return _import.import_(request, context)
