"""stop: stop a container."""

from __future__ import annotations

from ..context import Context
from ..errors import MlcError
from ..lean import dataclass
from ..names import labels


@dataclass(frozen=True)
class Stopped:
    """A stopped container, and whether it was running."""

    name: str
    tag: str
    was_running: bool


def stop(name: str, *, context: Context | None = None) -> Stopped:
    """Stop a container; raises NotFoundError if it does not exist, EngineError if it cannot be
    stopped."""
    context = context or Context()
    container = context.get(name)
    if container.labels.get(labels.JOB):
        raise MlcError(
            f"{name} is a job of Slurm: stopping it would end the job and remove the container.",
            f"Remove it, saved if you like, with: container-retire {name} [--save]",
        )
    if container.is_running:
        context.report.step(f"Stopping {container.name}")
        context.engine.stop(container.id)
    return Stopped(name, container.name, container.is_running)
