"""Image references: which are valid, how they are parsed, and the names that mlc gives."""

from __future__ import annotations

import re

from ..errors import UsageError, shown
from ..host.account import read_id
from ..lean import dataclass
from .containers import SEPARATOR

_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_TAG_AT_END = re.compile(rf":({_TAG})\Z")
_DIGEST = re.compile(r"@[A-Za-z0-9+._-]+:[0-9A-Fa-f]{32,}\Z")
_ACCOUNT_IMAGE = r"mlc-account-([0-9]{1,10}):([0-9a-f]{64})"
_IMAGE_ID = re.compile(r"(sha256:)?[0-9a-f]{64}|sha256:[0-9a-f]{12,64}")
# A reference as in the distribution specification; an ID, whole or short, has the form of one. No
# part of a path can be `.` or `..`, so a name cannot point to another place in the engine's API.
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?"
_REFERENCE = re.compile(
    rf"(?:{_HOST}/)?{_PART}(?:/{_PART})*(?::{_TAG})?"
    r"(?:@[A-Za-z][A-Za-z0-9+._-]*:[0-9A-Fa-f]{32,})?"
)
_LONGEST_REPOSITORY = 255
_REGISTRY = (
    r"(?=[^/]*[.:]|localhost(/|$))[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?"
    r"(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"
)
"""HOST[:PORT][/PATH]. A host without a dot or port, other than localhost, is a name on Docker's
own registry (distribution's reference grammar, "familiar names")."""
NAMELESS_REPOSITORY = "mlc-image"
"""Repository of a committed image whose base has an ID but no name."""


@dataclass(frozen=True)
class Reference:
    """A parsed image reference: `repository[:tag][@digest]`."""

    repository: str
    tag: str | None = None
    digest: str | None = None

    def __str__(self) -> str:
        """Return the reference as it was written."""
        tag = f":{self.tag}" if self.tag is not None else ""
        return f"{self.repository}{tag}" + (f"@{self.digest}" if self.digest is not None else "")


def parse_reference(reference: str) -> Reference:
    """Parse an image reference; the port of a registry is not mistaken for a tag."""
    digest = None
    if match := _DIGEST.search(reference):
        digest = match.group()[1:]
        reference = reference[: match.start()]
    if match := _TAG_AT_END.search(reference):
        return Reference(reference[: match.start()], match.group(1), digest)
    return Reference(reference, None, digest)


def check_reference(reference: str) -> Reference:
    """Parse an image reference that Docker would accept, a name or an ID, or raise UsageError."""
    found = parse_reference(reference)
    if len(found.repository) <= _LONGEST_REPOSITORY and _REFERENCE.fullmatch(reference):
        return found
    raise UsageError(
        f"{shown(reference)} is not a valid image name. For example: "
        "aimehub/pytorch-2.8.0-cuda12.6.3 or ds01-1001/my-project:latest"
    )


def check_tag(text: str, advice: str = "") -> str:
    """Return a tag that Docker accepts, or raise UsageError, whose message ends with `advice`."""
    if re.fullmatch(_TAG, text):
        return text
    raise UsageError(
        f"{shown(text)} is not a valid tag: use letters, digits, '_', '.' and '-', at most 128 "
        f"characters. {advice}".rstrip()
    )


def is_image_id(reference: str) -> bool:
    """Whether the reference is an image ID rather than a name."""
    return _IMAGE_ID.fullmatch(reference) is not None


def committed_repository(image: str, known_names: tuple[str, ...], image_id: str = "") -> str:
    """Return the repository of the image that the legacy flow commits: that of the image it was
    made from, by the first of its names if it was given by ID, whole or short."""
    is_start = image_id.removeprefix("sha256:").startswith(image)
    if is_image_id(image) or (is_start and f"{image}:latest" not in known_names):
        image = known_names[0] if known_names else NAMELESS_REPOSITORY
    return parse_reference(image).repository


def is_committed_for(reference: str, tag: str) -> bool:
    """Whether an image is the one that the legacy flow committed for this container."""
    return parse_reference(reference).tag == tag


def account_image(base_id: str, uid: int) -> tuple[str, str]:
    """Return repository and tag of a base with a user's account (`legacy_flow = build`)."""
    return f"mlc-account-{uid}", base_id.partition(":")[2]


def account_image_of(reference: str) -> tuple[int, str] | None:
    """Return UID and base ID from a name given by `account_image`, or None."""
    match = re.fullmatch(_ACCOUNT_IMAGE, reference)
    return (int(match[1]), f"sha256:{match[2]}") if match else None


def committed_uid(reference: str) -> int | None:
    """Return the UID in the tag of a committed image, `NAME._.UID`, or None."""
    _, separator, uid = (parse_reference(reference).tag or "").rpartition(SEPARATOR)
    return read_id(uid) if separator else None


def check_registry(text: str) -> str:
    """Return the name of a registry without a trailing slash, or raise UsageError."""
    name = text.strip().rstrip("/")
    if not re.fullmatch(_REGISTRY, name):
        raise UsageError(
            f"{shown(text)} is not a valid registry name.",
            "Give HOST:PORT, for example registry.example.org:5000, without https://.",
        )
    return name
