"""Files that a killed command left behind: half-written ones, and directories of builds.

Files in a home are written under such a temporary name first and then renamed.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
import tarfile
from collections.abc import Mapping
from pathlib import Path

from ..errors import MlcError
from ..host.account import Account
from ..host.files import rights_of
from ..images.job_file import BEGINNING
from ..images.project.files import DOCKERFILES, METADATA
from ..temporary import (
    BUILD_PREFIX,
    EDIT_PREFIX,
    HALF,
    MARK_FILE,
    temporary_directory,
)
from .leftovers import Kind, Leftover

_MAGIC = slice(257, 262)
"""Where every header of a tar archive has `ustar` (POSIX, pax)."""
_DIRECTORIES = (BUILD_PREFIX, EDIT_PREFIX)
_HALF_WRITTEN = re.compile(rf"\..+\.[0-9a-f]{{8}}{re.escape(HALF)}")
_HALF_EXPORTED = re.compile(rf"\..+\.[0-9a-f]{{12}}{re.escape(HALF)}")
_PRIVATE = re.compile(rf"(?:{BUILD_PREFIX}[0-9a-f]{{12}}-|{EDIT_PREFIX})[a-z0-9_]{{8}}")


def left_files(account: Account, environ: Mapping[str, str], before: float) -> list[Leftover]:
    """Return an account's half-written files where commands write them: in the home, in the current
    directory, and in the temporary directories (TMPDIR) of builds and editors.

    Only those last changed `before`, in seconds since 1970.
    """
    home, temporary = Path(account.home), temporary_directory(environ)
    exported = [home]
    with contextlib.suppress(FileNotFoundError):  # it was deleted
        exported.append(Path.cwd())
    found: list[Leftover] = []
    with rights_of(account):
        for directory in (home / DOCKERFILES, home.joinpath(*METADATA)):
            found += _in(directory, _HALF_WRITTEN, account, before)
        for directory in dict.fromkeys(exported):
            found += _in(directory, _HALF_EXPORTED, account, before)
        found += _in(temporary, _PRIVATE, account, before)
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
        inside = list(os.scandir(entry.path))
        if inside and MARK_FILE not in [each.name for each in inside]:
            return None
        changed = max((changed, *(each.stat(follow_symlinks=False).st_mtime for each in inside)))
    elif _HALF_EXPORTED.fullmatch(entry.name) and not _is_export(entry.path):
        return None
    if changed > before:
        return None
    return Leftover(Kind.FILE, entry.path, "", account.uid, status.st_size if is_file else 0)


def _is_export(path: str) -> bool:
    """Whether a file is empty or begins like an exported one: a tar archive, or a job."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        beginning = file.read(tarfile.BLOCKSIZE)
    is_archive = beginning[_MAGIC] == b"ustar"
    return not beginning or is_archive or beginning.startswith(BEGINNING.encode())


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
