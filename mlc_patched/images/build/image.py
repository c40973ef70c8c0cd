"""Build a project's image under a temporary name, and check it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial

from ...context import Context
from ...engine.interface import Image
from ...interrupts import defer_signals
from ...lean import dataclass
from ...names import labels
from ...temporary import STEP, mark, temporary_image, temporary_name
from ...undo import Undo, retry_once, warn_on_failure
from ...units import utc_time
from ..entrypoint import warn_of_entrypoint
from ..verify import verify
from ..versions.lockfile import Lock, digest, render
from ..versions.pins import Pins, pins_of
from .client import Client, choose_builder
from .derive import derive
from .environment import Builder, settings_from
from .fallback import build_with_pip_if_needed
from .lock_label import labelled_name, with_label_of_lock
from .named_base import arguments_of
from .record import lock_of
from .request import BuildError, BuildRequest, build_context, requirements_beside
from .run import ImageNames, run
from .steps import StepNames, clear_steps


@dataclass(frozen=True)
class Built:
    """An image that was built and checked, and its lock."""

    image: Image
    lock: Lock


@contextlib.contextmanager
def built(request: BuildRequest, context: Context, undo: Undo) -> Iterator[Built]:
    """Build an image, check it and compose its lock; in the block it has a temporary name.

    `undo` receives the removal of what the build makes. Raises BuildError if the build failed,
    EngineUnreachableError if the engine went away, SetupError if the account in the image is not
    right, and MlcError if a setting of the environment is invalid.
    """
    engine, account, report = context.engine, context.account, context.report
    token = context.job.token
    tag = temporary_image(request.files.project.repository, token)
    client = choose_builder(context)
    steps = StepNames(engine, temporary_name(STEP, account, token), tag)
    undo.add("The images of the build's steps", partial(clear_steps, steps, context))
    undo.add(f"The image {tag}", lambda: engine.remove_image(tag))
    report.step(f"Building {request.files.project.image} with {client.builder.value}")
    build = partial(_build, client=client, names=ImageNames(tag), steps=steps, context=context)
    request, pins = build_with_pip_if_needed(request, build, report)
    image = engine.image(tag)
    if image is None:
        raise BuildError(f"The build succeeded, but there is no image {tag}.")
    report.step("Checking the account in the image")
    inventory = verify(image, account, context)
    warn_of_entrypoint(image, context)
    lock = lock_of(
        image,
        inventory,
        context,
        project=request.files.project.name,
        text=request.dockerfile,
        base=request.base,
        last=request.lock,
        pins=pins,
        builder=client.builder.name,
        sources=request.sources,
    )
    labelled = labelled_name(tag)
    undo.add(f"The image {labelled}", lambda: engine.remove_image(labelled))
    yield Built(with_label_of_lock(image, tag, lock, client, steps, context), lock)
    with warn_on_failure("Images of the steps stay until the next build", report):
        clear_steps(steps, context)
    for name in (tag, labelled):
        said = f"The name {name} stays until the next build"
        with defer_signals(), warn_on_failure(said, report):
            retry_once(partial(engine.remove_image, name))


def _build(
    request: BuildRequest,
    *,
    client: Client,
    names: ImageNames,
    steps: StepNames,
    context: Context,
    is_quiet: bool = False,
) -> Pins:
    """Derive a Dockerfile, and build it; return the versions that it keeps."""
    account = context.account
    pins = _pins(request, client.builder, context)
    former = request.base.reference if request.base and request.base.is_former else None
    derived = derive(
        request.dockerfile,
        settings_from(context.environ, account),
        client.builder,
        names.files,
        mark=mark(account, context.job.token),
        pins=pins,
        arguments=arguments_of(request.dockerfile, request.arguments, context),
        base=request.base.reference if request.base else "",
        bases={former: names.base} if former else {},
        environment=request.base.image.environment if request.base else (),
        user=str(account.uid),
    )
    run(request, derived, client, names, steps, context, is_quiet=is_quiet)
    return pins


def _pins(request: BuildRequest, builder: Builder, context: Context) -> Pins:
    lock, base, directory = request.lock, request.base, build_context(request)
    is_same_base = lock is None or base is None or base.is_that_of(lock.base)
    packages = base.inventory.packages if base else lock.of_base if lock else {}
    former = context.engine.image(request.files.project.image) if lock else None
    is_of_lock = (
        lock is not None
        and former is not None
        and former.labels.get(labels.LOCK) == digest(render(lock))
    )
    return pins_of(
        lock,
        request.dockerfile,
        request.upgrade,
        packages,
        builder=builder.name,
        keeps_pinned=builder is Builder.CLASSIC
        and is_of_lock
        and is_same_base
        and not request.no_cache,
        now=utc_time(),
        copied=requirements_beside(request.dockerfile, directory, context.account)
        if lock and directory
        else (),
    )
