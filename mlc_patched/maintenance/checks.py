"""What a check of doctor is given, and what it returns.

A check is a function that takes a `Machine` and returns one `Finding` or several: the facts are
gathered and judged in one place, in a module `checks_…`. `doctor.CHECKS` lists them.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from ..context import Context
from ..engine.interface import Image
from ..engine.observations import EngineInfo
from ..errors import MlcError
from ..lean import dataclass


class Health(enum.Enum):
    """How something is."""

    OK = "ok"
    WARNING = "warning"
    BROKEN = "broken"


@dataclass(frozen=True)
class Repair:
    """What `--repair` can do about a finding. It never removes anything that a user made."""

    words: str
    run: Callable[[Context], object]


@dataclass(frozen=True)
class Finding:
    """One line of the report: what was checked, its health, and the command that fixes it."""

    name: str
    health: Health
    text: str
    remedy: str = ""
    repair: Repair | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it for `--json`."""
        return {
            "check": self.name,
            "health": self.health.value,
            "text": self.text,
            "remedy": self.remedy,
            "repairable": self.repair is not None,
        }


@dataclass
class Machine:
    """What several checks need: the caller's context, and what the engine reports about itself,
    None if it does not answer; `error` says why."""

    context: Context
    info: EngineInfo | None
    error: MlcError | None = None

    @cached_property
    def has_settings(self) -> bool:
        """Whether the settings can be read; if not, the check `settings` says why."""
        try:
            return self.context.settings is not None
        except MlcError:
            return False

    @property
    def prune_command(self) -> str:
        """The command that removes the leftovers that the caller is shown: root's are all."""
        return "mlc prune --all-users" if self.context.account.is_root else "mlc prune"

    @cached_property
    def images(self) -> list[Image]:
        """The engine's images that have a name."""
        return self.context.engine.find_images() if self.info else []


Check = Callable[[Machine], "Finding | Sequence[Finding]"]


def ok(name: str, text: str) -> Finding:
    """Return a finding that nothing is wrong."""
    return Finding(name, Health.OK, text)


def warning(name: str, text: str, remedy: str, repair: Repair | None = None) -> Finding:
    """Return a finding that something may fail."""
    return Finding(name, Health.WARNING, text, remedy, repair)


def broken(name: str, text: str, remedy: str) -> Finding:
    """Return a finding that something does not work."""
    return Finding(name, Health.BROKEN, text, remedy)
