"""What of containers, images and files is left over: pure, from lists of what there is."""

from __future__ import annotations

import calendar
import enum
import re
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from ..engine.interface import Container, Image
from ..names import labels
from ..names.containers import SEPARATOR
from ..names.images import account_image_of, committed_uid, parse_reference
from ..names.labels import MalformedLabelsError, read_claim
from ..names.projects import BUILDING, PREVIOUS, project_of_repository
from ..temporary import KINDS, STEP

_TEMPORARY = re.compile(rf"mlc-({'|'.join(KINDS)})-(\d{{1,10}})-[0-9a-f]{{8,12}}")
_UNFINISHED = re.compile(rf"{BUILDING}[0-9a-f]{{8,12}}(?:-ca|-s\d+)?")
_IMPORTED = re.compile(rf"mlc-import:{BUILDING}(\d{{1,10}})-[0-9a-f]{{8,12}}")
_ACCOUNT_STEP = re.compile(rf"mlc-account-(\d{{1,10}}):{BUILDING}[0-9a-f]{{12}}-s\d+")
_CREATED = "%Y-%m-%dT%H:%M:%S"


class Kind(enum.Enum):
    """What something that is left over is."""

    SETUP = "set-up container"
    ORPHAN = "committed image"
    BUILT = "account image"
    PREVIOUS = "previous image"
    UNFINISHED = "unfinished image"
    NAMELESS = "nameless image"
    FILE = "half-written file"


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


def left_containers(
    containers: Iterable[Container], uid: int | None, before: float
) -> list[LeftOver]:
    """Return the containers that are there only while a command works, and are left over.

    They are ours by label and by name; a step of the classic builder has a name alone.

    Args:
        containers: all there are.
        uid: only this user's; None for every user's.
        before: only those made before, in seconds since 1970.
    """
    found = []
    for each in containers:
        match = _TEMPORARY.fullmatch(each.name)
        if match is None or each.is_running or each.created > before:
            continue
        is_labelled = labels.SETUP_FOR in each.labels or labels.TEMPORARY in each.labels
        is_ours = is_labelled or match[1] == STEP
        if is_ours and (uid is None or int(match[2]) == uid):
            found.append(LeftOver(Kind.SETUP, each.name, each.id, int(match[2])))
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


def left_account_images(
    images: Iterable[Image], used: Collection[str], *, unused: bool = False
) -> list[tuple[Image, str, int]]:
    """Return what `legacy_flow = build` made and no create takes any more: image, name, UID.

    What it makes is a cache: of a base that still has a name, the next create is made from it.
    Once the base's name went to a newer image it only holds the disk that both of them take.
    One whose labels name another user than its repository does is nobody's, and is left out.

    Args:
        images: all that have a name.
        used: ids of images that containers use, which stay.
        unused: those of bases that still have a name, too.
    """
    images = tuple(images)
    named = {each.id for each in images}
    found = []
    for image in images:
        for reference in image.references:
            owner, base = account_image_of(reference) or (None, "")
            if owner is None or image.id in used or (base in named and not unused):
                continue
            try:
                claim = read_claim(image.labels)
            except MalformedLabelsError:
                continue
            if claim is not None and claim.uid == owner:
                found.append((image, reference, owner))
    return found


def account_images(
    images: Iterable[Image], containers: Iterable[Container], uid: int | None, *, unused: bool
) -> list[LeftOver]:
    """Return the images of `legacy_flow = build` that are left over; see `left_account_images`.

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


def unfinished_images(
    images: Iterable[Image], used: set[str], uid: int | None, before: float
) -> list[LeftOver]:
    """Return images that bear a name only while they are made, and that nothing uses.

    Args:
        images: all that have a name.
        used: ids of images that containers use.
        uid: only this user's; None for every user's.
        before: only those made before, in seconds since 1970.
    """
    found = []
    for image in images:
        for reference in image.references:
            owner = _maker(reference)
            if owner is None or image.id in used or made_at(image) > before:
                continue
            if uid is None or owner == uid:
                found.append(LeftOver(Kind.UNFINISHED, reference, image.id, owner))
    return found


def nameless_images(
    images: Iterable[Image], used: set[str], uid: int | None, before: float
) -> list[LeftOver]:
    """Return images whose name went to another and which nothing uses; see `unfinished_images`.

    Ours are those with the labels of an account; whose they are is what these say.
    """
    found = []
    for image in images:
        try:
            claim = read_claim(image.labels)
        except MalformedLabelsError:
            continue
        if claim is None or image.id in used or made_at(image) > before:
            continue
        if uid is None or claim.uid == uid:
            found.append(LeftOver(Kind.NAMELESS, image.id, image.id, claim.uid))
    return found


def made_at(image: Image) -> float:
    """Return when an image was made, in seconds since 1970; 0 where that is not known."""
    try:
        return calendar.timegm(time.strptime(image.created[:19], _CREATED))
    except ValueError:
        return 0.0


def _maker(reference: str) -> int | None:
    if match := _IMPORTED.fullmatch(reference) or _ACCOUNT_STEP.fullmatch(reference):
        return int(match[1])
    name = parse_reference(reference)
    project = project_of_repository(name.repository)
    return project.uid if project and _UNFINISHED.fullmatch(name.tag or "") else None
