"""Choose between the optimized and the legacy flow (docs/contracts.md, "Choosing the flow").

Pure: nothing here talks to an engine.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import UsageError
from ..host.account import Account
from ..names.images import Reference
from ..names.labels import Claim, MalformedLabelsError, read_claim
from ..names.projects import project_of_repository

_ID = "(?:0|[1-9][0-9]{0,9})"
_ROW = re.compile(rf"[^\s:+-][^\s:]*:[^:]*:{_ID}:{_ID}:[^:]*:[^:]*:[^:]*")
"""A row of passwd(5) that nobody reads in another way."""


class Flow(enum.Enum):
    """How the user's account comes into the container; the value is the container's label."""

    IMAGE = "image"
    """It is in the image already: one container create, nothing else."""
    COMMIT = "commit"
    """A set-up container adds it, and a commit of that is the container's image."""


@dataclass(frozen=True)
class Decision:
    """The flow to take, the account to check for, and a warning to give."""

    flow: Flow
    claim: Claim | None = None
    warning: str | None = None


def decide(image: Reference, labels: Mapping[str, str], account: Account) -> Decision:
    """Choose the flow for an image and a user.

    Args:
        image: the image's name, for messages.
        labels: the image's labels.
        account: the user who calls.

    Raises:
        UsageError: the image is of another account than the one that --as named.
    """
    if account.is_root:
        # Root's account is in every image; a label that claims UID 0 proves nothing.
        return Decision(Flow.IMAGE)
    try:
        claim = read_claim(labels)
    except MalformedLabelsError as error:
        return Decision(
            Flow.COMMIT,
            warning=f"The labels of {image} are not believed: {error}. "
            "Setting the account up anew.",
        )
    if claim is None:
        return Decision(Flow.COMMIT)
    if (claim.uid, claim.gid) != (account.uid, account.gid):
        if account.ids_here is not None:
            raise UsageError(
                f"{image} was built for {claim.uid}:{claim.gid}, and you say that on the engine's "
                f"host you are {account.uid}:{account.gid}. One of the two is wrong: see by "
                "`id` there, or take an image of that account."
            )
        return Decision(Flow.COMMIT, warning=_mismatch(image, claim, account))
    return Decision(Flow.IMAGE, claim)


def _mismatch(image: Reference, claim: Claim, account: Account) -> str:
    project = project_of_repository(image.repository)
    name = project.name if project else "PROJECT"
    return (
        f"UID/GID mismatch: {image} was built for {claim.uid}:{claim.gid}, "
        f"you are {account.uid}:{account.gid}. The account is set up anew, which takes a while. "
        f"To make it fast, rebuild with: image-create {name} --force"
    )


def account_in_passwd(passwd: str, claim: Claim) -> str | None:
    """Check an image's /etc/passwd against its labels; return what is wrong, or None.

    Exactly one row may bear the name, exactly one the UID, and it must be the same row,
    with the GID: two rows for one name or id would let the image choose whom the user becomes.
    """
    rows = [line.split(":") for line in passwd.split("\n") if line.count(":") == 6]
    of_name = [row for row in rows if row[0] == claim.username]
    of_uid = [row for row in rows if row[2] == str(claim.uid)]
    if not of_name and not of_uid:
        return f"there is no account {claim.username} with UID {claim.uid} in it"
    if len(of_name) != 1 or len(of_uid) != 1 or of_name != of_uid:
        return f"the accounts in it with the name {claim.username} or UID {claim.uid} disagree"
    if of_name[0][3] != str(claim.gid):
        return f"its account {claim.username} has GID {of_name[0][3]}, not {claim.gid}"
    for number, line in enumerate(passwd.split("\n"), 1):
        if line and not line.startswith("#") and not _ROW.fullmatch(line):
            # The C library is less strict, and might read another account of that UID there.
            return f"line {number} of its /etc/passwd is no row of a user database"
    return None
