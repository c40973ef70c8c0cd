"""prune: remove what killed commands and removed containers have left behind."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from ..context import Context
from ..engine.interface import Engine, Image
from ..errors import ConflictError, EngineUnreachableError, MlcError, UsageError
from ..host.account import account_of
from ..host.locks import account_lock, exclusive
from ..lean import dataclass, replace
from ..names.images import parse_reference
from ..names.projects import project_of_repository
from ..temporary import is_ours
from . import disk_usage
from .image_store import moved_account_images
from .leftover_files import left_files, remove_file
from .leftovers import Kind, Leftover, is_labelled, left_containers, left_images

DAY = 24 * 3600
_ORDER = tuple(Kind)
_IMAGES = frozenset(Kind) - {Kind.SETUP, Kind.FILE}


@dataclass(frozen=True)
class Found:
    """Leftovers, and the bytes that removing all of them frees."""

    items: tuple[Leftover, ...]
    frees: int
    unlabelled: int = 0
    """Number of committed images without our labels, which are leftovers only with `aime`."""
    uid: int | None = None
    """Whose leftovers they are; None for every user's."""
    before: float | None = None
    """Images without a name that were made before this appear as others are removed. None if
    they are not to be removed."""


@dataclass(frozen=True)
class Pruned:
    """What was removed, and what was kept and why: `failed` of them nothing uses, but they could
    not be removed. `frees` is the bytes freed, if some were kept at least that."""

    removed: tuple[str, ...]
    kept: tuple[str, ...]
    failed: int = 0
    frees: int = 0


def find(
    context: Context,
    *,
    all_users: bool = False,
    previous: bool = False,
    unused: bool = False,
    aime: bool = False,
    older_than: int = DAY,
) -> Found:
    """Find leftovers.

    Args:
        all_users: every user's; only for root.
        previous: also the images from before the last update.
        unused: also account images of `legacy_flow = build` that the next create would use.
        aime: also committed images without labels, as AIME's mlc makes them.
        older_than: age in seconds from which a temporary container, image or file is a leftover.

    Raises:
        UsageError: someone other than root asked for all users'.
        EngineError: the engine did not answer.
    """
    # Not the account: under sudo that is the calling user, with root's rights.
    if all_users and os.geteuid() != 0:
        raise UsageError("--all-users needs root: sudo mlc prune --all-users")
    engine = context.engine
    uid = None if all_users else context.account.uid
    containers = engine.containers()
    images = engine.find_images()
    before = time.time() - older_than
    setup = left_containers(containers, uid, before)
    going = {each.id for each in setup}
    staying = [each for each in containers if each.id not in going]
    # An image that only a digest names is in both lists.
    all_images = {each.id: each for each in (*engine.find_images(nameless=True), *images)}.values()
    aimes = set() if aime else {each.id for each in images if not is_labelled(each)}
    chosen, unlabelled = [], 0
    moved = moved_account_images(images, engine)
    in_containerd = engine.has_containerd_store() if images else False
    for each in left_images(
        *(all_images, staying, uid, before, partial(is_ours, engine=engine)),
        unused=unused,
        moved=moved,
        in_containerd=in_containerd,
    ):
        if each.kind is Kind.ORPHAN and each.id in aimes:
            unlabelled += 1
        elif previous or each.kind is not Kind.PREVIOUS:
            chosen.append(each)
    chosen.sort(key=lambda each: _ORDER.index(each.kind))
    # Homes belong to their users: --all-users only looks at the engine.
    files = [] if all_users else left_files(context.account, context.environ, before)
    sizes = {}
    if setup:
        sizes = {each.id: each.size or 0 for each in engine.containers(sizes=True)}
    setup = [_with_size(each, sizes.get(each.id, 0)) for each in setup]
    sized, together = with_sizes(chosen, images, engine)
    return Found(
        (*setup, *sized, *files),
        sum(each.frees for each in (*setup, *files)) + together,
        unlabelled,
        uid,
        before,
    )


def with_sizes(
    leftovers: Sequence[Leftover], images: Iterable[Image], engine: Engine
) -> tuple[tuple[Leftover, ...], int]:
    """Return leftover images with what removing each alone frees, and what all of them free."""
    stored = disk_usage.all_stored(engine) if leftovers else {}
    names = {image.id: set(image.references) for image in images}

    def frees(*going: Leftover) -> int:
        removals = ((each.id, each.name) for each in going)
        return disk_usage.freed(disk_usage.emptied(removals, names), stored)

    return tuple(_with_size(each, frees(each)) for each in leftovers), frees(*leftovers)


def prune(found: Found, context: Context) -> Pruned:
    """Remove leftovers, except those that have come into use in the meantime."""
    pruned = remove(found.items, context)
    seen, items = {each.name for each in found.items}, found.items
    while found.before is not None and any(each.kind in _IMAGES for each in items):
        # Only an image that nothing is built on is found: the next one may have appeared.
        items = tuple(each for each in _nameless(found, context) if each.name not in seen)
        seen |= {each.name for each in items}
        more = remove(items, context)
        pruned = Pruned(
            (*pruned.removed, *more.removed),
            (*pruned.kept, *more.kept),
            pruned.failed + more.failed,
        )
    alone = sum(each.frees for each in found.items if each.name in pruned.removed)
    return replace(pruned, frees=alone if pruned.kept else found.frees)


def _nameless(found: Found, context: Context) -> Iterator[Leftover]:
    engine = context.engine
    images = engine.find_images(nameless=True)
    for each in left_images(
        *(images, engine.containers(), found.uid, found.before or 0),
        partial(is_ours, engine=engine),
    ):
        if each.kind is Kind.NAMELESS:
            yield each


def remove(items: Iterable[Leftover], context: Context) -> Pruned:
    """Remove leftovers, except those that have come into use. Commands that may be making the same
    image are waited for. Raises EngineUnreachableError; other failures are in the result."""
    engine, removed, kept, failed = context.engine, [], [], 0
    for each in items:
        try:
            if each.kind is Kind.SETUP:
                engine.remove_container(each.id)
            elif each.kind is Kind.FILE:
                remove_file(each, context.account)
            else:
                is_own = each.uid == context.account.uid
                owner = context.account if is_own else account_of(each.uid)
                with exclusive(owner, _lock(each), context.report):
                    if any(user.image_id == each.id for user in engine.containers()):
                        raise ConflictError("a container uses it by now")
                    now = engine.image(each.name)
                    if now is not None and now.id != each.id:
                        raise ConflictError("it is the name of another image by now")
                    engine.remove_image(each.name)
        except EngineUnreachableError:
            raise
        except MlcError as error:
            kept.append(f"{each.name}: {error}")
            failed += not isinstance(error, ConflictError)
        else:
            removed.append(each.name)
    return Pruned(tuple(removed), tuple(kept), failed)


def _lock(each: Leftover) -> str:
    """Return the lock to hold: a command that makes this very image may be running.

    For other kinds, only their age shows that no running command needs them.
    """
    name = parse_reference(each.name)
    tag = name.tag or ""
    if each.kind is Kind.BUILT:
        return account_lock(f"sha256:{tag}")
    project = project_of_repository(name.repository)
    if each.kind is Kind.UNFINISHED and project is not None:
        return f"image {project.name}"
    return tag


def _with_size(each: Leftover, frees: int) -> Leftover:
    return Leftover(each.kind, each.name, each.id, each.uid, frees)
