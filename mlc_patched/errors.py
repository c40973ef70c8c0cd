"""Every failure this program expects, each with the exit code of its kind."""

from __future__ import annotations

_SHOWN = 60


def shown(text: object) -> str:
    """Return what somebody gave, quoted and cut for a message: control characters are escaped."""
    quoted = repr(text)
    return quoted if len(quoted) <= _SHOWN else f"{quoted[: _SHOWN - 3]}..."


class MlcError(Exception):
    """Something could not be done. The message says what, to what, and what to do next."""

    exit_code = 1


class UsageError(MlcError):
    """The command was not understood: an argument is missing, misspelt or contradictory."""

    exit_code = 2


class NotFoundError(MlcError):
    """A container, image, catalog row or directory that was asked for does not exist."""


class NotAllowedError(MlcError):
    """The administrator's settings do not allow what was asked for."""


class AlreadyExistsError(MlcError):
    """A container or file of that name is there already; nothing was changed."""


class EngineError(MlcError):
    """The Docker Engine refused a request or could not be reached."""


class EngineUnreachableError(EngineError):
    """No Docker Engine answers at the address in use."""


class ImageNotFoundError(EngineError, NotFoundError):
    """The engine has no such image and could not get it."""


class MountMissingError(EngineError, NotFoundError):
    """What was to be mounted is not on the engine's host; `path` is where it should be."""

    def __init__(self, path: str) -> None:
        super().__init__(f"The engine's host has no {path}, which was to be mounted.")
        self.path = path


class ConflictError(EngineError):
    """The engine holds something that stands in the way: a name in use, an image in use."""


class SetupError(MlcError):
    """The user's account could not be set up in an image; nothing of the attempt is left."""


class DeclinedError(MlcError):
    """A question was answered with no, and nothing was done."""


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP arrived: unwind as for Ctrl-C, so that everything is cleaned up."""

    words = "Stopped by a signal; all changes were rolled back."

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal_number = signal_number


class CleanupSkipped(Terminated):
    """A later interrupt: the user stopped waiting for the engine, which hangs."""

    words = (
        "Interrupted; cleanup was skipped because the engine is not responding. Run the same "
        "command again once it does, or run mlc prune tomorrow, to remove what is left."
    )
