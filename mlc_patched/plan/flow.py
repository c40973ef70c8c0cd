"""Choose between the optimized and the legacy flow (docs/contracts.md, "Choosing the flow").

Pure: nothing here talks to an engine.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Mapping

from ..errors import UsageError
from ..host.account import Account, read_id
from ..lean import dataclass
from ..names.images import Reference
from ..names.labels import Claim, MalformedLabelsError, read_claim
from ..names.projects import Project, project_of_repository

_ROW = re.compile(r"[^\s:+-][^\s:]*:[^:]*:(0|[1-9][0-9]*):(0|[1-9][0-9]*):[^:]*:[^:]*:[^:]*")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


class Flow(enum.Enum):
    """How the user's account gets into the container; the value is a label of the container."""

    IMAGE = "image"
    """The optimized flow: the account is in the image, so one create is enough."""
    COMMIT = "commit"
    """The legacy flow: a set-up container adds the account, and is committed as the image."""


@dataclass(frozen=True)
class Decision:
    """The flow, the account to look for in the image, and a warning for the user."""

    flow: Flow
    claim: Claim | None = None
    warning: str | None = None


def decide(
    image: Reference,
    labels: Mapping[str, str],
    account: Account,
    rebuild_command: Callable[[Project, Account], str],
) -> Decision:
    """Choose the flow for an image, by its labels, and a user.

    `rebuild_command` returns the command that builds an image of the user's own project again.
    Raises UsageError if it was built for another account than the one given by --as.
    """
    if account.is_root:
        # Root is in every image; a label that claims UID 0 proves nothing.
        return Decision(Flow.IMAGE)
    try:
        claim = read_claim(labels)
    except MalformedLabelsError as error:
        return Decision(
            Flow.COMMIT,
            warning=f"The labels of {image} cannot be trusted: {error}. "
            "The account has to be set up again.",
        )
    if claim is None:
        return Decision(Flow.COMMIT)
    if (claim.uid, claim.gid) != (account.uid, account.gid):
        if account.ids_here is not None:
            raise UsageError(
                f"{image} was built for {claim.uid}:{claim.gid}, but by --as you are "
                f"{account.uid}:{account.gid} on the engine's host. Run `id` there to check, or "
                "use an image that was built for that account."
            )
        return Decision(Flow.COMMIT, warning=_mismatch(image, claim, account, rebuild_command))
    return Decision(Flow.IMAGE, claim)


def _mismatch(
    image: Reference,
    claim: Claim,
    account: Account,
    rebuild_command: Callable[[Project, Account], str],
) -> str:
    project = project_of_repository(image.repository)
    name = project.name if project else "PROJECT"
    if project and project.uid == account.uid:
        remedy = f"rebuild the image: {rebuild_command(project, account)}"
    elif project:
        remedy = f"build your own image on it: image-create {name} --from {image}"
    else:
        remedy = (
            f"rebuild the image: image-create {name} --force - or build your own on it: "
            f"image-create {name} --from {image}"
        )
    return (
        f"UID/GID mismatch: {image} was built for {claim.uid}:{claim.gid}, "
        f"you are {account.uid}:{account.gid}. The account has to be set up again, "
        f"which is slow. To avoid this, {remedy}"
    )


def account_in_passwd(content: bytes | None, claim: Claim) -> str | None:
    """Compare an image's /etc/passwd, if there is one, with its labels; return what is wrong.

    Exactly one row may have the name, exactly one the UID, and it must be the same row, with the
    GID: two rows for one name or ID would let the image choose which account the user gets.
    """
    if content is None:
        return "it has no readable /etc/passwd"
    passwd = content.decode(errors="replace")
    rows = [line.split(":") for line in passwd.split("\n") if line.count(":") == 6]
    of_name = [row for row in rows if row[0] == claim.username]
    of_uid = [row for row in rows if row[2] == str(claim.uid)]
    if not of_name and not of_uid:
        return f"it has no account {claim.username} with UID {claim.uid}"
    if len(of_name) != 1 or of_name != of_uid:
        return f"its accounts named {claim.username} or with UID {claim.uid} disagree"
    if of_name[0][3] != str(claim.gid):
        return f"its account {claim.username} has GID {of_name[0][3]}, not {claim.gid}"
    for number, line in enumerate(passwd.split("\n"), 1):
        if not _is_unambiguous(line):
            # The C library is less strict and might read another account with that UID there.
            return f"line {number} of its /etc/passwd is not a valid entry"
    return None


def _is_unambiguous(line: str) -> bool:
    """Whether every program reads a line of passwd(5) in the same way."""
    if _CONTROL.search(line):
        return False
    if not line or line.startswith("#"):
        return True
    row = _ROW.fullmatch(line)
    return row is not None and None not in (read_id(row[1]), read_id(row[2]))
