"""A project's image that is not on this engine, taken from the registry by its digest."""

from __future__ import annotations

from ..context import Context
from ..engine.interface import Image
from ..engine.registry import choose_registry
from ..errors import MlcError
from ..host.account import Account
from ..interrupts import defer_signals
from ..names.images import parse_reference
from ..names.labels import MalformedLabelsError, read_claim
from ..undo import retry_once


def site_registry(context: Context) -> str | None:
    """Return the registry in use: DS01_REGISTRY, else the administrator's, or None.

    Raises:
        UsageError: DS01_REGISTRY is none.
    """
    return choose_registry(None, context.environ, context.settings.registry)


def pushed_reference(own: str, context: Context) -> str | None:
    """Return the name by digest of what the registry has of an image of the caller's project.

    Args:
        own: the image, `ds01-UID/PROJECT:TAG`.
        context: who calls, and the engine.

    Returns:
        `REGISTRY/ds01-UID/PROJECT@sha256:…`, or None where there is no registry or it has none.

    Raises:
        RegistryError: the registry refused or is not reached.
    """
    registry = site_registry(context)
    if registry is None:
        return None
    there = f"{registry}/{own}"
    digest = context.engine.registry().digest(there)
    return f"{parse_reference(there).repository}@{digest}" if digest else None


def fetch(own: str, pushed: str, context: Context) -> Image:
    """Pull an image by its digest, and give it its ds01 name here if its labels are the caller's.

    Args:
        own: the name it gets, `ds01-UID/PROJECT:TAG`.
        pushed: what `pushed_reference` returned.
        context: who calls, and the engine.

    Raises:
        MlcError: it is not the caller's; it is gone again.
        ImageNotFoundError: it could not be pulled.
    """
    engine, report = context.engine, context.report
    report.step(f"{own} is not on this engine; taking it from the registry")
    is_kept = engine.image(pushed) is not None  # by Swarm, or by a fetch that was cut off
    try:
        engine.pull(pushed, report.progress)
        image = engine.image(pushed)
        if image is None:
            raise MlcError(f"{pushed} was pulled, but is not there.")
        if wrong := not_own(image, context.account):
            raise MlcError(
                f"{pushed} is not taken: {wrong}.",
                "Push the one you mean from where you built it: "
                f"image-push {own.partition('/')[2]}",
            )
        name = parse_reference(own)
        engine.tag_image(image.id, name.repository, name.tag or "latest")
        is_kept = False  # it has its own name: by another one it would outlive its retiring
    finally:
        with defer_signals():
            if not is_kept:
                retry_once(lambda: engine.remove_image(pushed))
    report.note(f"{own} is here now, from {pushed}")
    return image


def not_own(image: Image, account: Account) -> str | None:
    """Return why an image is not one that was built for the account, or None if it was."""
    try:
        claim = read_claim(image.labels)
    except MalformedLabelsError as error:
        return f"its labels cannot be trusted: {error}"
    if claim is None:
        return "its labels tell of no account in it"
    if (claim.uid, claim.gid) != (account.uid, account.gid):
        return f"it was built for {claim.uid}:{claim.gid}, you are {account.uid}:{account.gid}"
    return None
