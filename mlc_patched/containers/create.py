"""create: a container from an image, by one change in the engine if the account is in the image."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from shlex import quote

from ..context import Context, already_exists
from ..engine.interface import PODMAN, Engine, Image
from ..engine.specification import ContainerSpecification
from ..errors import (
    ConflictError,
    EngineError,
    ImageNotFoundError,
    MountMissingError,
    NotAllowedError,
    NotFoundError,
    SetupError,
)
from ..host.account import Account
from ..images.verified import wrong_account
from ..interrupts import defer_signals, ignore_interrupts
from ..lean import TYPE_CHECKING, dataclass, replace
from ..names import labels
from ..names.containers import short_name
from ..names.images import account_image
from ..names.projects import LATEST, Project
from ..plan.container import Plan
from ..plan.flow import Flow, decide
from ..plan.limits import check_image
from ..plan.request import CreateRequest
from ..plan.specify import specify
from ..settings.model import ENGINE, LEGACY_FLOW_BUILD, LEGACY_FLOW_NO, Settings
from ..undo import Undo

if TYPE_CHECKING:
    from ..images.account.commit import Committed

EMPTY_PASSWORD_VARIABLE = "MLC_EMPTY_PASSWORD"  # noqa: S105 - the name of a variable


@dataclass(frozen=True)
class Created:
    """A new container: its name, its name and id in Docker, its image, and the flow.

    `existed`: the user had it already, and it was kept; `flow` is None if AIME's mlc created it.
    """

    name: str
    tag: str
    id: str
    image: str
    image_id: str
    flow: Flow | None
    existed: bool = False


def create(request: CreateRequest, context: Context | None = None) -> Created:
    """Create a container.

    Raises:
        UsageError: the request is invalid.
        AlreadyExistsError: the user has a container of this name.
        NotFoundError: a directory, catalog row or image does not exist.
        NotAllowedError: the administrator's settings forbid it.
        SetupError: the account could not be set up in the image.
        EngineError: the engine refused. On any error, everything is rolled back.
    """
    context = context or Context()
    plan = context.plan(request)
    if plan.choice.note:
        context.report.note(plan.choice.note)
    if context.engine.product == PODMAN:
        _warn_of_podman(plan, context)
    image = context.engine.image(plan.image)
    if image is None:
        context.refuse_existing(short_name(plan.tag))
        _refuse_legacy_flow(plan, context)  # no registry has an image with the user's account
        image = _pulled(plan.image, None, context)
        plan = replace(plan, is_current=True)
    check_image(plan.reference, image.labels, context.account, context.settings)
    if plan.gpus is not None:
        from .gpus import with_served_gpus

        plan = with_served_gpus(plan, image, context)
    decision = decide(plan.reference, image.labels, context.account, rebuild_command)
    if decision.warning:
        context.report.warn(decision.warning)
    if decision.flow is Flow.IMAGE:
        created = _from_image(plan, image, _full_name(plan, image), decision.claim, context)
        if created is not None:
            return created
    _refuse_legacy_flow(plan, context)
    if plan.gpus is not None and context.settings.assign_gpus != ENGINE:
        from .assign import await_free_gpus

        await_free_gpus(plan, context)
    if context.settings.legacy_flow == LEGACY_FLOW_BUILD:
        return _by_build(plan, image, context)

    from ..images.account.commit import without_volumes

    with context.lock(plan.tag) as job:
        context.remove_leftovers(without_volumes(context.account, job.token))
        return _by_setup(plan, image, context)


def rebuild_command(project: Project, account: Account) -> str:
    """See `images.project.files.rebuild_command`."""
    from ..images.project import files  # here, as it is rarely needed

    return files.rebuild_command(project, account)


def _warn_of_podman(plan: Plan, context: Context) -> None:
    """Warn of what Podman's API silently ignores (docs/engines.md)."""
    if not plan.is_local:
        context.report.warn(
            "The engine is Podman, which creates missing directories on its host: check that "
            f"{plan.directories.workspace} and the others exist there and belong to you."
        )


def _refuse_legacy_flow(plan: Plan, context: Context) -> None:
    """Refuse to set up the account for each container if the settings have switched that off."""
    if context.settings.legacy_flow == LEGACY_FLOW_NO and not context.account.is_root:
        raise NotAllowedError(
            f"Your account is not in {plan.image}, and adding it to each container is "
            "switched off here.",
            "Build your own image once, and create containers from it: "
            f"image-create PROJECT --base {plan.image}",
        )


def _from_image(
    plan: Plan, image: Image, name: str, claim: labels.Claim | None, context: Context
) -> Created | None:
    """Create from the image that was looked at, by its name; None without the account it claims."""
    engine = context.engine
    with _gpus(plan, context) as complete, Undo(context.report) as undo:

        def specified(reference: str) -> ContainerSpecification:
            return specify(complete, reference, image.id, Flow.IMAGE, context.account, image.labels)

        container = _create(specified(name), plan.settings, engine, undo)
        if name != image.id:
            found = engine.container(plan.tag)
            if found is None or found.image_id != image.id:
                # The name has been given to another image, which nobody has looked at.
                with defer_signals():
                    engine.remove_container(container, force=True)
                container = _create(specified(image.id), plan.settings, engine, undo)
        wrong = claim and wrong_account(image, claim, container, context.account, engine)
        if wrong:
            with defer_signals():
                engine.remove_container(container, force=True)
            context.report.warn(
                f"The labels of {plan.image} are wrong: {wrong}. Setting up the account again."
            )
            return None
    _note_missing(plan, context)
    return Created(short_name(plan.tag), plan.tag, container, plan.image, image.id, Flow.IMAGE)


