"""stop: stop a container."""

from __future__ import annotations

from ..context import Context
from ..lean import dataclass
from .on_cluster import get_here, refuse_job


@dataclass(frozen=True)
class Stopped:
    """A stopped container, and whether it was running."""

    name: str
    tag: str
    was_running: bool


def stop(name: str, *, context: Context | None = None) -> Stopped:
    """Stop a container; raises NotFoundError if it does not exist, MlcError if the cluster runs it,
    EngineError if it cannot be stopped."""
    context = context or Context()
    container = get_here(name, context)
    refuse_job(container, name)
    if container.is_running:
        context.report.step(f"Stopping {container.name}")
        context.engine.stop(container.id)
    return Stopped(name, container.name, container.is_running)
