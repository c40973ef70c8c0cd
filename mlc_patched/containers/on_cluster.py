"""Containers that a cluster runs, which no command of one engine may stop or remove."""

from __future__ import annotations

import contextlib

from ..context import Context
from ..engine.interface import Container
from ..errors import EngineError, MlcError, NotFoundError
from ..lean import TYPE_CHECKING
from ..names import labels

if TYPE_CHECKING:
    from ..cluster.interface import Found


def get_here(name: str, context: Context) -> Container:
    """Return the user's container of this name on this engine, to stop or remove it.

    Raises NotFoundError, or MlcError with the command to use if it is on the cluster.
    """
    from ..cluster.choose import scheduler_of

    try:
        return context.get(name)
    except NotFoundError:
        if _found(name, context) is not None:
            raise _is_on_cluster(name, scheduler_of(context).name) from None
        raise


def get_to_export(name: str, context: Context) -> Container:
    """Return the user's container of this name on this engine.

    Raises NotFoundError, or MlcError that says where it is if it is on the cluster.
    """
    try:
        return context.get(name)
    except NotFoundError:
        found = _found(name, context)
        if found is None:
            raise
        raise MlcError(
            f"{name} is on the cluster, not on this host: {found.state.sentence}",
            f"Export it on its node, or save it as an image with: container-retire {name} --save",
        ) from None


def _found(name: str, context: Context) -> Found | None:
    from ..cluster.place import find_service

    with contextlib.suppress(EngineError):
        return find_service(name, context)
    return None


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