def _full_name(plan: Plan, image: Image) -> str:
    """Return the image's name with its tag; its id if that is how it was asked for."""
    if image.id.removeprefix("sha256:").startswith(plan.image.removeprefix("sha256:")):
        return image.id
    name = plan.reference
    return str(name if name.tag or name.digest else replace(name, tag=LATEST))


def _by_build(plan: Plan, base: Image, context: Context) -> Created:
    """Create from the account image of a base, which is built if it does not exist yet.

    The base is not pulled: the account image was built on the one that is here.
    """
    from ..images.account.build import find_with_account

    image = find_with_account(context.engine, base, context.account)
    if image is not None:
        created = _from_account_image(plan, image, base, context)
        if created is not None:
            return created
    context.refuse_existing(short_name(plan.tag))
    image = _built(plan, base, context, instead_of=image)
    created = _from_account_image(plan, image, base, context)
    if created is None:
        raise SetupError(f"The account could not be set up in {plan.image}: see above.")
    return created


def _from_account_image(plan: Plan, image: Image, base: Image, context: Context) -> Created | None:
    name = ":".join(account_image(base.id, context.account.uid))
    return _from_image(plan, image, name, labels.read_claim(image.labels), context)


def _built(plan: Plan, base: Image, context: Context, instead_of: Image | None) -> Image:
    """Build the account image, unless another command of the user has just done so."""
    from ..host.locks import account_lock
    from ..images.account.build import build_with_account, find_with_account, temporary_images

    engine, account = context.engine, context.account
    with context.lock(account_lock(base.id)) as job:
        context.remove_leftovers(temporary_images(account, job.token))
        found = find_with_account(engine, base, account)
        if found is not None and found != instead_of:
            return found
        empty_password = context.environ.get(EMPTY_PASSWORD_VARIABLE) == "1"
        return build_with_account(base, plan.image, context, empty_password=empty_password)


def _by_setup(plan: Plan, image: Image, context: Context) -> Created:
    """Create by the legacy flow: set-up container, commit, create."""
    from ..images.account.commit import commit_with_account

    context.refuse_existing(short_name(plan.tag))
    if not plan.is_current:
        image = _pulled(plan.image, image, context)
    with Undo(context.report) as undo:
        empty = context.environ.get(EMPTY_PASSWORD_VARIABLE) == "1"
        committed = commit_with_account(
            image, plan.image, plan.tag, undo, context, empty_password=empty
        )
        return create_committed(plan, committed, undo, context)


def create_committed(plan: Plan, committed: Committed, undo: Undo, context: Context) -> Created:
    """Create a container from the image that was committed for it.

    It is created from the image's name, not its id, because AIME's mlc finds the image to remove by
    that name. `undo` removes the container if a later step fails. Raises AlreadyExistsError if the
    name is in use.
    """
    from ..images.project.tags import discard

    reference, image_id = committed.reference, committed.image_id
    with _gpus(plan, context) as complete:
        specification = specify(
            complete, reference, image_id, Flow.COMMIT, context.account, committed.inherited
        )
        container = _create(specification, plan.settings, context.engine, undo)
    with ignore_interrupts():
        discard(context.engine, committed.former, context.report)
        _note_missing(plan, context)
    return Created(short_name(plan.tag), plan.tag, container, reference, image_id, Flow.COMMIT)


def _note_missing(plan: Plan, context: Context) -> None:
    """Say which devices the new container lacks."""
    if plan.missing_note:
        context.report.note(plan.missing_note)


def _gpus(plan: Plan, context: Context) -> AbstractContextManager[Plan]:
    """Choose GPUs if the settings want that, while the container is created; see
    `assign.assigned`."""
    settings = plan.settings
    is_engines = settings.assign_gpus == ENGINE and settings.per_user_gpus is None
    if plan.choice.request is None or (is_engines and not plan.waits_for_gpus):
        return nullcontext(plan)
    from .assign import assigned

    return assigned(plan, context)


def _create(
    specification: ContainerSpecification, settings: Settings, engine: Engine, undo: Undo
) -> str:
    """Create a container. Undo removes exactly this one, not another of the same name."""
    token = os.urandom(8).hex()
    marked = replace(specification, labels={**specification.labels, labels.REQUEST: token})

    def remove() -> None:
        for container in engine.containers(labels=(f"{labels.REQUEST}={token}",)):
            engine.remove_container(container.id, force=True)

    undo.add(f"The container {specification.name}", remove)
    try:
        # If interrupted before the engine answers, undo would find no container to remove.
        with defer_signals():
            return engine.create_container(marked)
    except ConflictError as error:
        raise already_exists(short_name(specification.name)) from error
    except MountMissingError as error:
        target = next(
            (each.target for each in specification.binds if each.source == error.path), "mounted"
        )
        raise NotFoundError(
            f"The engine's host has no directory {error.path} to mount as {target}.",
            f"Create it there with: mkdir -p {quote(error.path)} - or choose another one",
        ) from error
    except (EngineError, NotFoundError) as error:
        from ..plan.refused import name_setting

        name_setting(error, settings, specification)
        raise


def _pulled(reference: str, local: Image | None, context: Context) -> Image:
    """Pull an image; if its registry cannot be reached, use the local one."""
    context.report.step(f"Pulling {reference}")
    try:
        return context.pulled(reference)
    except ImageNotFoundError as error:
        if local is None:
            raise NotFoundError(
                f"{error}\nThe image {reference} is not on this host and could not be pulled.",
                "List local images with: docker images",
            ) from error
        why = str(error).rpartition(": ")[2]  # the innermost reason of a wrapped error
        context.report.note(f"Using the local {reference}, as it could not be pulled: {why}")
        return local
