"""Labels of images and containers, and the account that an image claims by its labels."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from ..errors import shown
from ..host.account import Account, read_id
from ..lean import dataclass

# On a container, as AIME's mlc writes them (docs/contracts.md, "Labels").
OWNER = "aime.mlc"
NAME = "aime.mlc.NAME"
USER = "aime.mlc.USER"
ARCHITECTURE = "aime.mlc.ARCH"
MLC_VERSION = "aime.mlc.MLC_VERSION"
WORKSPACE = "aime.mlc.WORK_MOUNT"
DATA = "aime.mlc.DATA_MOUNT"
MODELS = "aime.mlc.MODELS_MOUNT"
FRAMEWORK = "aime.mlc.FRAMEWORK"
GPUS = "aime.mlc.GPUS"
NOT_GIVEN = "-"
"""AIME's value for a directory that was not given."""

# On a container, ours.
USER_SETUP = "aime.mlc.DS01_USER_SETUP"
IMAGE_ID = "aime.mlc.DS01_IMAGE"
DEVICES = "aime.mlc.DS01_DEVICES"
"""UUIDs of the GPUs that were chosen for it (the setting `gpus.assign`), as `escaped`."""
HOST_DEVICES = "aime.mlc.DS01_HOST_DEVICES"
"""Paths of the host's devices that it was given, as `escaped`, or NOT_GIVEN: what a list of
containers does not say otherwise."""
REQUEST = "aime.mlc.DS01_REQUEST"
"""A random token of the process that created the container or service, by which the process finds
it when the engine's response was lost."""

SERVICE = "aime.mlc.DS01_SERVICE"
"""On a service of a Swarm and on its container: `NAME._.UID`. The container has no OWNER."""
JOB = "aime.mlc.DS01_JOB"
"""On a container that a job of Slurm created: the job's ID."""
STEP = "aime.mlc.DS01_STEP"
"""On the same: the process on the node that removes it at the end of the job."""

# On a set-up container and on the image committed from it.
SETUP_FOR = "aime.mlc.DS01_SETUP_FOR"
"""Name in Docker of the container for which the account was set up."""

TEMPORARY = "aime.mlc.DS01_TEMPORARY"
"""On a short-lived container, with its purpose, and on the image of a step, with the mark of the
command that builds it (`temporary.mark`). A finished image has it empty."""

# On an image.
HAS_USER_SETUP = "aime.mlc.DS01_HAS_USER_SETUP"
USER_ID = "aime.mlc.DS01_USER_ID"
GROUP_ID = "aime.mlc.DS01_GROUP_ID"
USERNAME = "aime.mlc.DS01_USERNAME"
PROJECT = "aime.mlc.DS01_PROJECT"
IMAGE_FRAMEWORK = "aime.mlc.DS01_FRAMEWORK"
CREATED = "aime.mlc.DS01_CREATED"
"""Time of the build, in the format of RFC 3339."""
LOCK = "aime.mlc.DS01_LOCK"
"""Digest of the lock with the exact versions in the image (docs/images.md, "The lock")."""
DEVCONTAINER = "devcontainer.metadata"
"""Names the user as whom VS Code attaches (containers.dev, "Image Metadata")."""
LATER_SPELLING = {
    HAS_USER_SETUP: "ds01.has_user_setup",
    USER_ID: "ds01.user_id",
    GROUP_ID: "ds01.group_id",
    USERNAME: "ds01.username",
}
"""The same labels as deployed DS01 systems spell them; they are read, never written."""

IMAGE_STORE = "aime.mlc.DS01_IMAGE_STORE"
"""On an image of the legacy flow: CONTAINERD if it was committed in containerd's image store. If it
was moved to another store since, its container is hidden there."""
CONTAINERD, NOT_CONTAINERD = "containerd", "engine"

DS01_OWNER = "ds01.user"
DS01_SPELLING = {
    OWNER: DS01_OWNER,
    NAME: "ds01.name",
    USER: DS01_OWNER,
    ARCHITECTURE: "ds01.arch",
    MLC_VERSION: "ds01.mlc_version",
    WORKSPACE: "ds01.work_mount",
    DATA: "ds01.data_mount",
    MODELS: "ds01.models_mount",
    FRAMEWORK: "ds01.framework",
    GPUS: "ds01.gpus",
    PROJECT: "ds01.project",
}
"""A container's labels as today's DS01 systems spell them: they are read, and written beside ours
with the setting `labels.ds01`."""
DS01_MANAGED = "ds01.managed"
"""`true` on containers that DS01's tools manage."""
_DS01_WORKSPACE = "ds01.workspace"
"""DS01's other spelling of the workspace."""

