"""container-retire: a container stops and goes, saved as an image first where that is wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..context import Context
from ..engine.interface import Container
from ..errors import MlcError, NotFoundError, UsageError
from ..host.account import refuse_root
from ..images.save import Saved, clean, save, target
from ..interrupts import defer_signals
from ..names.containers import short_name
from ..undo import retry_once
from .remove import remove

if TYPE_CHECKING:
    from .cluster_retire import ServiceRetirement


@dataclass(frozen=True)
class Retirement:
    """What is to be done with a container: `image` is the name to save it as, None where it is
    not saved, and `replaces` tells that an image has that name now."""

    name: str
    container: Container
    image: str | None = None
    replaces: bool = False


@dataclass(frozen=True)
class Retired:
    """A container that is gone, the image it was saved as, and what became of the image that
    was committed for it."""

    name: str
    tag: str
    saved: Saved | None = None
    image_removed: str | None = None
    image_kept: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the result for `--json`."""
        saved = None
        if self.saved is not None:
            saved = {
                "image": self.saved.image,
                "id": self.saved.image_id,
                "size": self.saved.size,
                "changes": self.saved.summary.as_json(),
            }
        return {**vars(self), "saved": saved}


def plan_retirements(
    names: list[str], save_as: str | None, context: Context
) -> list[Retirement | ServiceRetirement]:
    """Look at containers before the first of them is touched: here, else on the cluster.

    Args:
        names: the containers' names.
        save_as: tag to save each as; empty for one of the date, None for not at all.
        context: who calls, and the engine.

    Raises:
        UsageError: two would be saved under one name, or the tag cannot be one.
        NotFoundError: there is no such container.
        MlcError: root called without sudo.
    """
    refuse_root(context.account)
    planned: list[Retirement | ServiceRetirement] = []
    for name in dict.fromkeys(names):
        container = context.find(name)
        if container is None:
            from .cluster_retire import plan_service_retirement

            if (on_cluster := plan_service_retirement(name, save_as, context)) is not None:
                planned.append(on_cluster)
                continue
            raise NotFoundError(
                f"You have no container {name!r}. See those you have with: container-list"
            )
        if save_as is None:
            planned.append(Retirement(name, container))
            continue
        image = target(container, save_as, context.account)
        if not save_as:
            image = _free(image, planned, context)
        elif any(other.image == image for other in planned):
            raise UsageError(
                f"Both would be saved as {image}. Retire them one by one, or leave the tag out."
            )
        replaces = context.engine.image(image) is not None
        planned.append(Retirement(name, container, image, replaces))
    return planned


def retire(plan: Retirement | ServiceRetirement, context: Context) -> Retired:
    """Carry a retirement out. The container goes only when the saved image is there.

    Raises:
        SetupError: the saved image does not run as the user; the container stays, stopped.
        EngineError: the engine failed; the container stays.
    """
    if not isinstance(plan, Retirement):
        from .cluster_retire import retire_service

        return retire_service(plan, context)
    engine = context.engine
    with context.lock(plan.container.name):
        container = context.get(plan.name)
        if container.id != plan.container.id:
            raise MlcError(f"{plan.name} became another container meanwhile; nothing was done.")
        if plan.image is not None:
            clean(container, context)
        if container.is_running or plan.image is not None:
            context.report.step(f"Stopping {container.name}")
            engine.stop(container.id)
        saved = None
        if plan.image is not None:
            saved = save(container, plan.image, context)
        with defer_signals():  # what was saved under the date would be saved once more
            if saved is not None:
                there = retry_once(lambda: engine.image(saved.image))
                if there is None or there.id != saved.image_id:
                    raise MlcError(
                        f"{saved.image} is not what was saved; {plan.name} was not removed."
                    )
            removed = remove(plan.name, context)
    return Retired(
        short_name(container.name),
        container.name,
        saved,
        removed.image_removed,
        removed.image_kept,
    )


def _free(image: str, planned: list[Retirement | ServiceRetirement], context: Context) -> str:
    """Return a name for a saved image that none has, by a number at the end."""
    taken = {other.image for other in planned}
    number, name = 2, image
    while name in taken or context.engine.image(name) is not None:
        name, number = f"{image}-{number}", number + 1
    return name
