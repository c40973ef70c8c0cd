"""Build a project's image, give it the project's name, and record what it was built from."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial

from ..context import Context
from ..engine.interface import Image
from ..errors import MlcError, SetupError
from ..interrupts import ignore_interrupts
from ..lean import dataclass
from ..report import Reporter
from ..undo import Undo
from .build.image import built
from .build.request import BuildError, BuildRequest
from .project.files import BEFORE, REJECTED, ProjectFiles
from .project.metadata import dockerfile_of, note_metadata
from .project.tags import discard, take_name
from .versions.collect import differences
from .versions.lockfile import render


@dataclass(frozen=True)
class Published:
    """A new image of a project, the one that had the name, the Dockerfile's backup, and what
    changed against the last build, a package a line."""

    image: Image
    former: Image | None
    backup: str | None
    size: int
    changes: tuple[str, ...] = ()


@contextlib.contextmanager
def publish(
    build: BuildRequest, context: Context, *, before: str | None = None
) -> Iterator[Published]:
    """Build an image, check it, write its Dockerfile, and give it the project's name.

    In the block all of that is done, and interrupts have no effect any more. `before` is the
    Dockerfile that the build replaces; any other one that is there by then becomes a backup. If the
    build or the check failed, raises MlcError; the project's images and Dockerfile are as before.
    """
    engine, files = context.engine, build.files
    project = files.project
    former = engine.image(project.image)
    text = files.read_dockerfile() if before is None else before
    former_lock = files.read_lock()
    with contextlib.ExitStack() as done:
        with Undo(context.report) as undo, built(build, context, undo) as made:
            image, backup = made.image, None
            size = engine.image_size(image)
            if (written := made.lock.dockerfile) != text:
                backup = place_dockerfile(written, files, undo, before)
            undo.add(
                f"The lock {files.lock_path}",
                partial(files.restore_lock, former_lock),
                failed="restored",
            )
            files.write_lock(render(made.lock))
            superseded = take_name(image, project, context, undo)
            done.enter_context(ignore_interrupts())
            # Before the tidying of the build, in which a kill would leave the image without them.
            if former is not None and former.id != image.id:
                kept = dockerfile_of(former, files) or text
                _keep_former(kept, former_lock, files, context.report)
            note_metadata(image, files, context, made.lock.dockerfile)
            # And this, as the tidying would take it for what a killed build left.
            discard(engine, superseded, context.report)
        yield Published(image, former, backup, size, tuple(differences(build.lock, made.lock)))


def place_dockerfile(
    text: str, files: ProjectFiles, undo: Undo, before: str | None = None
) -> str | None:
    """Write a project's Dockerfile; return the path of the former one's backup, which is made if
    that is another one than `before`."""
    former = files.read_dockerfile()
    if former == text:
        return None
    undo.add(
        f"The Dockerfile {files.dockerfile_path}",
        partial(files.restore_dockerfile, former),
        failed="restored",
    )
    backup = files.back_up_dockerfile() if former != before else None
    if backup is not None:
        suffix = backup.removeprefix(files.dockerfile_path)
        undo.add(f"The backup {backup}", lambda: files.remove_dockerfile(suffix))
    files.write_dockerfile(text)
    return backup


@contextlib.contextmanager
def kept_if_rejected(
    text: str,
    files: ProjectFiles,
    report: Reporter,
    *,
    what: str = "The Dockerfile",
    then: str,
    failures: tuple[type[BaseException], ...] = (BuildError, SetupError),
) -> Iterator[None]:
    """Keep a Dockerfile, for the user to edit, if the block ends with one of these failures; `what`
    and `then` begin and end the message."""
    try:
        yield
    except failures as error:
        built = error.dockerfile if isinstance(error, BuildError) else ""
        said = keep_rejected(built or text, files, what=what, then=then)
        (error.add_hint if isinstance(error, MlcError) else report.note)(said)
        raise


def keep_rejected(text: str, files: ProjectFiles, *, what: str, then: str) -> str:
    """Keep a Dockerfile that was not built, and return where it is and what to do `then`, or why
    it could not be kept."""
    try:
        return f"{what} is kept in {files.write_dockerfile(text, REJECTED)}. {then}"
    except (MlcError, OSError) as failure:
        return f"{what} could not be kept: {failure}"


def _keep_former(text: str | None, lock: str | None, files: ProjectFiles, report: Reporter) -> None:
    """Keep the Dockerfile and the lock of what is the previous image now, for a rollback, which
    works without them."""
    try:
        files.write_lock(lock, BEFORE)
        if text is None:
            files.remove_dockerfile(BEFORE)
        else:
            files.write_dockerfile(text, BEFORE)
    except MlcError as error:
        with contextlib.suppress(MlcError):  # not those of an older image
            files.remove_dockerfile(BEFORE)
            files.write_lock(None, BEFORE)
        report.warn(
            f"The Dockerfile and the lock of {files.project.previous} could not be kept, so "
            f"--rollback will restore the image alone: {error}"
        )
