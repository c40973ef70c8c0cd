"""Lock a project, and remove what a killed command left of it."""

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
from ...temporary import build_directory_prefix, temporary_directory, temporary_image
from .files import ProjectFiles


@contextlib.contextmanager
def working_on(project: Project, context: Context) -> Iterator[None]:
    """Hold a project's lock, and remove what a killed command left of the project."""
    with context.lock(f"image {project.name}") as job:
        if job.is_alone:
            with contextlib.suppress(MlcError):  # reported when the file is used
                ProjectFiles(context.account, project).remove_half_written()
            remove_build_directories(job.token, context.account, context.environ)
        context.remove_leftovers(temporary_image(project.repository, job.token))
        yield


def remove_build_directories(token: str, account: Account, environ: Mapping[str, str]) -> None:
    """Remove the directories (in TMPDIR) of killed builds of a job, as far as possible.

    The holder of the job's lock knows that no build uses them any more.
    """
    name = re.compile(rf"{build_directory_prefix(token)}\w+")
    with contextlib.suppress(OSError):
        for entry in list(os.scandir(temporary_directory(environ))):
            if name.fullmatch(entry.name):
                _remove_directory(entry, account)


def _remove_directory(entry: os.DirEntry[str], account: Account) -> None:
    """Remove a directory that belongs to the process, which under sudo is root, or to the user."""
    with contextlib.suppress(OSError):
        status = entry.stat(follow_symlinks=False)
        if not stat.S_ISDIR(status.st_mode):
            return
        if status.st_uid == os.geteuid():
            shutil.rmtree(entry.path)
        elif status.st_uid == account.file_ids[0]:
            with rights_of(account):
                shutil.rmtree(entry.path)
