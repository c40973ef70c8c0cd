"""Which containers and images are left over, from lists of all there are. Pure."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

from ..engine.interface import Container, Image
from ..host.account import read_id
from ..lean import dataclass
from ..names import labels
from ..names.images import account_image_of, committed_uid, parse_reference
from ..names.labels import MalformedLabelsError, read_claim
from ..names.projects import BUILDING, PREVIOUS, project_of_repository
from ..temporary import KINDS, SHARED, STEP
from ..units import seconds_since_1970

_HEX = "[0-9a-f]{12}"
_TEMPORARY = re.compile(rf"mlc-({'|'.join(KINDS)})-(\d{{1,10}})-{_HEX}")
_UNFINISHED = re.compile(rf"{BUILDING}{_HEX}(?:-ca|-lock|-s\d+)?")
_STEP_OF_A_BUILD = re.compile(rf"{BUILDING}{_HEX}-(?:lock|s\d+)")
_IMPORTED = re.compile(rf"mlc-import:{BUILDING}(\d{{1,10}})-{_HEX}")
_ACCOUNT_STEP = re.compile(rf"mlc-account-(\d{{1,10}}):{BUILDING}{_HEX}-s\d+")
_NOBODY = -1


class Kind(enum.Enum):
    """Kinds of leftovers, in the order in which they are listed and removed."""

    SETUP = "set-up container"
    ORPHAN = "committed image"
    BUILT = "account image"
    PREVIOUS = "previous image"
    UNFINISHED = "unfinished image"
    NAMELESS = "nameless image"
    FILE = "half-written file"


@dataclass(frozen=True)
class Leftover:
    """One thing that may be removed. `frees` is the bytes that removing it alone frees: several
    images that share layers free more together, and layers of an image that stays are not freed."""

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
) -> list[Leftover]:
    """Return the temporary containers that are left over, of one user or (None) of all.

    They are ours by label and by name, a step of the classic builder only by name, and made
    `before`, in seconds since 1970.
    """
    found = []
    for each in containers:
        match = _TEMPORARY.fullmatch(each.name)
        if match is None or each.is_running or each.created > before:
            continue
        is_labelled = labels.SETUP_FOR in each.labels or each.labels.get(labels.TEMPORARY)
        is_own = is_labelled or match[1] == STEP
        if is_own and (uid is None or int(match[2]) == uid):
            found.append(Leftover(Kind.SETUP, each.name, each.id, int(match[2])))
    return found


def left_images(
    images: Iterable[Image],
    containers: Collection[Container],
    uid: int | None,
    before: float,
    is_ours: Callable[[Image], bool],
    *,
    unused: bool = False,
    moved: Collection[str] = (),
    in_containerd: bool = False,
) -> Iterator[Leftover]:
    """Yield the images that are left over, once for each of their names.

    An image that a container uses never is. One whose labels name another user than its name does
    belongs to nobody, and is left out.

    `legacy_flow = build` makes a cache: as long as the base has a name, the next create uses the
    account image. Once that name has moved to a newer image, the account image only takes space.

    Args:
        images: all images; those without a name, too.
        containers: those that stay.
        uid: only this user's; None for every user's.
        before: of unfinished and nameless images only those made before, in seconds since 1970.
        unused: also account images that the next create would use.
        moved: IDs of account images whose base is here under another ID.
        in_containerd: whether containerd stores the images. Containers of committed images that
            were moved from another store are hidden there.
    """
    images = tuple(images)
    used = {each.image_id for each in containers}
    names = {each.name for each in containers}
    named = {each.id for each in images if each.references}
    for image in images:
        if image.id in used:
            continue
        for reference in image.references or (image.id,):
            kind, owner = _origin(image, reference, uid)
            if kind is None or owner is None or uid not in (None, owner):
                continue
            tag = reference.rpartition(":")[2]
            is_needed = {
                Kind.ORPHAN: tag in names
                or labels.was_moved(image.labels, in_containerd=in_containerd),
                Kind.BUILT: (f"sha256:{tag}" in named or image.id in moved) and not unused,
                Kind.UNFINISHED: made_at(image) > before,
                Kind.NAMELESS: made_at(image) > before,
            }
            if not is_needed.get(kind) and (
                not _is_checked(kind, reference, image) or is_ours(image)
            ):
                yield Leftover(kind, reference, image.id, owner)


def _is_checked(kind: Kind, reference: str, image: Image) -> bool:
    """Whether more than name and labels has to show that an image is ours: labels are inherited by
    what is built on it. The names of steps and of account images are nobody else's, and AIME's
    committed images have no labels."""
    if kind is Kind.UNFINISHED:
        return _STEP_OF_A_BUILD.search(reference) is None
    return kind is Kind.NAMELESS or (kind is Kind.ORPHAN and is_labelled(image))


def is_labelled(image: Image) -> bool:
    """Whether an image has labels of ours, which AIME's committed images lack."""
    return _claimed_uid(image) is not None


def _origin(image: Image, reference: str, uid: int | None) -> tuple[Kind | None, int | None]:
    """Return what made an image, by its name and labels, and for whom; None for others' images.

    A nameless image of a step that all users share counts as `uid`'s who looks, or root's.
    """
    claimed = _claimed_uid(image)
    if not image.references:
        value = image.labels.get(labels.TEMPORARY, "")
        marked = (uid or 0) if value == SHARED else read_id(value.partition("-")[0])
        return Kind.NAMELESS, claimed if marked is None and claimed != _NOBODY else marked
    if match := _IMPORTED.fullmatch(reference) or _ACCOUNT_STEP.fullmatch(reference):
        return Kind.UNFINISHED, int(match[1])
    if (built := account_image_of(reference)) and claimed == built[0]:
        return Kind.BUILT, claimed
    committed = committed_uid(reference)
    if committed is not None:
        return Kind.ORPHAN, committed if claimed in (None, committed) else None
    name = parse_reference(reference)
    tag = name.tag or ""
    project = project_of_repository(name.repository)
    if project is None:
        return None, None
    is_ours = labels.HAS_USER_SETUP in image.labels or labels.PROJECT in image.labels
    previous = Kind.PREVIOUS if tag == PREVIOUS and is_ours else None
    return Kind.UNFINISHED if _UNFINISHED.fullmatch(tag) else previous, project.uid


def _claimed_uid(image: Image) -> int | None:
    """Return the UID that an image's labels name; None without them, _NOBODY if malformed."""
    try:
        claim = read_claim(image.labels)
    except MalformedLabelsError:
        return _NOBODY
    return claim.uid if claim else None


def made_at(image: Image) -> float:
    """Return when an image was made, in seconds since 1970; 0 where that is not known."""
    return seconds_since_1970(image.created) or 0.0
