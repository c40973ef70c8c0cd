"""Containers that a cluster runs, which no command of one engine may stop or remove."""

from __future__ import annotations

import contextlib

from ..context import Context
from ..engine.interface import Container
from ..errors import EngineError, MlcError, NotFoundError
from ..names import labels


def get_here(name: str, context: Context) -> Container:
    """Return the user's container of this name on this engine, to stop or remove it.

    Raises NotFoundError, or MlcError with the command to use if it is on the cluster.
    """
    from ..cluster.choose import scheduler_of
    from ..cluster.place import find_service

    try:
        return context.get(name)
    except NotFoundError:
        with contextlib.suppress(EngineError):
            if find_service(name, context) is not None:
                raise _is_on_cluster(name, scheduler_of(context).name) from None
        raise


def refuse_job(container: Container, name: str) -> None:
    """Raise MlcError if a job of Slurm runs the container: the job would end with it."""
    if container.labels.get(labels.JOB):
        raise _is_on_cluster(name, "Slurm")


def _is_on_cluster(name: str, cluster: str) -> MlcError:
    what = "job" if cluster == "Slurm" else "service"
    return MlcError(
        f"{name} runs as a {cluster} {what}, which would end if its container were stopped or "
        "removed.",
        f"Remove it, saved if you like, with: container-retire {name} [--save]",
    )
