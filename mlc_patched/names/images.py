"""Names of containers and images: what is allowed, and how they are put together."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import UsageError, shown

SEPARATOR = "._."
"""Stands between the name and the UID in a container's name in Docker (contract 1)."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_AIME_NAME = re.compile(r"[A-Za-z0-9_#-]+")
_TAG_LIMIT = 128  # a tag's length in the distribution specification
_TAG = re.compile(r":([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})\Z")
_DIGEST = re.compile(r"@[A-Za-z0-9+._-]+:[0-9A-Fa-f]{32,}\Z")
_ACCOUNT_IMAGE = re.compile(r"mlc-account-([0-9]{1,10}):([0-9a-f]{64})")
_IMAGE_ID = re.compile(r"(sha256:)?[0-9a-f]{64}|sha256:[0-9a-f]{12,64}")
# The distribution specification's reference. A host may have capitals, a path may not: so no
# part of one is `.` or `..`, and a name can lead nowhere else in the engine's API.
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?"
_REFERENCE = re.compile(
    rf"(?:{_HOST}/)?{_PART}(?:/{_PART})*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?"
    r"(?:@[A-Za-z][A-Za-z0-9+._-]*:[0-9A-Fa-f]{32,})?"
)
_SHORT_ID = re.compile(r"[0-9a-f]{12,64}")
_LONGEST_REPOSITORY = 255
NAMELESS_REPOSITORY = "mlc-image"
"""Repository of a committed image whose base has an id but no name."""


def container_tag(name: str, uid: int) -> str:
    """Return the name a user's container has in Docker: `NAME._.UID`.

    Raises:
        UsageError: the name cannot be one, with the reason.
    """
    check_container_name(name, uid)
    return f"{name}{SEPARATOR}{uid}"


def check_container_name(name: str, uid: int) -> None:
    """Refuse what is no container name for AIME's mlc, or none for Docker.

    Raises:
        UsageError: with what is wrong and what a name may hold.
    """
    allowed = "A name holds letters, digits, '_' and '-', and starts with a letter or a digit."
    if not name:
        raise UsageError(f"The container name is empty. {allowed}")
    if "#" in name and _AIME_NAME.fullmatch(name):
        raise UsageError(
            f"The container name {name!r} holds a '#', which Docker does not allow. {allowed}"
        )
    if not _NAME.fullmatch(name):
        raise UsageError(f"{shown(name)} is not a container name. {allowed}")
    longest = _TAG_LIMIT - len(f"{SEPARATOR}{uid}")
    if len(name) > longest:
        raise UsageError(
            f"The container name has {len(name)} characters; at most {longest} are allowed."
        )


def is_own_name(tag: str, uid: int) -> bool:
    """Whether a container's name in Docker is a user's: `NAME._.UID`, or AIME's first version's
    plain NAME, which is anybody's."""
    return SEPARATOR not in tag or tag.endswith(f"{SEPARATOR}{uid}")


def short_name(tag: str) -> str:
    """Return the user's name of a container from its name in Docker (`NAME._.UID` or `NAME`)."""
    return tag.rsplit(SEPARATOR, 1)[0]


@dataclass(frozen=True)
class Reference:
    """An image reference taken apart: `repository[:tag][@digest]`."""

    repository: str
    tag: str | None = None
    digest: str | None = None


def parse_reference(reference: str) -> Reference:
    """Take an image reference apart; a registry's port is never taken for a tag."""
    digest = None
    if match := _DIGEST.search(reference):
        digest = match.group()[1:]
        reference = reference[: match.start()]
    if match := _TAG.search(reference):
        return Reference(reference[: match.start()], match.group(1), digest)
    return Reference(reference, None, digest)


def check_reference(reference: str) -> str:
    """Return the name or id of an image if it is one that Docker would take.

    Raises:
        UsageError: it is not; the message says what one looks like.
    """
    if len(parse_reference(reference).repository) <= _LONGEST_REPOSITORY and (
        _REFERENCE.fullmatch(reference) or is_image_id(reference) or _SHORT_ID.fullmatch(reference)
    ):
        return reference
    raise UsageError(
        f"{shown(reference)} is not the name of an image. One looks like this: "
        "aimehub/pytorch-2.8.0-cuda12.6.3 or ds01-1001/my-project:latest"
    )


def is_image_id(reference: str) -> bool:
    """Whether the reference is an image's id rather than a name."""
    return _IMAGE_ID.fullmatch(reference) is not None


def committed_reference(image: str, known_names: tuple[str, ...], tag: str) -> tuple[str, str]:
    """Return repository and tag under which the old flow commits (contract 1: `IMAGE:NAME._.UID`).

    Args:
        image: the reference the container is made from, which may be an id.
        known_names: names the image has, used when `image` is an id.
        tag: the container's name in Docker.
    """
    if is_image_id(image):
        image = known_names[0] if known_names else NAMELESS_REPOSITORY
    return parse_reference(image).repository, tag


def is_committed_for(reference: str, tag: str) -> bool:
    """Whether an image reference is the one the old flow commits for this container."""
    return parse_reference(reference).tag == tag


def account_image(base_id: str, uid: int) -> tuple[str, str]:
    """Return repository and tag of a base with a user's account in it (`old_flow = build`)."""
    return f"mlc-account-{uid}", base_id.partition(":")[2]


def account_image_of(reference: str) -> tuple[int, str] | None:
    """Return the user's UID and the base's id of a name made by `account_image`, or None."""
    match = _ACCOUNT_IMAGE.fullmatch(reference)
    return (int(match[1]), f"sha256:{match[2]}") if match else None


def committed_uid(reference: str) -> int | None:
    """Return the UID in the tag of a committed image, `NAME._.UID`, or None."""
    uid = (parse_reference(reference).tag or "").rpartition(SEPARATOR)[2]
    return int(uid) if uid.isascii() and uid.isdigit() and len(uid) <= 10 else None
