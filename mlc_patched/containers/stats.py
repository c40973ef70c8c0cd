"""stats: what the running containers are using."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from ..context import Context
from ..engine.observations import Stats
from ..lean import TYPE_CHECKING, dataclass
from ..names import labels
from ..names.containers import short_name

if TYPE_CHECKING:
    from typing import Any

_AT_ONCE = 16


@dataclass(frozen=True)
class Measured:
    """A running container and what it is using."""

    name: str
    tag: str
    user: str
    usage: Stats

    def as_json(self) -> dict[str, Any]:
        """Return the measurement for `--json`: bytes, and percent of one core."""
        return {
            "name": self.name,
            "tag": self.tag,
            "user": self.user,
            "cpu_percent": round(self.usage.cpu_percent, 2),
            "memory_bytes": self.usage.memory,
            "memory_limit_bytes": self.usage.memory_limit,
            "memory_percent": round(self.usage.memory_percent, 2),
            "pids": self.usage.processes,
        }


def stats(*, all_users: bool = False, context: Context | None = None) -> list[Measured]:
    """Measure the caller's running containers, or with `all_users` everybody's, concurrently.

    Raises EngineError if the engine does not answer.
    """
    context = context or Context()
    engine = context.engine
    running = [each for each in context.containers(all_users=all_users) if each.is_running]
    if not running:
        return []
    context.report.step("Measuring")  # the engine takes two samples a second apart
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        usages = list(pool.map(lambda container: engine.stats(container.id), running))
    measured = [
        Measured(short_name(each.name), each.name, each.labels[labels.OWNER], usage)
        for each, usage in zip(running, usages, strict=True)
        if usage is not None
    ]
    return sorted(measured, key=lambda each: (each.name, each.tag))