OWNED = frozenset(
    {OWNER, NAME, USER, ARCHITECTURE, MLC_VERSION, WORKSPACE, DATA, MODELS, FRAMEWORK, GPUS}
    | {USER_SETUP, IMAGE_ID, DEVICES, HOST_DEVICES, REQUEST, SETUP_FOR, SERVICE, JOB, STEP}
    | {HAS_USER_SETUP, USER_ID, GROUP_ID, USERNAME, IMAGE_STORE}
)
"""Labels that say whose a container is and how it was created; users cannot set them."""


_OURS = frozenset({*DS01_SPELLING.values(), *LATER_SPELLING.values(), _DS01_WORKSPACE})


def users(labels: Mapping[str, str]) -> dict[str, str]:
    """Return those of a container's labels that a user may have given it: none of mlc's own, and
    none that `--ds01-label` cannot express."""
    return {
        label: value
        for label, value in labels.items()
        if label
        and "=" not in label
        and not label.startswith(OWNER)
        and label not in _OURS
        and label not in (DS01_MANAGED, DEVCONTAINER)
        and f"{label}{value}".encode(errors="replace").decode() == f"{label}{value}"
    }


_OF_EVERY_VERSION = (MLC_VERSION, WORKSPACE, DATA, FRAMEWORK, GPUS)


def is_complete(labels: Mapping[str, str], name: str) -> bool:
    """Whether a container has all labels that every version of AIME's mlc gives one called `name`.

    Where the name in Docker does not say whose a container is, one label is not enough."""
    return (
        labels.get(NAME) == name
        and labels.get(USER) == labels.get(OWNER)
        and all(label in labels for label in _OF_EVERY_VERSION)
    )


_SPECIAL = re.compile(r"[,\n\r]|%(?=2C|0A|0D|25)")
_ESCAPED = re.compile(r"%(2C|0A|0D|25)")


def escaped(value: str) -> str:
    """Return a label's value without commas and line breaks, at which AIME's `list` splits labels.

    They are written as %2C, %0A and %0D; a % only where it would be mistaken for one of these.
    """
    return _SPECIAL.sub(lambda found: f"%{ord(found.group()):02X}", value)


def read_value(labels: Mapping[str, str], label: str) -> str:
    """Return the value of a container's label as it was before `escaped`; empty without it."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), labels.get(label, ""))


def given(labels: Mapping[str, str], label: str) -> str | None:
    """Return the value of a container's label, as `read_value`; None if nothing was given."""
    value = read_value(labels, label)
    return None if value in ("", NOT_GIVEN) else value


def devcontainer(username: str) -> str:
    """Return the label by which VS Code attaches as a user: one property, so without a comma."""
    return json.dumps([{"remoteUser": username}], separators=(",", ":"))


def without_ds01_spelling(labels: Mapping[str, str]) -> Mapping[str, str] | None:
    """Return the labels of a container of AIME's mlc, ours or DS01's in AIME's spelling; None for
    any other container."""
    if OWNER in labels:
        return labels
    if not labels.get(DS01_OWNER):
        return None
    found = {ours: labels[theirs] for ours, theirs in DS01_SPELLING.items() if theirs in labels}
    if WORKSPACE not in found and _DS01_WORKSPACE in labels:
        found[WORKSPACE] = labels[_DS01_WORKSPACE]
    return {**labels, **found}


def with_ds01_spelling(labels: Mapping[str, str]) -> dict[str, str]:
    """Return a container's labels in DS01's spelling, for DS01's own tools."""
    found = {theirs: labels[ours] for ours, theirs in DS01_SPELLING.items() if ours in labels}
    return {**found, DS01_MANAGED: "true"}


