"""prune: what commands that were killed, and containers long gone, have left behind."""

from __future__ import annotations

import enum
import os
import pwd
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .. import disk_usage, labels
from ..account import Account
from ..context import Context
from ..engine import Container, Image
from ..errors import ConflictError, UsageError
from ..labels import MalformedLabelsError, read_claim
from ..locks import account_lock, exclusive
from ..names import SEPARATOR, parse_reference
from ..projects import PREVIOUS, project_of_repository
from .image_list import committed_uid, left_account_images

DAY = 24 * 3600
_TEMPORARY = re.compile(r"mlc-(?:setup|look|verify)-(\d{1,10})-[0-9a-f]{8}")


class Kind(enum.Enum):
    """What something that is left over is."""

    SETUP = "set-up container"
    ORPHAN = "committed image"
    BUILT = "account image"
    PREVIOUS = "previous image"


@dataclass(frozen=True)
class LeftOver:
    """One thing that may go. `frees` are the bytes it gives back alone; several images that
    share layers give back more together, and what an image shares with one that stays, never."""

    kind: Kind
    name: str
    id: str
    uid: int
    frees: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return it for `--json`."""
        return {**vars(self), "kind": self.kind.name.lower()}


@dataclass(frozen=True)
class Found:
    """What is left over, and the bytes all of it gives back."""

    items: tuple[LeftOver, ...]
    frees: int
    unlabelled: int = 0
    """Committed images without our labels, which only `aime` takes as left over."""


@dataclass(frozen=True)
class Pruned:
    """What is gone, and what stayed and why."""

    removed: tuple[str, ...]
    kept: tuple[str, ...]


def find(
    context: Context,
    *,
    all_users: bool = False,
    previous: bool = False,
    unused: bool = False,
    aime: bool = False,
    older_than: int = DAY,
) -> Found:
    """Find what is left over.

    Args:
        context: who calls, and the engine.
        all_users: of every user; root's alone to ask.
        previous: the images from before the last update, too.
        unused: account images of `old_flow = build` that would be of use again, too.
        aime: committed images without labels, too: AIME's mlc makes such.
        older_than: age in seconds from which on a set-up container is a left-over.

    Raises:
        UsageError: all users' were asked for by someone else than root.
        EngineError: the engine did not answer.
    """
    # Not the account: under sudo that is the user who called it, with root's rights.
    if all_users and os.geteuid() != 0:
        raise UsageError("--all-users is root's to ask. Say: sudo mlc prune --all-users")
    engine = context.engine
    uid = None if all_users else context.account.uid
    containers = engine.containers()
    images = engine.find_images()
    setup = left_containers(containers, uid, time.time() - older_than)
    orphans = orphaned(images, containers, uid)
    own = [each for each, is_labelled in orphans if is_labelled or aime]
    chosen = [
        *own,
        *account_images(images, containers, uid, unused=unused),
        *(previous_images(images, containers, uid) if previous else []),
    ]
    sizes = {}
    if setup:
        sizes = {each.id: each.size or 0 for each in engine.containers(sizes=True)}
    stored = disk_usage.all_stored(engine) if chosen else {}
    names = {image.id: set(image.references) for image in images}
    return Found(
        (
            *(_with_size(each, sizes.get(each.id, 0)) for each in setup),
            *(
                _with_size(each, disk_usage.freed(_emptied([each], names), stored))
                for each in chosen
            ),
        ),
        sum(sizes.get(each.id, 0) for each in setup)
        + disk_usage.freed(_emptied(chosen, names), stored),
        len(orphans) - len(own),
    )


def left_containers(
    containers: Iterable[Container], uid: int | None, before: float
) -> list[LeftOver]:
    """Return the set-up containers, ours by label and by name, that are left over.

    Args:
        containers: all there are.
        uid: only this user's; None for every user's.
        before: only those made before, in seconds since 1970.
    """
    found = []
    for each in containers:
        match = _TEMPORARY.fullmatch(each.name)
        is_ours = labels.SETUP_FOR in each.labels or labels.TEMPORARY in each.labels
        if match is None or not is_ours or each.is_running or each.created > before:
            continue
        if uid is None or int(match[1]) == uid:
            found.append(LeftOver(Kind.SETUP, each.name, each.id, int(match[1])))
    return found


def orphaned(
    images: Iterable[Image], containers: Iterable[Container], uid: int | None
) -> list[tuple[LeftOver, bool]]:
    """Return the committed images that no container uses, and whether their labels are ours.

    One whose labels name another user than its tag does is nobody's, and is left out.

    Args:
        images: all there are.
        containers: all there are.
        uid: only this user's; None for every user's.
    """
    used = {each.image_id for each in containers}
    there = {each.name for each in containers}
    found = []
    for image in images:
        for reference in image.references:
            owner, tag = committed_uid(reference), parse_reference(reference).tag or ""
            if owner is None or SEPARATOR not in tag or (uid is not None and owner != uid):
                continue
            if image.id in used or tag in there:
                continue
            try:
                claim = read_claim(image.labels)
            except MalformedLabelsError:
                continue
            if claim is None or claim.uid == owner:
                item = LeftOver(Kind.ORPHAN, reference, image.id, owner)
                found.append((item, claim is not None))
    return found


def account_images(
    images: Iterable[Image], containers: Iterable[Container], uid: int | None, *, unused: bool
) -> list[LeftOver]:
    """Return the images of `old_flow = build` that are left over; see `left_account_images`.

    Args:
        images: all there are.
        containers: all there are.
        uid: only this user's; None for every user's.
        unused: those that the next create would be made from, too.
    """
    used = {each.image_id for each in containers}
    return [
        LeftOver(Kind.BUILT, reference, image.id, owner)
        for image, reference, owner in left_account_images(images, used, unused=unused)
        if uid is None or owner == uid
    ]


def previous_images(
    images: Iterable[Image], containers: Iterable[Container], uid: int | None
) -> list[LeftOver]:
    """Return the images from before the last update that no container uses; see `orphaned`."""
    used = {each.image_id for each in containers}
    found = []
    for image in images:
        for reference in image.references:
            name = parse_reference(reference)
            project = project_of_repository(name.repository)
            if project is None or name.tag != PREVIOUS or image.id in used:
                continue
            is_ours = labels.HAS_USER_SETUP in image.labels or labels.PROJECT in image.labels
            if is_ours and (uid is None or project.uid == uid):
                found.append(LeftOver(Kind.PREVIOUS, reference, image.id, project.uid))
    return found


def prune(found: Found, context: Context) -> Pruned:
    """Remove what was found; what has come into use meanwhile stays.

    Raises:
        EngineError: the engine did not answer.
    """
    engine, removed, kept = context.engine, [], []
    for each in found.items:
        try:
            if each.kind is Kind.SETUP:
                engine.remove_container(each.id)
            else:
                # A create of this very name may be between its commit and its container.
                with exclusive(_account(each.uid, context), _lock(each), context.report):
                    if any(user.image_id == each.id for user in engine.containers()):
                        raise ConflictError("a container uses it by now")
                    now = engine.image(each.name)
                    if now is not None and now.id == each.id:
                        engine.remove_image(each.name)
        except ConflictError as error:
            kept.append(f"{each.name}: {error}")
        else:
            removed.append(each.name)
    return Pruned(tuple(removed), tuple(kept))


def _lock(each: LeftOver) -> str:
    """Return the name of the lock that a create holds while it makes such an image."""
    tag = parse_reference(each.name).tag or ""
    return account_lock(f"sha256:{tag}") if each.kind is Kind.BUILT else tag


def _emptied(items: Iterable[LeftOver], names: dict[str, set[str]]) -> list[str]:
    """Return the ids of images whose last name goes with these."""
    going: dict[str, set[str]] = {}
    for each in items:
        going.setdefault(each.id, set()).add(each.name)
    return [image_id for image_id, gone in going.items() if names.get(image_id, set()) <= gone]


def _with_size(each: LeftOver, frees: int) -> LeftOver:
    return LeftOver(each.kind, each.name, each.id, each.uid, frees)


def _account(uid: int, context: Context) -> Account:
    if uid == context.account.uid:
        return context.account
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return Account(str(uid), uid, uid, "/nonexistent")
    return Account(entry.pw_name, uid, entry.pw_gid, entry.pw_dir)
