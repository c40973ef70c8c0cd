"""Pull a project's image that this engine lacks from the site's registry, by its digest."""

from __future__ import annotations

from ..context import Context
from ..engine.interface import Image
from ..engine.registry import choose_registry
from ..errors import MlcError
from ..host.account import Account
from ..interrupts import defer_signals
from ..names.images import parse_reference
from ..names.labels import MalformedLabelsError, read_claim
from ..names.projects import LATEST
from ..undo import retry_once


def site_registry(context: Context) -> str | None:
    """Return the registry: DS01_REGISTRY, else the administrator's, or None. UsageError if
    invalid."""
    return choose_registry(None, context.environ, context.settings.registry)


def pushed_reference(own: str, context: Context) -> str | None:
    """Return the name by digest, `REGISTRY/ds01-UID/PROJECT@sha256:…`, of an image in the registry,
    or None if there is no registry or it lacks the image `ds01-UID/PROJECT:TAG`.

    Raises RegistryError if the registry refused or cannot be reached.
    """
    registry = site_registry(context)
    if registry is None:
        return None
    there = f"{registry}/{own}"
    digest = context.engine.registry().digest(there)
    return f"{parse_reference(there).repository}@{digest}" if digest else None


def fetch(own: str, pushed: str, context: Context) -> Image:
    """Pull an image by the digest of `pushed_reference`, and give it its ds01 name if its labels
    name the caller.

    Raises MlcError if they do not, and removes it; ImageNotFoundError if it cannot be pulled.
    """
    engine, report = context.engine, context.report
    report.step(f"{own} is not on this engine; pulling it from the registry")
    is_kept = engine.image(pushed) is not None  # by Swarm, or by a fetch that was killed
    try:
        image = context.pulled(pushed)
        if wrong := not_own(image, context.account):
            raise MlcError(
                f"{pushed} was not used: {wrong}.",
                f"Push the right image from where you built it: image-push {own.partition('/')[2]}",
            )
        name = parse_reference(own)
        engine.tag_image(image.id, name.repository, name.tag or LATEST)
        is_kept = False  # it has its own name; with another, image-retire would not remove it
    finally:
        with defer_signals():
            if not is_kept:
                retry_once(lambda: engine.remove_image(pushed))
    report.note(f"Pulled {own} from {pushed}")
    return image


def not_own(image: Image, account: Account) -> str | None:
    """Return why an image was not built for the account, or None if it was."""
    try:
        claim = read_claim(image.labels)
    except MalformedLabelsError as error:
        return f"its labels cannot be trusted: {error}"
    if claim is None:
        return "its labels name no account"
    if (claim.uid, claim.gid) != (account.uid, account.gid):
        return f"it was built for {claim.uid}:{claim.gid}, you are {account.uid}:{account.gid}"
    return None
