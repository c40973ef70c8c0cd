"""Committed images that no container uses: list them, and remove the caller's own."""

from __future__ import annotations

from ..context import Context
from ..engine.interface import Image
from ..errors import ConflictError, MlcError, UsageError
from ..lean import dataclass
from ..names import labels
from ..names.containers import SEPARATOR
from ..names.images import account_image_of, committed_uid, parse_reference
from ..units import in_utc
from .disk_usage import all_stored, emptied, freed
from .image_store import moved_account_images
from .leftovers import Kind, left_images


@dataclass(frozen=True)
class Orphan:
    """A committed image that no container uses, or an account image of `legacy_flow = build` whose
    base has changed. `container` is the one it was committed for, empty for the latter;
    `reclaimed` is the bytes that removing it alone frees."""

    image: str
    id: str
    container: str
    uid: int | None
    user: str
    size: int
    reclaimed: int
    created: str | None


@dataclass(frozen=True)
class Orphans:
    """Orphans, and the bytes that removing all of them frees: shared layers count once."""

    items: tuple[Orphan, ...] = ()
    reclaimed: int = 0


@dataclass(frozen=True)
class OrphansRetired:
    """The images that were removed, those that were kept and why, and the bytes freed."""

    removed: tuple[str, ...]
    kept: tuple[str, ...]
    reclaimed: int


def list_orphans(context: Context, uid: int | None = None) -> Orphans:
    """Return the committed images `*:*._.*` that no container uses, and the account images of
    `legacy_flow = build` whose base has changed: of one user, or of all."""
    images = context.engine.find_images()
    found: list[tuple[Image, str, int | None]] = [
        (image, reference, committed_uid(reference))
        for image in images
        for reference in image.references
        if SEPARATOR in (parse_reference(reference).tag or "")
    ]
    by_id = {image.id: image for image in images}
    moved = moved_account_images(images, context.engine)
    found += [
        (by_id[each.id], each.name, each.uid)
        for each in left_images(images, (), None, 0, lambda image: False, moved=moved)
        if each.kind is Kind.BUILT
    ]
    used = {each.image_id for each in context.engine.containers()} if found else set()
    found = [each for each in found if each[0].id not in used and uid in (None, each[2])]
    if found:
        in_containerd = context.engine.has_containerd_store()
        found = [
            each
            for each in found
            if account_image_of(each[1])
            or not labels.was_moved(each[0].labels, in_containerd=in_containerd)
        ]
    if not found:
        return Orphans()
    stored = all_stored(context.engine)
    names = {image.id: set(image.references) for image in images}
    orphans = [
        Orphan(
            image=reference,
            id=image.id,
            container="" if account_image_of(reference) else parse_reference(reference).tag or "",
            uid=owner,
            user=image.labels.get(labels.USERNAME) or ("?" if owner is None else str(owner)),
            size=context.engine.image_size(image),
            reclaimed=freed(emptied([(image.id, reference)], names), stored),
            created=in_utc(image.created),
        )
        for image, reference, owner in found
    ]
    together = emptied([(image.id, reference) for image, reference, _ in found], names)
    return Orphans(
        tuple(sorted(orphans, key=lambda each: (each.user, each.image))), freed(together, stored)
    )


def own_orphans(context: Context) -> Orphans:
    """Return the caller's orphans; raises MlcError for root, whose cannot be told from others'."""
    if context.account.is_root:
        raise MlcError("Leftover images are removed by the user they were made for.")
    return list_orphans(context, context.account.uid)


def retire_orphans(orphans: Orphans, context: Context) -> OrphansRetired:
    """Remove committed images by name, except those that are in use by now."""
    removed, kept, reclaimed = [], [], 0
    for orphan in orphans.items:
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
    if not kept:
        reclaimed = orphans.reclaimed
    return OrphansRetired(tuple(removed), tuple(kept), reclaimed)
