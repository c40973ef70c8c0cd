"""Progress and warnings of a running command; `cli` decides how to print them."""

from __future__ import annotations

from .lean import Protocol


class Reporter(Protocol):
    """Receives progress and warnings. Results are returned, never reported."""

    def step(self, text: str) -> None:
        """Report the start of a step that may take more than a second."""

    def progress(self, text: str) -> None:
        """Report progress of the current step; each call replaces the last one."""

    def note(self, text: str) -> None:
        """Report something that requires no action."""

    def warn(self, text: str) -> None:
        """Report something that the user should act on, although the command continues."""


class SilentReporter:
    """Reports nothing: the default of the Python API."""

    def _ignore(self, text: str) -> None:
        pass

    step = progress = note = warn = _ignore
