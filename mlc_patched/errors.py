"""All expected failures, with their exit codes."""

from __future__ import annotations

_SHOWN = 60
_LAST_LINES = 30


def shown(text: object) -> str:
    """Return the user's input for a message: quoted, escaped and shortened."""
    quoted = repr(text)
    return quoted if len(quoted) <= _SHOWN else f"{quoted[: _SHOWN - 3]}..."


def last_lines(lines: list[str]) -> str:
    """Return what a failed program printed last (docs/contracts.md, "Wrapper scripts")."""
    return "\n".join(lines[-_LAST_LINES:]) or "It printed nothing."


class MlcError(Exception):
    """An expected failure. The message says what failed, for what, and what to do next."""

    exit_code = 1


class UsageError(MlcError):
    """The request is invalid: an argument is missing, misspelt or contradictory."""

    exit_code = 2


class NotFoundError(MlcError):
    """A requested container, image, catalog row or directory does not exist."""


class NotAllowedError(MlcError):
    """The administrator's settings do not allow the request."""


class AlreadyExistsError(MlcError):
    """A container or file of that name already exists; nothing was changed."""


class EngineError(MlcError):
    """The Docker Engine refused a request or could not be reached."""


class EngineUnreachableError(EngineError):
    """No Docker Engine answers at the address."""


class ImageNotFoundError(EngineError, NotFoundError):
    """The engine has no such image and could not pull it."""


class MountMissingError(EngineError, NotFoundError):
    """The source of a bind mount, `path`, does not exist on the engine's host."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} does not exist on the engine's host, so it cannot be mounted.")
        self.path = path


class ConflictError(EngineError):
    """Something in the engine is in the way: a name or an image is in use."""


class SetupError(MlcError):
    """The user's account could not be set up in an image; the attempt was rolled back."""


class DeclinedError(MlcError):
    """The user answered no; nothing was done."""


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP arrived: unwind as for Ctrl-C, so that everything is rolled back."""

    message = "Stopped by a signal; all changes were rolled back."

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal_number = signal_number


class CleanupSkipped(Terminated):
    """A later interrupt: the user stopped waiting for the engine, which hangs."""

    message = (
        "Interrupted; cleanup was skipped because the engine is not responding. Run the same "
        "command again once it does, or run mlc prune tomorrow, to remove what is left."
    )
