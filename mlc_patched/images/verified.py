"""Images whose /etc/passwd was found to agree with their labels: a list in the user's home.

An image's id is a digest of its content, labels included, so what was found once stays true.
Nobody but the user can write the list, and what it says counts for the user's own containers alone
(docs/security.md).
"""

from __future__ import annotations

import contextlib
import os

from ..engine.interface import Engine, Image
from ..host.account import Account
from ..host.files import is_root_for
from ..host.home import CONFIGURATION, private_file
from ..names.labels import Claim
from ..plan.flow import account_in_passwd

FILE = "verified-images"
MOST_BYTES = 32 * 1024
"""A longer list starts over: about 300 images."""


def wrong_account(
    image: Image, claim: Claim, container: str, account: Account, engine: Engine
) -> str | None:
    """Compare the claim of an image's labels with /etc/passwd in a container that was not started.

    Returns what is wrong, or None. Nothing is read if this user's list has the image.
    """
    entry = f"{image.id} {claim.uid}:{claim.gid} {claim.username}\n".encode()
    if entry in _entries(account):
        return None
    wrong = account_in_passwd(engine.read_file(container, "/etc/passwd"), claim)
    if wrong is None:
        _add(entry, account)
    return wrong


def _entries(account: Account) -> list[bytes]:
    with contextlib.suppress(OSError), _file(account) as file:
        if file is not None:
            return os.pread(file, MOST_BYTES, 0).splitlines(keepends=True)
    return []


def _add(entry: bytes, account: Account) -> None:
    with contextlib.suppress(OSError), _file(account) as file:  # such as a full disk
        if file is not None:
            if os.fstat(file).st_size + len(entry) > MOST_BYTES:
                os.ftruncate(file, 0)
            os.write(file, entry)


def _file(account: Account) -> contextlib.AbstractContextManager[int | None]:
    """Open the list; None where it does not count: for root and others than the process's user."""
    if account.is_root or account.ids_here is not None or is_root_for(account):
        return contextlib.nullcontext()
    return private_file(account, CONFIGURATION, FILE, os.O_RDWR | os.O_APPEND)
