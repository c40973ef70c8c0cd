"""Names of containers: which are valid, and what a user's container is called in Docker."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import chain, count

from ..errors import InvalidValueError, shown

SEPARATOR = "._."
"""Between the name and the UID in a container's name in Docker (docs/contracts.md)."""

PATTERN_OF_NOBODY = r"^/?[^.]+(\._\.0)?$"
"""A regular expression for names in Docker that do not say whose a container is."""

ROOT = 0
"""The UID in the names of root's containers, and of users' that AIME's mlc created under sudo."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_UID = re.compile(r"[1-9][0-9]*")
_AIME_NAME = re.compile(r"[A-Za-z0-9_#-]+")
_TAG_LIMIT = 128  # a tag's length in the distribution specification


def container_tag(name: str, uid: int) -> str:
    """Return the name in Docker of a user's container, `NAME._.UID`, or raise InvalidValueError."""
    check_container_name(name, uid)
    return f"{name}{SEPARATOR}{uid}"


def check_container_name(name: str, uid: int) -> None:
    """Raise InvalidValueError for a name that AIME's mlc or Docker does not accept."""
    allowed = "Use letters, digits, '_' and '-', and begin with a letter or a digit."
    if not name:
        raise InvalidValueError(f"The container name is empty. {allowed}")
    if "#" in name and _AIME_NAME.fullmatch(name):
        raise InvalidValueError(
            f"The container name {name!r} contains a '#', which Docker does not allow. {allowed}"
        )
    own, _, other = name.partition(SEPARATOR)
    if _NAME.fullmatch(own) and _UID.fullmatch(other) and other != str(uid):
        raise InvalidValueError(
            f"{name!r} names a container of another user, with the UID {other}; yours is {uid}.",
            "See your containers with: mlc list -a",
        )
    if not _NAME.fullmatch(name):
        raise InvalidValueError(f"{shown(name)} is not a valid container name. {allowed}")
    longest = _TAG_LIMIT - len(f"{SEPARATOR}{uid}")
    if len(name) > longest:
        raise InvalidValueError(
            f"The container name has {len(name)} characters; at most {longest} are allowed."
        )


def is_own_name(tag: str, uid: int) -> bool:
    """Whether a container's name in Docker may be a user's: `NAME._.UID`, `NAME._.0` as AIME's
    `sudo mlc create` calls it, or the plain NAME of AIME's first version. The last two do not say
    whose it is."""
    return not says_whose(tag) or tag.endswith(f"{SEPARATOR}{uid}")


def says_whose(tag: str) -> bool:
    """Whether a container's name in Docker says whose it is: `NAME._.UID`, unless it is root's."""
    return SEPARATOR in tag and not tag.endswith(f"{SEPARATOR}{ROOT}")


def pattern_of_own(uid: int) -> str:
    """Return a regular expression for the names in Docker of a user's containers."""
    return f"{re.escape(SEPARATOR)}{uid}$"


def short_name(tag: str) -> str:
    """Return the user's name of a container from its name in Docker (`NAME._.UID` or `NAME`)."""
    return tag.rsplit(SEPARATOR, 1)[0]


def plain_name(text: str, uid: int) -> str:
    """Return the user's name of a container as `list` or `docker ps` print it: `[NAME]`,
    `NAME._.UID` or `NAME._.0`; any other text is returned unchanged."""
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    return text.removesuffix(f"{SEPARATOR}{uid}").removesuffix(f"{SEPARATOR}{ROOT}")


def first_free(name: str, is_taken: Callable[[str], bool]) -> str:
    """Return the first of `NAME`, `NAME-2`, `NAME-3` … that is not taken."""
    numbered = (f"{name}-{number}" for number in count(2))
    return next(each for each in chain((name,), numbered) if not is_taken(each))
