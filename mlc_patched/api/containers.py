"""The Python API for containers, their jobs, and this machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ..containers import background as _background
from ..containers import create as _create
from ..containers import deploy as _deploy
from ..containers import existing as _existing
from ..containers import import_ as _import
from ..containers import jobs as _jobs
from ..containers import retire as _retire
from ..containers.create import Created
from ..containers.deploy import Deployed
from ..containers.export import Exported, export
from ..containers.gpu_usage import GpuUsage, gpu_usage
from ..containers.jobs import Job
from ..containers.jupyter import Jupyter, jupyter, stop_jupyter
from ..containers.list import Listed, list_containers
from ..containers.open import Opened
from ..containers.open import open_shell as open
from ..containers.remove import Removed, remove
from ..containers.retire import Retired
from ..containers.run import Completed, run
from ..containers.source import resolve as _resolve
from ..containers.start import Started, start
from ..containers.stats import Measured, stats
from ..containers.stop import Stopped, stop
from ..context import Context
from ..errors import UsageError
from ..maintenance import doctor as _doctor
from ..maintenance.checks import Finding
from ..names.projects import LATEST
from ..plan.request import CUSTOM, CreateRequest, DeployRequest
from .paths import as_text

__all__ = [
    "Completed",
    "Created",
    "Deployed",
    "Exported",
    "Finding",
    "GpuUsage",
    "Job",
    "Jupyter",
    "Listed",
    "Measured",
    "Opened",
    "Removed",
    "Retired",
    "Started",
    "Stopped",
    "create",
    "deploy",
    "doctor",
    "export",
    "gpu_usage",
    "import_",
    "jobs",
    "jupyter",
    "list_containers",
    "logs",
    "open",
    "remove",
    "retire",
    "run",
    "start",
    "stats",
    "stop",
    "stop_jupyter",
    "wait",
]


def create(
    name: str,
    framework: str = CUSTOM,
    version: str = LATEST,
    *,
    image: str | None = None,
    architecture: str | None = None,
    gpus: str | int | None = None,
    workspace: str | os.PathLike[str] | None = None,
    data: str | os.PathLike[str] | None = None,
    models: str | os.PathLike[str] | None = None,
    shm_size: str | None = None,
    cgroup_parent: str | None = None,
    labels: Mapping[str, str] | None = None,
    cpus: float | None = None,
    memory: str | None = None,
    pids_limit: int | None = None,
    wait_for_gpus: bool = False,
    exist_ok: bool = False,
    context: Context | None = None,
) -> Created:
    """Create a container, without starting it.

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
        wait_for_gpus: wait until GPUs are free, with the setting `gpus.assign = free`.
        exist_ok: whether to keep a container that exists, if it has all that is named.
        context: the caller and the engine.

    Raises:
        UsageError: an argument is invalid.
        AlreadyExistsError: the user has a container of this name; with `exist_ok`, a different one.
        NotFoundError: a directory, catalog row or image does not exist.
        SetupError: the account could not be set up in the image.
        EngineError: the engine refused or cannot be reached. On any error, nothing is left behind.
    """
    request = CreateRequest(
        name=name,
        framework=framework,
        version=version,
        image=image,
        labels=dict(labels or {}),
        **_machine(architecture, gpus, workspace, data, models, wait_for_gpus),
        **_limits(shm_size, cgroup_parent, cpus, memory, pids_limit),
    )
    if exist_ok:
        return _existing.create_or_keep(request, context or Context())
    return _create.create(request, context)


def deploy(
    name: str | None = None,
    *,
    project: str | None = None,
    image: str | None = None,
    framework: str | None = None,
    version: str | None = None,
    start: bool = True,
    architecture: str | None = None,
    gpus: str | int | None = None,
    workspace: str | os.PathLike[str] | None = None,
    data: str | os.PathLike[str] | None = None,
    models: str | os.PathLike[str] | None = None,
    shm_size: str | None = None,
    cgroup_parent: str | None = None,
    cpus: float | None = None,
    memory: str | None = None,
    pids_limit: int | None = None,
    wait_for_gpus: bool = False,
    exist_ok: bool = False,
    context: Context | None = None,
) -> Deployed:
    """Create a container from a project's image, or another one, and start it.

    Arguments that are not here are those of `create`.

    Args:
        name: its name, and that of the project if nothing else says what to create it from;
            without one it is named after the image.
        project: project whose image to use.
        image: image to use instead of a project's.
        framework: framework of the catalog, instead of an image.
        version: version of the framework; the newest by default.
        start: whether to start it.

    Raises:
        MlcError: as `create`, or it could not be started; then it has been removed again.
    """
    context = context or Context()
    request = DeployRequest(
        name=name,
        project=project,
        image=image,
        framework=framework,
        version=version,
        options=CreateRequest(
            name="",
            **_machine(architecture, gpus, workspace, data, models, wait_for_gpus),
            **_limits(shm_size, cgroup_parent, cpus, memory, pids_limit),
        ),
    )
    deploy = _deploy.deploy_or_keep if exist_ok else _deploy.deploy
    return deploy(_resolve(request, context, exist_ok=exist_ok), context, start=start)


def import_(
    file: str | os.PathLike[str],
    name: str | None = None,
    *,
    architecture: str | None = None,
    gpus: str | int | None = None,
    workspace: str | os.PathLike[str] | None = None,
    data: str | os.PathLike[str] | None = None,
    models: str | os.PathLike[str] | None = None,
    wait_for_gpus: bool = False,
    context: Context | None = None,
) -> Created:
    """Create a container from a file that `export` wrote.

    Arguments are those of `create`; by default they are the exported container's.

    Raises:
        MlcError: the file cannot be read or was not written by `export`; it mounts a directory
            that is not below the home, and that was not named; else as `create`.
    """
    machine = _machine(architecture, gpus, workspace, data, models, wait_for_gpus)
    return _import.import_(_import.ImportRequest(os.fspath(file), name, **machine), context)


def retire(
    name: str, *, save: bool = False, tag: str | None = None, context: Context | None = None
) -> Retired:
    """Stop and remove a container, or a service on the cluster.

    Args:
        name: its name.
        save: whether to save it as an image of its project first.
        tag: tag of that image, which is replaced if there is one; by default one of the date.

    Raises:
        NotFoundError: there is no such container.
        SetupError: the saved image does not run as the user; the container stays, stopped.
    """
    context = context or Context()
    save_as = (tag or "") if save or tag is not None else None
    (plan,) = _retire.plan_retirements([name], save_as, context)
    return _retire.retire(plan, context)


def jobs(name: str, *, context: Context | None = None) -> list[Job]:
    """Return the jobs of a container, oldest first: what `start` runs with `detach`.

    Raises:
        NotFoundError: there is no such container.
    """
    context = context or Context()
    return _jobs.jobs_of(context.get(name), context)


def logs(
    name: str, job: int | None = None, *, tail: int | None = None, context: Context | None = None
) -> str:
    """Return the output of a job, also of a stopped container.

    Args:
        name: the container.
        job: number of the job; the last one by default.
        tail: only this many lines of its end.

    Raises:
        UsageError: `tail` is negative.
        NotFoundError: there is no such container or job, or its output was deleted.
    """
    if tail is not None and tail < 0:
        raise UsageError(f"tail is {tail}; it must be a number of lines.")
    context = context or Context()
    container, found = _jobs.find_job(name, job, context)
    if tail is not None:
        output = _background.last_output(container, found, tail, context)
    else:
        output = b"".join(_background.output_of(container, found, context))
    return output.decode(errors="replace")


def wait(name: str, job: int | None = None, *, context: Context | None = None) -> Job:
    """Wait until a job has ended, and return it with its exit status.

    Args:
        name: the container.
        job: number of the job; the last one by default.

    Raises:
        NotFoundError: there is no such container or job.
        EngineError: Docker's client is missing or too old.
    """
    return _background.wait(name, job, context=context)


def doctor(*, repair: bool = False, context: Context | None = None) -> list[Finding]:
    """Check this machine, and return what was found, good and bad.

    Args:
        repair: whether to fix what is safe to fix, and check once more.
    """
    context = context or Context()
    findings = _doctor.doctor(context)
    if repair and any(each.repair for each in findings):
        _doctor.repair(findings, context)
        findings = _doctor.doctor(context)
    return findings


def _machine(
    architecture: str | None,
    gpus: str | int | None,
    workspace: str | os.PathLike[str] | None,
    data: str | os.PathLike[str] | None,
    models: str | os.PathLike[str] | None,
    wait: bool,
) -> dict[str, Any]:
    """Return where and on what a container works, as requests take it."""
    return {
        "architecture": architecture,
        "gpus": None if gpus is None else str(gpus),
        "workspace": as_text(workspace),
        "data": as_text(data),
        "models": as_text(models),
        "wait": wait,
    }


def _limits(
    shm_size: str | None,
    cgroup_parent: str | None,
    cpus: float | None,
    memory: str | None,
    pids_limit: int | None,
) -> dict[str, Any]:
    """Return a container's limits, as requests take them."""
    return {
        "shm_size": shm_size,
        "cgroup_parent": cgroup_parent,
        "cpus": None if cpus is None else str(cpus),
        "memory": memory,
        "pids_limit": None if pids_limit is None else str(pids_limit),
    }
