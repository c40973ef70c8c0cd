"""container-retire for what the cluster runs: saved on its node first if asked for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..cluster.choose import scheduler_of, uses_slurm
from ..cluster.interface import Found, Place, Step
from ..cluster.place import find_service, place_of
from ..cluster.slurm.job import saving_of
from ..cluster.state import ENDED, LOST
from ..context import Context
from ..engine.interface import Container
from ..engine.registry import require_registry
from ..errors import MlcError, SetupError, shown
from ..host.files import rights_of
from ..images.changes import Packages, Summary
from ..images.fetch import pushed_reference, site_registry
from ..images.push import push
from ..images.save import Saved, choose_name, clean, save, target
from ..images.volumes import unsaved_volumes
from ..interrupts import defer_signals
from ..json_text import parsed
from ..lean import TYPE_CHECKING, dataclass
from ..names import labels
from ..names.containers import short_name
from ..names.images import parse_reference
from ..names.projects import project_of_repository
from ..undo import Undo, retry_once
from .on_node import said_on_node

if TYPE_CHECKING:
    from typing import Any


@dataclass(frozen=True)
class ServiceRetirement:
    """What is to be done with something on the cluster, as in `Retirement`; `place` is set if it
    is saved, `tag` is its image's."""

    name: str
    service: Found
    place: Place | Step | None = None
    image: str | None = None
    replaces: bool = False

    @property
    def tag(self) -> str:
        """The tag to save it as."""
        return parse_reference(self.image).tag or "" if self.image else ""


def plan_service(
    name: str, save_as: str | None, others: Sequence[str | None], context: Context
) -> ServiceRetirement:
    """Check what is to be retired, beside what is saved as `others`; see
    `retire.plan_retirements`."""
    service = find_service(name, context)
    if service is None:
        raise context.not_found(name, "container-list")
    if save_as is None:
        _refuse_unsaved_volumes(service, name, context)
        return ServiceRetirement(name, service)
    if not uses_slurm(context):
        require_registry(site_registry(context))
    place = _own_place(name, service, context)
    source = service.service if isinstance(place, Step) else place.container

    def is_taken(image: str) -> bool:
        if isinstance(place, Step):
            return _is_taken_on_node(place, name, image, context)
        return is_taken_here(image, place.context)

    image, replaces = choose_name(source, save_as, others, is_taken, context.account)
    return ServiceRetirement(name, service, place, image, replaces)


def is_taken_here(image: str, context: Context) -> bool:
    """Whether this engine, or the registry that an image is pushed to, has one of this name."""
    return context.engine.image(image) is not None or pushed_reference(image, context) is not None


def retire_service(plan: ServiceRetirement, context: Context) -> Saved | None:
    """Save and push it if the plan says so, then remove it from the cluster."""
    service, state = plan.service.service, plan.service.state
    place = plan.place
    if isinstance(place, Step):
        saved: Saved | None = _saved_on_node(place, plan, context)
    elif place is not None and plan.image is not None:
        saved = _save(place, plan.image, plan.service)
    else:
        saved = None
    scheduler = scheduler_of(context)
    with defer_signals():
        retry_once(lambda: scheduler.cancel(service.id))
        if state.state in (ENDED, LOST):
            scheduler.forget(service.id)
    if state.state == LOST:
        context.report.warn(f"What was installed in {plan.name} is lost: {state.status}.")
    return saved


def save_here(name: str, tag: str, context: Context) -> Saved:
    """Save a container of this node that a job of Slurm runs, and push it; the job goes on, its
    container restarted. Raises MlcError as `retire`."""
    place, found = _job_here(name, context)
    return _save(place, target(place.container, tag, context.account), found)


def is_tag_taken(name: str, tag: str, context: Context) -> bool:
    """Whether an image that `save_here` would save has the name of another one now."""
    place, _ = _job_here(name, context)
    return is_taken_here(target(place.container, tag, context.account), context)


def check_here(name: str, context: Context) -> None:
    """Refuse to remove a container of this node with files that no image has."""
    _refuse_unsaved(_job_here(name, context)[0])


def _job_here(name: str, context: Context) -> tuple[Place, Found]:
    container, found = context.get(name), find_service(name, context)
    if found is None or container.labels.get(labels.JOB) != found.service.id:
        raise MlcError(f"{name} is not a container of a job on this node.")
    return Place(container, context), found


def _own_place(name: str, service: Found, context: Context) -> Place | Step:
    """Return how to reach a container; where the host is its node itself, by its engine."""
    here = context.find(name)
    if here is not None and here.labels.get(labels.JOB) == service.service.id:
        return Place(here, context)
    return place_of(service, context)


