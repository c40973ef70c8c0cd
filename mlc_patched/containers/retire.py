"""container-retire: stop and remove a container or cluster service, saved as an image first if
asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..context import Context
from ..engine.interface import Container
from ..errors import MlcError, SetupError, UsageError
from ..host.account import refuse_root
from ..images.save import Saved, clean, save, target
from ..images.volumes import unsaved_volumes
from ..interrupts import defer_signals
from ..names.containers import first_free, short_name
from ..names.images import parse_reference
from ..undo import Undo, retry_once
from .remove import KeptVolume, remove

if TYPE_CHECKING:
    from ..cluster.place import Found, Place


@dataclass(frozen=True)
class Retirement:
    """What is to be done with a container. `image` is the name to save it as, None if it is not
    saved; `replaces` says that an image has that name now."""

    name: str
    container: Container
    image: str | None = None
    replaces: bool = False


@dataclass(frozen=True)
class ServiceRetirement:
    """What is to be done with a cluster service, as in `Retirement`; `place` is set if it is
    saved."""

    name: str
    service: Found
    place: Place | None = None
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
    for name in dict.fromkeys(names):
        container = context.find(name)
        if container is None:
            planned.append(_plan_service(name, save_as, context))
            continue
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
    """Retire a container or service. It is removed only once the saved image exists; a service only
    once that is in the registry.

    Raises SetupError if the saved image does not run as the user, RegistryError if it could not be
    pushed, or EngineError; the container or service stays, stopped.
    """
    if isinstance(plan, ServiceRetirement):
        return _retire_service(plan, context)
    engine = context.engine
    with context.lock(plan.container.name):
        container = context.get(plan.name)
        if container.id != plan.container.id:
            raise MlcError(
                f"{plan.name} was replaced by another container in the meantime; nothing was done."
            )
        if plan.image is not None:
            clean(container, context)
        if container.is_running or plan.image is not None:
            context.report.step(f"Stopping {container.name}")
            engine.stop(container.id)
        saved = save(container, plan.image, context) if plan.image is not None else None
        with defer_signals():  # if interrupted here, the container would be saved a second time
            if saved is not None:
                there = retry_once(lambda: engine.image(saved.image))
                if there is None or there.id != saved.image_id:
                    raise MlcError(
                        f"{saved.image} is not what was saved; {plan.name} was not removed."
                    )
            removed = remove(plan.name, is_saved=saved is not None, context=context)
    return Retired(
        short_name(container.name),
        container.name,
        saved,
        removed.image_removed,
        removed.image_kept,
        removed.volumes_kept,
    )


def _plan_service(name: str, save_as: str | None, context: Context) -> ServiceRetirement:
    from ..cluster.place import find_service, place_of
    from ..engine.registry import require_registry
    from ..images.fetch import site_registry

    service = find_service(name, context)
    if service is None:
        raise context.not_found(name, "container-list")
    if save_as is None:
        _refuse_unsaved_volumes(service, context)
        return ServiceRetirement(name, service)
    require_registry(site_registry(context))
    place = place_of(service, context)
    image = target(place.container, save_as, context.account)
    replaces = place.context.engine.image(image) is not None
    return ServiceRetirement(name, service, place, image, replaces)


def _refuse_unsaved_volumes(service: Found, context: Context) -> None:
    """Refuse to remove a service whose container has files in volumes that no image has: the
    cluster removes volumes with the container."""
    from ..cluster.place import place_of

    try:
        place = place_of(service, context)
    except MlcError:
        return  # it has no container, or its node cannot be reached
    if unsaved := unsaved_volumes(place.container, place.context):
        paths = ", ".join(each.mount.path for each in unsaved)
        raise MlcError(
            f"{short_name(place.container.name)} has files in {paths} that no image has; they "
            "would be removed with it.",
            "Save it with --save, or empty these directories first.",
        )


def _retire_service(plan: ServiceRetirement, context: Context) -> Retired:
    from ..cluster.state import LOST

    service, state = plan.service.service, plan.service.state
    # Temporary containers and images are made on the container's node.
    with (plan.place.context if plan.place else context).lock(service.name):
        saved = _save_and_push(plan, plan.place, plan.image) if plan.place and plan.image else None
        cluster = context.engine.cluster()
        with defer_signals():
            retry_once(lambda: cluster.remove_service(service.id))
    if state.state == LOST:
        context.report.warn(
            f"{state.node} does not answer: what was installed in {plan.name} is lost."
        )
    return Retired(plan.name, service.name, saved)


def _save_and_push(plan: ServiceRetirement, place: Place, reference: str) -> Saved:
    """Save a container on its node, push the image, and leave no image on the node."""
    from ..engine.registry import require_registry
    from ..images.fetch import site_registry
    from ..images.push import push
    from ..names.projects import project_of_repository

    container, there = place.container, place.context
    registry = require_registry(site_registry(there))
    if container.is_running:
        clean(container, there)
        there.report.step(f"Stopping {container.name}")
        there.engine.stop(container.id)
    try:
        saved = save(container, reference, there)
    except SetupError as error:
        why = str(error).partition(" It was not kept")[0]
        raise SetupError(
            f"{why} It was not kept; the service is there as before, stopped, and its container on "
            f"{plan.service.state.node}. Without --save it is removed."
        ) from error
    name = parse_reference(reference)
    project = project_of_repository(name.repository)

    def remove_image() -> None:
        now = there.engine.image(reference)
        if now is not None and now.id == saved.image_id:
            there.engine.remove_image(reference)

    with Undo(there.report) as undo:
        # The image is only needed for the push; if that fails, the container still has everything.
        if not plan.replaces:
            undo.add(f"The image {reference}", remove_image)
        image = there.engine.image(reference)
        if image is None or image.id != saved.image_id or project is None:
            raise MlcError(f"{reference} is not what was saved; {plan.name} was not removed.")
        push(project, name.tag or "", image, registry, there)
        with defer_signals():
            if not plan.replaces:
                retry_once(remove_image)
    return saved


def _free(image: str, planned: list[Retirement | ServiceRetirement], context: Context) -> str:
    """Return a name for a saved image that is not taken, with a number appended if needed."""
    taken = {other.image for other in planned}
    return first_free(image, lambda name: name in taken or context.engine.image(name) is not None)
