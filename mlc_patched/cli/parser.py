"""The parser of every command line, whose complaints are as fit to be shown as our messages."""

from __future__ import annotations

import argparse

from .output import readable

TYPE_CHECKING = False  # typing itself takes 4 ms to import, a fifth of `mlc -h`
if TYPE_CHECKING:
    from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """argparse puts words of the command line into its complaints as they are."""

    def error(self, message: str) -> NoReturn:
        """See argparse."""
        super().error(readable(message))
