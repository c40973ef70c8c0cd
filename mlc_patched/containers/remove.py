"""remove: remove a container, and with it only the image that was committed for it."""

from __future__ import annotations

import contextlib

from ..context import Context
from ..engine.interface import Container
from ..errors import (
    ConflictError,
    EngineError,
    EngineUnreachableError,
    InUseError,
    MlcError,
    NotFoundError,
)
from ..interrupts import defer_signals
from ..lean import dataclass, replace
from ..names import labels
from ..names.containers import SEPARATOR
from ..names.images import is_committed_for
from ..plan.flow import Flow
from ..temporary import current_job
from ..undo import retry_once, warn_on_failure
from .on_cluster import get_here, refuse_job


@dataclass(frozen=True)
class KeptVolume:
    """A volume that was not removed with its container, and where it was mounted."""

    volume: str
    path: str

    def __str__(self) -> str:
        """Return what to tell the user."""
        return (
            f"What is in {self.path} was kept, as the volume {self.volume}: no image has it. "
            f"Remove it with: docker volume rm {self.volume}"
        )


@dataclass(frozen=True)
class Removed:
    """A removed container. `image_removed` names its committed image if that was removed, too;
    `image_kept` says why it was not."""

    name: str
    tag: str
    image_removed: str | None = None
    image_kept: str = ""
    volumes_kept: tuple[KeptVolume, ...] = ()


def remove(
    name: str,
    *,
    keep_image: bool = False,
    is_saved: bool = False,
    context: Context | None = None,
) -> Removed:
    """Remove a stopped container and, unless `keep_image`, the image committed for it.

    Its anonymous volumes are removed, too, except those with files that no image has. If it
    `is_saved`, an image has all of them. Raises NotFoundError if it does not exist, MlcError if it
    runs or cannot be removed.
    """
    context = context or Context()
    container = retry_once(lambda: get_here(name, context))
    refuse_running(container, name, context)
    reference = committed_image(container, context)
    unsaved = () if is_saved else _unsaved_volumes(container, context)
    removed = _remove(name, container, reference, unsaved, keep_image=keep_image, context=context)
    return replace(removed, volumes_kept=unsaved)


def _remove(
    name: str,
    container: Container,
    reference: str | None,
    unsaved: tuple[KeptVolume, ...],
    *,
    keep_image: bool,
    context: Context,
) -> Removed:
    with defer_signals():  # only the container leads to the image: remove both, or none
        try:
            retry_once(
                lambda: context.engine.remove_container(container.id, keep_volumes=bool(unsaved))
            )
        except ConflictError as error:
            raise MlcError(f"The container {name} was not removed: {error}") from error
        if unsaved:
            _remove_other_volumes(container, unsaved, context)
        if reference is None:
            return Removed(name, container.name)
        if keep_image:
            return Removed(name, container.name, image_kept=f"{reference} was kept, as requested")
        return _remove_committed(name, container, reference, context)


def _unsaved_volumes(container: Container, context: Context) -> tuple[KeptVolume, ...]:
    """Return the volumes to keep: those with files that no image has, or all of them if the engine
    cannot read them, for instance because a directory of the host that was mounted is gone."""
    if not any(each.is_anonymous for each in container.mounts):
        return ()
    from ..images.volumes import unsaved_volumes

    try:
        with contextlib.ExitStack() as stack:
            if current_job.get() is None:
                stack.enter_context(context.lock(container.name))
            context.remove_leftovers()
            found = [each.mount for each in unsaved_volumes(container, context)]
    except EngineUnreachableError:
        raise
    except (EngineError, NotFoundError):
        found = [each for each in container.mounts if each.is_anonymous]
    return tuple(KeptVolume(each.volume, each.path) for each in found)


def _remove_other_volumes(
    container: Container, kept: tuple[KeptVolume, ...], context: Context
) -> None:
    """Remove the anonymous volumes of a removed container that are not kept, nor in a kept one."""
    for mount in container.mounts:
        is_kept = any(f"{mount.path}/".startswith(f"{each.path}/") for each in kept)
        if mount.is_anonymous and not is_kept:
            with warn_on_failure(f"The volume {mount.volume} was not removed", context.report):
                context.engine.remove_volume(mount.volume)


def refuse_running(container: Container, name: str, context: Context) -> None:
    """Raise InUseError for a running container, which is not removed, and say what runs in it;
    MlcError if it is a job's."""
    if container.is_running:
        refuse_job(container, name)
        from .processes import programs_in

        programs = []
        with contextlib.suppress(EngineError, NotFoundError):  # it is paused, or has just stopped
            programs = programs_in(container, context)
        raise InUseError(
            " ".join((f"The container {name} is running.", *(f"{each}." for each in programs))),
            f"Stop it first with: mlc stop {name}",
        )


def committed_image(container: Container, context: Context) -> str | None:
    """Return the name of the image that was committed for this very container, if any.

    That is an image whose tag is the container's name in Docker. A container created
    directly from an image says so by a label and has none, whatever the image is called.
    """
    if container.labels.get(labels.USER_SETUP) == Flow.IMAGE.value:
        return None
    if SEPARATOR not in container.name:
        return None  # AIME's first version: its names can equal any tag, such as `latest`
    # The container may only record an id; the image knows its names.
    image = retry_once(lambda: context.engine.image(container.image_id))
    names = image.references if image else ()
    return next((name for name in names if is_committed_for(name, container.name)), None)


def _remove_committed(name: str, container: Container, reference: str, context: Context) -> Removed:
    engine = context.engine
    try:
        found = retry_once(lambda: engine.containers(image=container.image_id))
        # The engine also lists containers of images built on it, which keep their layers.
        users = [other.name for other in found if other.image_id == container.image_id]
        if users:
            why = f"{reference} was kept: it is used by {', '.join(users)}"
            return Removed(name, container.name, image_kept=why)
        retry_once(lambda: engine.remove_image(reference))
    except ConflictError as error:
        return Removed(name, container.name, image_kept=f"{reference} was kept: {error}")
    except EngineError as error:
        why = f"{reference} was not removed: {error}\nRemove it later with: mlc prune"
        return Removed(name, container.name, image_kept=why)
    return Removed(name, container.name, image_removed=reference)