def instead_of_inherited(inherited: Mapping[str, str], username: str) -> dict[str, str]:
    """Return labels for a container that replace those of its image that AIME's `list` cannot
    read, that say it is of a cluster or has certain GPUs, or that name another user for VS Code: a
    container cannot leave out a label of its image."""
    of_another_container = {
        label: "" for label in (SERVICE, JOB, STEP, DEVICES) if inherited.get(label)
    }
    remote = devcontainer(username)
    of_another_user = (
        {DEVCONTAINER: remote} if inherited.get(DEVCONTAINER, remote) != remote else {}
    )
    readable = {
        label: escaped(value)
        for label, value in inherited.items()
        if "," in value or "\n" in value or "\r" in value
    }
    return readable | of_another_container | of_another_user


@dataclass(frozen=True)
class Claim:
    """The account in an image according to its labels, until /etc/passwd confirms it."""

    uid: int
    gid: int
    username: str

    @classmethod
    def of(cls, account: Account) -> Claim:
        """Return the claim that an image for this account makes."""
        return cls(account.uid, account.gid, account.container_name)


class MalformedLabelsError(ValueError):
    """The labels claim an account, but are incomplete, unreadable or contradictory."""


def store_labels(inherited: Mapping[str, str], *, in_containerd: bool) -> dict[str, str]:
    """Return the label for the image store that an image is committed in."""
    if in_containerd:
        return {IMAGE_STORE: CONTAINERD}
    return {IMAGE_STORE: NOT_CONTAINERD} if IMAGE_STORE in inherited else {}


def was_moved(labels: Mapping[str, str], *, in_containerd: bool) -> bool:
    """Whether an image of the legacy flow was committed in another image store than today's."""
    is_ours = HAS_USER_SETUP in labels
    return is_ours and (labels.get(IMAGE_STORE) == CONTAINERD) != in_containerd


def read_claim(labels: Mapping[str, str]) -> Claim | None:
    """Return the account that an image's labels claim, or None.

    Raises MalformedLabelsError if the claim is incomplete, unreadable or contradictory.
    """
    has_setup = _read(labels, HAS_USER_SETUP)
    if has_setup in (None, "false", ""):
        return None
    if has_setup != "true":
        raise MalformedLabelsError(f"{HAS_USER_SETUP} is {shown(has_setup)}, not 'true'")
    username = _read(labels, USERNAME)
    if not username:
        raise MalformedLabelsError(f"{USERNAME} is missing")
    if len(username) > 32 or not username.isascii() or not username.isprintable():
        raise MalformedLabelsError(f"{USERNAME} is {shown(username)}, not an account name")
    return Claim(_read_id(labels, USER_ID), _read_id(labels, GROUP_ID), username)


def claim_labels(claim: Claim) -> dict[str, str]:
    """Return the four labels of an image with this account (design document)."""
    return {
        HAS_USER_SETUP: "true",
        USER_ID: str(claim.uid),
        GROUP_ID: str(claim.gid),
        USERNAME: claim.username,
    }


def later_labels(claim: Claim, inherited: Mapping[str, str]) -> dict[str, str]:
    """Return an account's labels in the later spelling, where an image inherits such labels: they
    are read, too, and would contradict the account's."""
    later = {LATER_SPELLING[name]: value for name, value in claim_labels(claim).items()}
    return {name: value for name, value in later.items() if name in inherited}


def _read(labels: Mapping[str, str], label: str) -> str | None:
    ours, later = labels.get(label), labels.get(LATER_SPELLING[label])
    if ours is not None and later is not None and ours != later:
        raise MalformedLabelsError(f"{label} and {LATER_SPELLING[label]} contradict each other")
    return later if ours is None else ours


def _read_id(labels: Mapping[str, str], label: str) -> int:
    value = _read(labels, label)
    if value is None:
        raise MalformedLabelsError(f"{label} is missing")
    number = read_id(value)
    if number is None or str(number) != value:
        raise MalformedLabelsError(f"{label} is {shown(value)}, not an ID")
    return number


def is_mlc_s(name: str, labels: Mapping[str, str]) -> bool:
    """Whether a container is one of this program, AIME's or DS01's, or is there only while one of
    our commands works; one of VS Code or Compose has at most the labels of its image."""
    owners = (OWNER, DS01_OWNER, SERVICE)
    return any(labels.get(owner) for owner in owners) or name.startswith("mlc-")
