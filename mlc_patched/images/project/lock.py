"""Working on a project: alone, and without what a command that was killed at it has left."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ...context import Context
from ...errors import MlcError
from ...maintenance.leftover_files import remove_build_directories
from ...names.projects import Project
from ...temporary import passing_image, take_away_left, working
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
