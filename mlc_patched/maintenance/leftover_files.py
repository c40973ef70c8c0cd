"""Files that a killed command left behind: half-written ones, and directories of builds.

Files in a home are written under such a temporary name first and then renamed.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path

from ..errors import MlcError
from ..host.account import Account
from ..host.files import rights_of
from ..images.project.files import DOCKERFILES, HALF, METADATA
from ..temporary import BUILD_PREFIX, EDIT_PREFIX, temporary_directory
from .leftovers import Kind, Leftover

_DIRECTORIES = (BUILD_PREFIX, EDIT_PREFIX)
_HALF_WRITTEN = re.compile(rf"\..+\.[0-9a-f]{{8}}{HALF}")
_HALF_EXPORTED = re.compile(r"\..+\.[0-9a-f]{8,12}\.part")


def left_files(account: Account, environ: Mapping[str, str], before: float) -> list[Leftover]:
    """Return an account's half-written files where commands write them: in the home, in the current
    directory, and in the temporary directories (TMPDIR) of builds and editors.

    Only those last changed `before`, in seconds since 1970.
    """
    home, temporary = Path(account.home), temporary_directory(environ)
    found: list[Leftover] = []
    with rights_of(account):
        for directory in (home / DOCKERFILES, home.joinpath(*METADATA)):
            found += _in(directory, _HALF_WRITTEN, account, before)
        for directory in dict.fromkeys((Path.cwd(), home)):
            found += _in(directory, _HALF_EXPORTED, account, before)
        private = re.compile(rf"({'|'.join(_DIRECTORIES)})[\w-]+")
        found += _in(temporary, private, account, before)
    return found


def _in(directory: Path, name: re.Pattern[str], account: Account, before: float) -> list[Leftover]:
    found = []
    try:
        entries = list(os.scandir(directory))
    except OSError:
        return []
    for entry in entries:
        with contextlib.suppress(OSError):  # it was removed in the meantime, or cannot be read
            if name.fullmatch(entry.name) and (left := _left(entry, account, before)):
                found.append(left)
    return found


def _left(entry: os.DirEntry[str], account: Account, before: float) -> Leftover | None:
    status = entry.stat(follow_symlinks=False)
    is_file, changed = stat.S_ISREG(status.st_mode), status.st_mtime
    if status.st_uid != account.file_ids[0]:
        return None
    if not is_file:
        if not (stat.S_ISDIR(status.st_mode) and entry.name.startswith(_DIRECTORIES)):
            return None
        # Saving a file does not change the time of its directory.
        times = [each.stat(follow_symlinks=False).st_mtime for each in os.scandir(entry.path)]
        changed = max((changed, *times))
    if changed > before:
        return None
    return Leftover(Kind.FILE, entry.path, "", account.uid, status.st_size if is_file else 0)


def remove_file(left: Leftover, account: Account) -> None:
    """Remove one of them, if it still exists; raises MlcError if it cannot be removed."""
    path = Path(left.name)
    try:
        with rights_of(account):
            if path.name.startswith(_DIRECTORIES):
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    except OSError as error:
        raise MlcError(f"{path} cannot be removed: {error.strerror}") from error
