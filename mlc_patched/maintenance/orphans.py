"""Committed images that no container uses: list them, and remove the caller's own."""

from __future__ import annotations

from functools import partial

from ..context import Context
from ..engine.interface import Engine, Image
from ..errors import MlcError, UsageError
from ..lean import dataclass
from ..names import labels
from ..names.images import parse_reference
from ..temporary import is_ours
from ..units import in_utc
from .image_store import moved_account_images
from .leftovers import Kind, Leftover, left_images
from .prune import remove, with_sizes


@dataclass(frozen=True)
class Orphan:
    """A committed image that no container uses, or an account image of `legacy_flow = build` whose
    base has changed. `container` is the one it was committed for, empty for the latter;
    `reclaimed` is the bytes that removing it alone frees."""

    image: str
    id: str
    container: str
    uid: int
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
    """The images that were removed, those that were kept and why, and the bytes freed; `failed` of
    those kept could not be removed, although nothing uses them."""

    removed: tuple[str, ...]
    kept: tuple[str, ...]
    reclaimed: int
    failed: int = 0


def list_orphans(context: Context, uid: int | None = None) -> Orphans:
    """Return the committed images that no container uses, and the account images of
    `legacy_flow = build` whose base has changed: of one user, or of all."""
    engine = context.engine
    images = engine.find_images()
    found = [
        each
        for each in left_images(
            *(images, engine.containers() if images else (), uid, 0),
            partial(is_ours, engine=engine),
            moved=moved_account_images(images, engine),
            in_containerd=engine.has_containerd_store() if images else False,
        )
        if each.kind in (Kind.ORPHAN, Kind.BUILT)
    ]
    by_id = {image.id: image for image in images}
    sized, together = with_sizes(found, images, engine)
    orphans = [_orphan(each, by_id[each.id], engine) for each in sized]
    return Orphans(tuple(sorted(orphans, key=lambda each: (each.user, each.image))), together)


def _orphan(left: Leftover, image: Image, engine: Engine) -> Orphan:
    return Orphan(
        image=left.name,
        id=left.id,
        container=(parse_reference(left.name).tag or "") if left.kind is Kind.ORPHAN else "",
        uid=left.uid,
        user=image.labels.get(labels.USERNAME) or str(left.uid),
        size=engine.image_size(image),
        reclaimed=left.frees,
        created=in_utc(image.created),
    )


def own_orphans(context: Context) -> Orphans:
    """Return the caller's orphans; raises MlcError for root, who has none."""
    if context.account.is_root:
        raise MlcError("Leftover images are removed by the user they were made for.")
    return list_orphans(context, context.account.uid)


def retire_orphans(orphans: Orphans, context: Context) -> OrphansRetired:
    """Remove orphans of the caller's, except those that are in use by now."""
    left = []
    for each in orphans.items:
        if each.uid != context.account.uid:
            raise UsageError(f"{each.image} is not yours.")
        kind = Kind.ORPHAN if each.container else Kind.BUILT
        left.append(Leftover(kind, each.image, each.id, each.uid))
    done = remove(left, context)
    alone = sum(each.reclaimed for each in orphans.items if each.image in done.removed)
    reclaimed = alone if done.kept else orphans.reclaimed
    return OrphansRetired(done.removed, done.kept, reclaimed, done.failed)
