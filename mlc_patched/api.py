"""The Python API: each verb as a function that returns a result or raises an MlcError.

Every function takes an optional `context`, which says who calls and which engine is used;
without one, the process's own user and environment count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .containers import create as _create
from .containers import export as _export
from .containers import import_ as _import
from .containers import list as _list
from .containers import open as _open
from .containers import remove as _remove
from .containers import start as _start
from .containers import stats as _stats
from .containers import stop as _stop
from .containers.create import Created
from .containers.export import Exported
from .containers.list import Listed
from .containers.open import Opened
from .containers.remove import Removed
from .containers.start import Started
from .containers.stats import Measured
from .containers.stop import Stopped
from .context import Context
from .plan.container import CUSTOM, LATEST, CreateRequest


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
        framework: framework of the catalog; a mere word for a label when `image` is given.
        version: version of the framework; likewise.
        image: make it from this image instead of one of the catalog.
        architecture: GPU architecture by AIME's name; else MLC_ARCH, else the host's.
        gpus: `all`, a number, `device=ID[,ID]` or `none`.
        workspace: directory that becomes /workspace; `~/workspace` when not given.
        data: directory that becomes /data.
        models: directory that becomes /models.
        shm_size: shared memory of its own, such as `16g`, instead of the host's.
        cgroup_parent: cgroup or slice to put it under.
        labels: labels of your own for it.
        cpus: at most so many cores.
        memory: at most so much memory, such as `64g`.
        pids_limit: at most so many processes.
        context: who calls, and the engine.

    Raises:
        UsageError: an argument cannot be meant.
        AlreadyExistsError: there is a container of this name.
        NotFoundError: a directory, catalog row or image does not exist.
        SetupError: the account could not be set up in the image.
        EngineError: the engine refused or cannot be reached. Nothing is left in any case.
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
    return _create.create(request, context or Context())


def open(name: str, *, context: Context | None = None) -> Opened:
    """Open a shell in a container, as `mlc open` does.

    Raises:
        NotFoundError: there is no such container.
        EngineError: it cannot be started, or Docker's client is missing.
    """
    return _open.open_shell(name, context or Context())


def start(
    name: str,
    command: Sequence[str] = (),
    *,
    detach: bool = False,
    context: Context | None = None,
) -> Started:
    """Start a container, and run a command in it: one word is a line for its bash.

    Raises:
        NotFoundError: there is no such container.
        EngineError: it cannot be started.
    """
    return _start.start(name, context or Context(), command, detach=detach)


def stop(name: str, *, context: Context | None = None) -> Stopped:
    """Stop a container.

    Raises:
        NotFoundError: there is no such container.
        EngineError: the engine could not stop it.
    """
    return _stop.stop(name, context or Context())


def remove(name: str, *, keep_image: bool = False, context: Context | None = None) -> Removed:
    """Remove a stopped container, and the image that was committed for it.

    Raises:
        NotFoundError: there is no such container.
        MlcError: it is running.
        EngineError: the engine could not remove it.
    """
    return _remove.remove(name, context or Context(), keep_image=keep_image)


def list_containers(
    *, all_users: bool = False, sizes: bool = False, context: Context | None = None
) -> list[Listed]:
    """Return the containers, ordered by name; `sizes` measures what each has written.

    Raises:
        EngineError: the engine did not answer.
    """
    return _list.list_containers(context or Context(), all_users=all_users, sizes=sizes)


def stats(*, all_users: bool = False, context: Context | None = None) -> list[Measured]:
    """Return what the running containers use now.

    Raises:
        EngineError: the engine did not answer.
    """
    return _stats.stats(context or Context(), all_users=all_users)


def export(
    name: str, file: str | None = None, *, force: bool = False, context: Context | None = None
) -> Exported:
    """Write a container into a file; `force` replaces one that is there.

    Raises:
        NotFoundError: there is no such container.
        AlreadyExistsError: the file is there.
        MlcError: the file cannot be written.
    """
    return _export.export(name, context or Context(), file, force=force)


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
    """Make a container of a file that `export` wrote; arguments as for `create`.

    Raises:
        MlcError: the file cannot be read or is no archive of ours; otherwise as `create`.
    """
    request = _import.ImportRequest(file, name, architecture, gpus, workspace, data, models)
    return _import.import_(request, context or Context())
