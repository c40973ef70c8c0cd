"""A reporter that keeps what it is given."""

from __future__ import annotations


class RecordingReporter:
    """A reporter that keeps what it hears."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def step(self, text: str) -> None:
        self.said.append(text)

    progress = note = warn = step
