"""Committed images that no container uses: list them, and remove the caller's own."""

from __future__ import annotations

from dataclasses import dataclass

from ..context import Context
from ..engine.interface import Image
from ..errors import ConflictError, MlcError, UsageError
from ..images.list import ImageUse, image_use
from ..names import labels
from ..names.containers import SEPARATOR
from ..names.images import account_image_of, committed_uid, parse_reference
from .leftovers import Kind, left_images


@dataclass(frozen=True)
class Orphan:
    """A committed image that no container uses, or an account image of `legacy_flow = build` whose
    base has changed. `container` is the one it was committed for, empty for the latter;
    `reclaimed` is the bytes that removing it frees."""

    image: str
    id: str
    container: str
    uid: int | None
    user: str
    size: int
    reclaimed: int
    created: str


@dataclass(frozen=True)
class OrphansRetired:
    """The images that were removed, those that were kept and why, and the bytes freed."""

    removed: tuple[str, ...]
    kept: tuple[str, ...]
    reclaimed: int


def list_orphans(context: Context) -> list[Orphan]:
    """Return every user's committed images `*:*._.*` that no container uses, and the account
    images of `legacy_flow = build` whose base has changed.

    Raises:
        EngineError: the engine did not answer.
    """
    images = context.engine.find_images()
    found: list[tuple[Image, str, int | None]] = [
        (image, reference, committed_uid(reference))
        for image in images
        for reference in image.references
        if SEPARATOR in (parse_reference(reference).tag or "")
    ]
    by_id = {image.id: image for image in images}
    found += [
        (by_id[each.id], each.name, each.uid)
        for each in left_images(images, (), None, 0)
        if each.kind is Kind.BUILT
    ]
    if not found:
        return []
    use = image_use(context)
    orphans = [
        _orphan(image, reference, uid, use)
        for image, reference, uid in found
        if image.id not in use.containers
    ]
    return sorted(orphans, key=lambda each: (each.user, each.image))


def own_orphans(context: Context) -> list[Orphan]:
    """Return the caller's committed images that no container uses.

    Raises:
        MlcError: the caller is root, whose images cannot be told apart from others'.
    """
    if context.account.is_root:
        raise MlcError("Leftover images are removed by the user they were made for.")
    return [each for each in list_orphans(context) if each.uid == context.account.uid]


def retire_orphans(orphans: list[Orphan], context: Context) -> OrphansRetired:
    """Remove committed images by name, except those that have come into use."""
    removed, kept, reclaimed = [], [], 0
    for orphan in orphans:
        if orphan.uid != context.account.uid:
            raise UsageError(f"{orphan.image} is not yours.")
        if context.engine.containers(image=orphan.id):
            kept.append(f"{orphan.image}: a container uses it or an image made from it")
            continue
        try:
            context.engine.remove_image(orphan.image)
        except ConflictError as error:
            kept.append(f"{orphan.image}: {error}")
            continue
        removed.append(orphan.image)
        reclaimed += orphan.reclaimed
    return OrphansRetired(tuple(removed), tuple(kept), reclaimed)


def _orphan(image: Image, reference: str, uid: int | None, use: ImageUse) -> Orphan:
    return Orphan(
        image=reference,
        id=image.id,
        container="" if account_image_of(reference) else parse_reference(reference).tag or "",
        uid=uid,
        user=image.labels.get(labels.USERNAME) or (str(uid) if uid is not None else "?"),
        size=image.size,
        reclaimed=max(image.size - use.shared.get(image.id, 0), 0),
        created=image.created,
    )
