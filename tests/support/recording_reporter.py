"""A reporter that records messages."""

from __future__ import annotations


class RecordingReporter:
    """Records all messages, in order."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def step(self, text: str) -> None:
        self.said.append(text)

    progress = note = warn = step
