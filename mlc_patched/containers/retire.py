"""container-retire: stop and remove a container or cluster service, saved as an image first if
asked for."""

from __future__ import annotations

import signal

from ..context import Context
from ..engine.interface import Container
from ..errors import CleanupSkipped, EngineError, EngineUnreachableError, MlcError, Terminated
from ..host.account import refuse_root
from ..images.save import Saved, choose_name, clean, save
from ..interrupts import defer_signals
from ..lean import TYPE_CHECKING, dataclass
from ..names import labels
from ..names.containers import short_name
from ..undo import retry_once
from .remove import KeptVolume, remove

if TYPE_CHECKING:
    from typing import Any

    from .retire_cluster import ServiceRetirement


@dataclass(frozen=True)
class Retirement:
    """What is to be done with a container. `image` is the name to save it as, None if it is not
    saved; `replaces` says that an image has that name now."""

    name: str
    container: Container
    image: str | None = None
    replaces: bool = False


@dataclass(frozen=True)
class Retired:
    """A container that was removed, the image it was saved as, and what became of the image that
    was committed for it."""

    name: str
    tag: str
    saved: Saved | None = None
    image_removed: str | None = None
    image_kept: str = ""
    volumes_kept: tuple[KeptVolume, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the result for `--json`."""
        saved = None
        if self.saved is not None:
            saved = {
                "image": self.saved.image,
                "id": self.saved.image_id,
                "size": self.saved.size,
                "changes": self.saved.summary,
            }
        return {**vars(self), "saved": saved}


class _LeftStopped(Terminated):
    """An interrupt after the container was stopped, which is not rolled back."""

    def __init__(self, signal_number: int, name: str) -> None:
        super().__init__(signal_number)
        self.message = f"Interrupted; all changes were rolled back, but {name} is stopped."
        self.hint = f"Start it with: mlc start {name}"


def exists(name: str, context: Context) -> bool:
    """Whether the user has a container of this name, here or on the cluster."""
    from ..cluster.place import find_service

    return context.find(name) is not None or find_service(name, context) is not None


def plan_retirements(
    names: list[str], save_as: str | None, context: Context
) -> list[Retirement | ServiceRetirement]:
    """Check every container before the first one is changed; what is not here is a service.

    `save_as` is the tag to save each as; empty for a tag of the date, None not to save.

    Raises UsageError if two would be saved under one name or the tag is invalid, NotFoundError if
    there is no such container, and MlcError for root without sudo, or if a service is to be saved
    and it has no container, its node cannot be reached, or there is no registry.
    """
    refuse_root(context.account)
    planned: list[Retirement | ServiceRetirement] = []

    def is_taken(image: str) -> bool:
        return context.engine.image(image) is not None

    for name in dict.fromkeys(names):
        others = [other.image for other in planned]
        container = context.find(name)
        if container is None or container.labels.get(labels.JOB):
            from .retire_cluster import plan_service

            planned.append(plan_service(name, save_as, others, context))
            continue
        if save_as is None:
            planned.append(Retirement(name, container))
            continue
        image, replaces = choose_name(container, save_as, others, is_taken, context.account)
        planned.append(Retirement(name, container, image, replaces))
    return planned


def retire(plan: Retirement | ServiceRetirement, context: Context) -> Retired:
    """Retire a container or service. It is removed only once the saved image exists; a service only
    once that is in the registry.

    Raises SetupError if the saved image does not run as the user, RegistryError if it could not be
    pushed, or EngineError; the container or service stays, stopped.
    """
    if not isinstance(plan, Retirement):
        from .retire_cluster import retire_service

        return Retired(plan.name, plan.service.service.name, retire_service(plan, context))
    engine = context.engine
    with context.lock(plan.container.name):
        container = context.get(plan.name)
        if container.id != plan.container.id:
            raise MlcError(
                f"{plan.name} was replaced by another container in the meantime; nothing was done."
            )
        if plan.image is not None:
            clean(container, context)
        saved = None
        try:
            if container.is_running or plan.image is not None:
                context.report.step(f"Stopping {container.name}")
                engine.stop(container.id)
            if plan.image is not None:
                saved = save(container, plan.image, context)
        except KeyboardInterrupt as interrupt:
            was_running = container.is_running
            if not was_running or isinstance(interrupt, CleanupSkipped):
                raise
            number = getattr(interrupt, "signal_number", signal.SIGINT)
            raise _LeftStopped(number, short_name(container.name)) from None
        with defer_signals():  # if interrupted here, the container would be saved a second time
            if saved is not None:
                there = retry_once(lambda: engine.image(saved.image))
                if there is None or there.id != saved.image_id:
                    raise MlcError(
                        f"{saved.image} is not what was saved; {plan.name} was not removed."
                    )
            try:
                removed = remove(plan.name, is_saved=saved is not None, context=context)
            except EngineUnreachableError:
                raise
            except EngineError as error:  # the engine's message has only its ID
                error.message = f"{plan.name} was not removed: {error.message}"
                raise
    return Retired(
        short_name(container.name),
        container.name,
        saved,
        removed.image_removed,
        removed.image_kept,
        removed.volumes_kept,
    )
