"""What a command tells while it works; the edge decides where the words go."""

from __future__ import annotations

from typing import Protocol


class Reporter(Protocol):
    """Receives a command's words while it runs. Results are returned, never reported."""

    def step(self, text: str) -> None:
        """Tell that a piece of work begins which may take more than a second."""

    def progress(self, text: str) -> None:
        """Tell how far the present step is; may be called often, each replaces the last."""

    def note(self, text: str) -> None:
        """Tell something worth knowing that asks for no action."""

    def warn(self, text: str) -> None:
        """Tell something the user should act on, though the command goes on."""


class SilentReporter:
    """Says nothing: the default of the Python API."""

    def step(self, text: str) -> None:
        """Drop `text`."""

    def progress(self, text: str) -> None:
        """Drop `text`."""

    def note(self, text: str) -> None:
        """Drop `text`."""

    def warn(self, text: str) -> None:
        """Drop `text`."""