def _refuse_unsaved_volumes(service: Found, name: str, context: Context) -> None:
    """Refuse to remove a container that has files in volumes that no image has: the cluster
    removes volumes with the container."""
    try:
        place = _own_place(name, service, context)
    except MlcError:
        return  # it has no container, or its node cannot be reached
    if isinstance(place, Step):
        said_on_node(place, ("slurm-save", name), f"looking at {name} on {place.node}", context)
    else:
        _refuse_unsaved(place)


def _refuse_unsaved(place: Place) -> None:
    if unsaved := unsaved_volumes(place.container, place.context):
        paths = ", ".join(each.mount.path for each in unsaved)
        raise MlcError(
            f"{short_name(place.container.name)} has files in {paths} that no image has; they "
            "would be removed with it.",
            "Save it with --save, or empty these directories first.",
        )


def _is_taken_on_node(step: Step, name: str, image: str, context: Context) -> bool:
    words = ("slurm-save", name, parse_reference(image).tag or "", "--is-taken")
    said = said_on_node(step, words, f"looking at {name} on {step.node}", context)
    with _understood(said, step, "whether the image exists"):
        return bool(parsed(said)["is_taken"])


def _saved_on_node(step: Step, plan: ServiceRetirement, context: Context) -> Saved:
    what = f"{plan.image} on {step.node}"
    context.report.step(f"Saving {what}")
    said = said_on_node(step, ("slurm-save", plan.name, plan.tag), f"saving {what}", context)
    with _understood(said, step, "what it saved"):
        found = parsed(said)["saved"]
        changes: dict[str, Any] = found["summary"]
        kinds = {kind: Packages(**changes[kind]) for kind in ("pip", "apt", "conda")}
        return Saved(**{**found, "summary": Summary(**{**changes, **kinds})})


@contextlib.contextmanager
def _understood(said: str, step: Step, what: str) -> Iterator[None]:
    """Raise MlcError where what mlc said on a node has another form."""
    try:
        yield
    except (ValueError, TypeError, KeyError) as error:
        raise MlcError(
            f"mlc on {step.node} did not say {what}: {shown(said)}.",
            f"Is it another version there? Compare: srun --nodelist={step.node} mlc -v",
        ) from error


def _save(place: Place, reference: str, found: Found) -> Saved:
    """Save a container on its node and push the image, while nobody else does."""
    container, there = place.container, place.context
    # Temporary containers and images are made on the container's node. The job's own process there
    # removes a stopped container only when it has this lock.
    with there.lock(found.service.name), _restarted(container, there):
        if container.is_running:
            clean(container, there)
            there.report.step(f"Stopping {container.name}")
            there.engine.stop(container.id)
        return _save_and_push(place, reference, found)


@contextlib.contextmanager
def _restarted(container: Container, context: Context) -> Iterator[None]:
    """Start a job's container again at the end of the block. If this process is killed, the job
    finds the file that says so, and starts it."""
    job, account = container.labels.get(labels.JOB), context.account
    if not job:
        yield
        return
    file = Path(saving_of(account.home, job))
    with contextlib.suppress(OSError), rights_of(account):
        file.touch(0o600)
    try:
        yield
    finally:
        with defer_signals():
            _restart(container, context)
            with contextlib.suppress(OSError), rights_of(account):
                file.unlink()


def _restart(container: Container, context: Context) -> None:
    """Start a container again, without which its job would end."""
    try:
        context.check_mounts(container)
        retry_once(lambda: context.start(container.id))
    except MlcError as error:
        context.report.warn(f"{container.name} could not be started again: {error}")


def _save_and_push(place: Place, reference: str, found: Found) -> Saved:
    """Save a stopped container, push the image, and leave no image on the node unless it replaces
    one there; with Slurm and without a registry, leave it there."""
    container, there = place.container, place.context
    registry = site_registry(there)
    replaces = there.engine.image(reference) is not None
    try:
        saved = save(container, reference, there)
    except SetupError as error:
        state = "runs on" if container.labels.get(labels.JOB) else "is stopped"
        raise SetupError(
            error.message,
            f"{short_name(container.name)} is still on the cluster, and its container on "
            f"{found.state.node} {state}. Without --save it is removed.",
        ) from error
    if registry is None and uses_slurm(there):
        return saved
    name = parse_reference(reference)
    project = project_of_repository(name.repository)

    def remove_image() -> None:
        now = there.engine.image(reference)
        if now is not None and now.id == saved.image_id:
            there.engine.remove_image(reference)

    with Undo(there.report) as undo:
        # The image is only needed for the push; if that fails, the container still has everything.
        if not replaces:
            undo.add(f"The image {reference}", remove_image)
        image = there.engine.image(reference)
        if image is None or image.id != saved.image_id or project is None:
            name_of = short_name(container.name)
            raise MlcError(f"{reference} is not what was saved; {name_of} was not removed.")
        push(project, name.tag or "", image, require_registry(registry), there)
        with defer_signals():
            if not replaces:
                retry_once(remove_image)
    return saved
