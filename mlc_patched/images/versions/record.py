"""Find the lock of a project, of an image, or in a file."""

from __future__ import annotations

import re

from ...context import Context
from ...engine.interface import Image
from ...errors import MlcError, UsageError
from ...host.files import check_file_name, read_text
from ...lean import replace
from ...names.labels import LOCK as LABEL
from ...names.projects import project_of
from ...plan.directories import expand
from ..dockerfile.render import without_build_context
from ..project.files import BEFORE, LOCK, ProjectFiles
from .lockfile import Lock, LockError, digest, parse

DOCKERFILE = "Dockerfile"


def read_lock(files: ProjectFiles) -> Lock | None:
    """Return a project's lock, or None; LockError if it cannot be read."""
    text = files.read_lock()
    return None if text is None else parse(text, files.lock_path)


def lock_in(image: Image, files: ProjectFiles) -> Lock | None:
    """Return the lock of an image of a project, the present or the previous one, or None."""
    for suffix in ("", BEFORE):
        text = files.read_lock(suffix)
        if text is not None and digest(text) == image.labels.get(LABEL):
            return parse(text, f"{files.lock_path}{suffix}")
    return None


def is_outdated(files: ProjectFiles) -> bool:
    """Whether a project's Dockerfile was changed after its last build; LockError if its lock cannot
    be read."""
    lock, text = read_lock(files), files.read_dockerfile()
    return lock is not None and text is not None and lock.dockerfile != text


def find_lock(source: str, context: Context) -> Lock | None:
    """Return the lock that a file or a project's name means; None if it can only mean an image.
    The Dockerfile of a file's has no build context.

    Raises LockError if the lock cannot be read, UsageError if the file is a Dockerfile, and
    NotFoundError if the file or the project is missing.
    """
    path = expand(check_file_name(source), context.account)
    if source.endswith((LOCK, DOCKERFILE)) or source.startswith(("/", "./", "../", "~")):
        given = _given(read_text(path, "lock", context.account), source)
        # It can be anybody's, and must not choose a directory of the caller's to copy from.
        return replace(given, dockerfile=without_build_context(given.dockerfile))
    try:
        files = ProjectFiles(context.account, project_of(source, context.account))
    except MlcError:
        return None
    if (lock := read_lock(files)) is not None:
        if is_outdated(files):
            context.report.note(
                f"{files.dockerfile_path} was changed after its last build; the new project is the "
                f"same as that build. To have the changes, run first: image-update {source}"
            )
        return lock
    text = files.read_dockerfile()
    return None if text is None else Lock(source, text)


def _given(text: str, source: str) -> Lock:
    """Return the lock in a file that may be anybody's."""
    try:
        return parse(text, source)
    except LockError as error:
        if source.endswith(DOCKERFILE) or re.search(r"^FROM\s", text, re.M | re.I):
            raise UsageError(
                f"{source} is a Dockerfile, not a lock.",
                f"Build it with: image-create PROJECT --dockerfile {source}",
            ) from error
        raise LockError(
            error.message, "Get the lock again from whoever made it; it may be cut off."
        ) from error
