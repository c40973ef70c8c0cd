"""An image's ENTRYPOINT that ends instead of running the shell a container needs to stay alive."""

from __future__ import annotations

import time

from ..context import Context
from ..engine.interface import Engine, Image
from ..errors import ConflictError, EngineError
from ..plan.specify import COMMAND, GROUPS
from ..temporary import VERIFY
from .probe import temporary_container

REMEDY = (
    'Remove the ENTRYPOINT from the Dockerfile, or end its script with: exec "$@" - then build '
    "the image again, and create the container again."
)
_SHELLS = (COMMAND[-1], " ".join(COMMAND))
"""The command line of the first process, before and after bash replaced itself."""
_SECONDS = 3
_LINES = 5


def early_end(container: str, image: Image, engine: Engine) -> str | None:
    """Return how a container ended that was just started, or None if it is running.

    An image without ENTRYPOINT is not looked at. One that neither runs the shell nor ends within a
    few seconds may be a server, which keeps the container alive as well.
    """
    if not image.entrypoint:
        return None
    deadline = time.monotonic() + _SECONDS
    try:
        while not any(each in _SHELLS for each in engine.processes(container)):
            if time.monotonic() > deadline:
                return None
            time.sleep(0.05)
    except ConflictError:  # it is not running
        status = engine.wait(container)
        lines = list(engine.logs(container))[-_LINES:]
        said = f" after printing:\n{chr(10).join(lines)}" if lines else ""
        return (
            f"the ENTRYPOINT of its image, {' '.join(image.entrypoint)}, ended with exit code "
            f"{status}{said}"
        )
    return None


def warn_of_entrypoint(image: Image, context: Context) -> None:
    """Start a container of a new image as users will, and warn if it ends at once."""
    if not image.entrypoint:
        return
    account = context.account
    user = {"user": f"{account.uid}:{account.gid}", "groups": GROUPS, "interactive": True}
    with temporary_container(image, VERIFY, context, command=COMMAND, **user) as container:
        try:
            context.engine.start(container)
            ended = early_end(container, image, context.engine)
        except EngineError as error:
            ended = str(error)
    if ended:
        context.report.warn(f"Containers of this image will not stay running: {ended}\n{REMEDY}")
