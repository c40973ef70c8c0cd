"""Lists in the user's home of what stays true once it was found, an entry a line: of images, whose
id is a digest of their content, labels included, and of jobs that were retired.

Nobody but the user can write the lists, and they count for the user's own images, containers and
jobs alone (docs/security.md).
"""

from __future__ import annotations

import contextlib
import os

from ..lean import dataclass
from .account import Account
from .files import is_root_for
from .home import CONFIGURATION, private_file


@dataclass(frozen=True)
class Remembered:
    """A list: its file's name, and its size in bytes from which on it starts over."""

    file: str
    largest: int

    def find(self, key: str, account: Account) -> str | None:
        """Return what follows a key, or None. A key of an image begins with its id.

        The newest line counts, as a full disk may have cut an earlier one.
        """
        wanted = f"{key} ".encode()
        with contextlib.suppress(OSError), self._open(account) as file:
            content = os.pread(file, self.largest, 0) if file is not None else b""
            for line in reversed(content.splitlines(keepends=True)):
                if line.startswith(wanted) and line.endswith(b"\n"):
                    return line[len(wanted) : -1].decode("utf-8", "replace")
        return None

    def add(self, key: str, found: str, account: Account) -> None:
        """Add a line, of a key and what was found; not if the disk is full, for example."""
        entry = f"{key} {found}\n".encode()
        with contextlib.suppress(OSError), self._open(account) as file:
            if file is not None and len(entry) <= self.largest:
                if os.fstat(file).st_size + len(entry) > self.largest:
                    os.ftruncate(file, 0)
                os.write(file, entry)

    def _open(self, account: Account) -> contextlib.AbstractContextManager[int | None]:
        """Open the file; None where it does not count: for root and others than the process's
        user."""
        if account.is_root or account.ids_here is not None or is_root_for(account):
            return contextlib.nullcontext()
        return private_file(account, CONFIGURATION, self.file, os.O_RDWR | os.O_APPEND)
