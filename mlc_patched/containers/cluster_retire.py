"""container-retire of a service: saved on its node and pushed, if wanted, and removed."""

from __future__ import annotations

from dataclasses import dataclass

from ..cluster.place import Found, Place, find_service, place_of
from ..cluster.state import LOST
from ..context import Context
from ..engine.registry import require_registry
from ..errors import MlcError, SetupError
from ..images.fetch import site_registry
from ..images.save import Saved, clean, save, target
from ..interrupts import defer_signals
from ..names.images import parse_reference
from ..names.projects import project_of_repository
from ..undo import Undo, retry_once
from .retire import Retired


@dataclass(frozen=True)
class ServiceRetirement:
    """What is to be done with a service: `image` is the name to save and push its container as,
    None where it is not saved."""

    name: str
    found: Found
    place: Place | None = None
    image: str | None = None
    replaces: bool = False


def plan_service_retirement(
    name: str, save_as: str | None, context: Context
) -> ServiceRetirement | None:
    """Look at a service before it is touched; None where the caller has none of this name.

    Args:
        name: the container's name.
        save_as: tag to save it as; empty for one of the date, None for not at all.
        context: who calls, and the manager's engine.

    Raises:
        UsageError: the tag cannot be one.
        MlcError: it is to be saved, and has no container, or that is not reached, or there is
            no registry.
    """
    found = find_service(name, context)
    if found is None or save_as is None:
        return None if found is None else ServiceRetirement(name, found)
    require_registry(site_registry(context))
    place = place_of(found, context)
    image = target(place.container, save_as, context.account)
    replaces = place.context.engine.image(image) is not None
    return ServiceRetirement(name, found, place, image, replaces)


def retire_service(plan: ServiceRetirement, context: Context) -> Retired:
    """Carry it out. The service goes only when the saved image is in the registry.

    Raises:
        SetupError: the saved image does not run as the user; the service stays, stopped.
        RegistryError: it could not be pushed; the service stays, stopped.
        EngineError: an engine failed; the service stays.
    """
    service = plan.found.service
    # What is made meanwhile is made on the container's node.
    with (plan.place.context if plan.place else context).lock(service.name):
        saved = _save_and_push(plan, plan.place, plan.image) if plan.place and plan.image else None
        cluster = context.engine.cluster()
        with defer_signals():
            retry_once(lambda: cluster.remove_service(service.id))
    if plan.found.state.state == LOST:
        context.report.warn(
            f"{plan.found.state.node} does not answer: what was installed in {plan.name} is lost."
        )
    return Retired(plan.name, service.name, saved)


def _save_and_push(plan: ServiceRetirement, place: Place, reference: str) -> Saved:
    """Save a container on its node, push the image, and leave none on the node."""
    from ..images.push import push

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
            f"{plan.found.state.node}. Without --save it is removed."
        ) from error
    name = parse_reference(reference)
    project = project_of_repository(name.repository)

    def remove() -> None:
        now = there.engine.image(reference)
        if now is not None and now.id == saved.image_id:
            there.engine.remove_image(reference)

    with Undo(there.report) as undo:
        # It is for the push alone. Without that, the container it is of is there as before.
        if not plan.replaces:
            undo.add(f"The image {reference}", remove)
        image = there.engine.image(reference)
        if image is None or image.id != saved.image_id or project is None:
            raise MlcError(f"{reference} is not what was saved; {plan.name} was not removed.")
        push(project, name.tag or "", image, registry, there)
        with defer_signals():
            if not plan.replaces:
                retry_once(remove)
    return saved
