"""All expected failures, with their exit codes and the code words of `--json`."""

from __future__ import annotations

_SHOWN = 60
_LAST_LINES = 30


def shown(text: object) -> str:
    """Return the user's input for a message: quoted, escaped, shortened, and without logins."""
    quoted = hide_logins(repr(text))
    return quoted if len(quoted) <= _SHOWN else f"{quoted[: _SHOWN - 3]}..."


def hide_logins(text: str) -> str:
    """Return a text with `****` in place of the logins in its URLs."""
    if "://" not in text:
        return text
    from .urls import without_logins  # here, as it takes time to import

    return without_logins(text, "****@")


def last_lines(lines: list[str]) -> str:
    """Return what a failed program printed last (docs/contracts.md, "Wrapper scripts")."""
    return "\n".join(lines[-_LAST_LINES:]) or "It printed nothing."


class MlcError(Exception):
    """An expected failure.

    Args:
        message: what could not be done, to what, and why; one or more sentences.
        hint: what to do next, such as the command that helps; a sentence.

    `code` is what scripts tell failures apart by: see docs/contracts.md.
    """

    exit_code = 1
    code = "failed"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}" if self.hint else self.message

    def as_json(self) -> dict[str, str | None]:
        """Return it for `--json`."""
        return {"code": self.code, "message": self.message, "hint": self.hint or None}

    def add_hint(self, text: str) -> None:
        """Add a line to what to do next."""
        self.hint = f"{self.hint}\n{text}".lstrip()


class UsageError(MlcError):
    """The request is invalid: an argument is missing, misspelt or contradictory."""

    exit_code = 2
    code = "usage"


class InvalidValueError(UsageError):
    """A name, framework, version or architecture is missing or invalid.

    AIME's commands exit with 1 then, as AIME's own do, all others with 2.
    """


class NotFoundError(MlcError):
    """A requested container, image, catalog row or directory does not exist."""

    code = "not_found"


class NotAllowedError(MlcError):
    """The administrator's settings do not allow the request."""

    code = "not_allowed"


class AlreadyExistsError(MlcError):
    """A container or file of that name already exists; nothing was changed."""

    code = "exists"


class EngineError(MlcError):
    """The Docker Engine refused a request or could not be reached."""

    code = "engine"


class EngineUnreachableError(EngineError):
    """No Docker Engine answers at the address."""

    code = "engine_unreachable"


class SlurmError(EngineError):
    """Slurm refused a request, or could not be reached."""

    code = "slurm"


class NoAccessError(EngineUnreachableError):
    """The user may not use the engine's socket."""


class ClientConfigurationError(EngineError):
    """The docker client's configuration cannot be used, such as its login to a registry."""


class ImageNotFoundError(NotFoundError, EngineError):
    """The engine has no such image and could not pull it."""


class MountMissingError(NotFoundError, EngineError):
    """The source of a bind mount, `path`, does not exist on the engine's host."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} does not exist on the engine's host, so it cannot be mounted.")
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.path,), self.__dict__


class InUseError(MlcError):
    """A container that is running, or an image that containers use, cannot be removed."""

    code = "in_use"


class ConflictError(InUseError, EngineError):
    """Something in the engine is in the way: a name or an image is in use."""


class NoFreeGpuError(InUseError):
    """Fewer GPUs are free than were requested."""


class GpuTakenError(InUseError):
    """A GPU that was chosen for a stopped container is in use."""


class SetupError(MlcError):
    """The user's account could not be set up in an image; the attempt was rolled back."""

    code = "setup_failed"


class DeclinedError(MlcError):
    """The user answered no; nothing was done."""

    code = "declined"


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP arrived: unwind as for Ctrl-C, so that everything is rolled back."""

    message = "Stopped by a signal; all changes were rolled back."
    hint = ""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal_number = signal_number


class CleanupSkipped(Terminated):
    """A later interrupt: the user stopped waiting for the engine, which hangs."""

    message = (
        "Interrupted; cleanup was skipped because the engine is not responding. Run the same "
        "command again once it does, or run mlc prune tomorrow, to remove what is left."
    )


INTERRUPTED = 130
"""The exit code of a command that Ctrl-C ended."""


def interrupted(by: KeyboardInterrupt, message: str, hint: str = "") -> MlcError:
    """Return the error of a command that Ctrl-C or a signal ended, with its exit code."""
    error = MlcError(message, hint)
    error.code = "interrupted"
    error.exit_code = 128 + by.signal_number if isinstance(by, Terminated) else INTERRUPTED
    return error
