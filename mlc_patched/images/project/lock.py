"""Working on a project: alone, and without what a command that was killed at it has left."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
from collections.abc import Iterator, Mapping

from ...context import Context
from ...errors import MlcError
from ...host.account import Account
from ...host.files import rights_of
from ...names.projects import Project
from ...temporary import (
    build_directory_prefix,
    passing_image,
    take_away_left,
    temporary_directory,
    working,
)
from .files import ProjectFiles


@contextlib.contextmanager
def working_on(project: Project, context: Context) -> Iterator[None]:
    """Hold a project alone, without what a command that was killed at it has left.

    Raises:
        EngineError: the engine did not answer.
    """
    with working(f"image {project.name}", context) as work:
        if work.is_alone:
            with contextlib.suppress(MlcError):  # what is in the way is told where it matters
                ProjectFiles(context.account, project).remove_half_written()
            remove_build_directories(work.word, context.account, context.environ)
        take_away_left(context, passing_image(project.repository, work.word))
        yield


def remove_build_directories(word: str, account: Account, environ: Mapping[str, str]) -> None:
    """Remove what killed builds of the same work have left; what cannot be removed stays.

    Args:
        word: the work's. Whoever holds it alone knows that nobody builds in them any more.
        account: whose.
        environ: the environment, for TMPDIR.
    """
    name = re.compile(rf"{build_directory_prefix(word)}\w+")
    with contextlib.suppress(OSError):
        for entry in list(os.scandir(temporary_directory(environ))):
            if name.fullmatch(entry.name):
                _remove_directory(entry, account)


def _remove_directory(entry: os.DirEntry[str], account: Account) -> None:
    """Remove a directory of the process's own, which under sudo is root's, or of the user's."""
    with contextlib.suppress(OSError):
        status = entry.stat(follow_symlinks=False)
        if not stat.S_ISDIR(status.st_mode):
            return
        if status.st_uid == os.geteuid():
            shutil.rmtree(entry.path)
        elif status.st_uid == account.file_ids[0]:
            with rights_of(account):
                shutil.rmtree(entry.path)
