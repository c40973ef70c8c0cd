"""Images whose /etc/passwd was found to agree with their labels."""

from __future__ import annotations

from ..engine.interface import Engine, Image
from ..host.account import Account
from ..host.remembered import Remembered
from ..names.labels import Claim
from ..plan.flow import account_in_passwd

VERIFIED = Remembered("verified-images", 32 * 1024)
"""About 300 images."""


def wrong_account(
    image: Image, claim: Claim, container: str, account: Account, engine: Engine
) -> str | None:
    """Compare the claim of an image's labels with /etc/passwd in a container that was not started.

    Returns what is wrong, or None. Nothing is read if this user's list has the image.
    """
    right = f"{claim.uid}:{claim.gid} {claim.username}"
    if VERIFIED.find(image.id, account) == right:
        return None
    wrong = account_in_passwd(engine.read_file(container, "/etc/passwd"), claim)
    if wrong is None:
        VERIFIED.add(image.id, right, account)
    return wrong
