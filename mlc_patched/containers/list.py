"""list: the containers of a user, or of all users."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..context import Context
from ..engine.interface import Container
from ..names import labels
from ..names.containers import short_name


@dataclass(frozen=True)
class Listed:
    """One container as `list` shows it. `size` is in bytes, None where it was not measured."""

    name: str
    tag: str
    user: str
    framework: str
    status: str
    state: str
    architecture: str
    workspace: str
    data: str
    models: str
    gpus: str
    size: int | None

    def as_json(self) -> dict[str, Any]:
        """Return the container for `--json`."""
        return dict(vars(self))


def list_containers(
    context: Context, *, all_users: bool = False, sizes: bool = False
) -> list[Listed]:
    """Return containers ordered by name, in one engine call however many there are.

    Args:
        context: who calls, and the engine.
        all_users: those of every user, not the caller's alone.
        sizes: measure how much each has written, which takes time.

    Raises:
        EngineError: the engine did not answer.
    """
    found = context.containers(all_users=all_users, sizes=sizes)
    # An image saved of a container bears its labels with nothing in them; so do its containers.
    found = [each for each in found if each.labels[labels.OWNER]]
    return sorted((_listed(each) for each in found), key=lambda each: (each.name, each.tag))


def _listed(container: Container) -> Listed:
    def label(name: str) -> str:
        return container.labels.get(name) or labels.NOT_GIVEN

    return Listed(
        name=short_name(container.name),
        tag=container.name,
        user=label(labels.OWNER),
        framework=label(labels.FRAMEWORK),
        status=container.status,
        state=container.state,
        architecture=label(labels.ARCHITECTURE),
        workspace=label(labels.WORKSPACE),
        data=label(labels.DATA),
        models=label(labels.MODELS),
        gpus=label(labels.GPUS),
        size=container.size,
    )
