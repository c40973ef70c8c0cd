"""What the image commands ask."""

from __future__ import annotations

import argparse

from ..context import Context
from ..errors import UsageError
from ..images.list import list_images
from .prompts import ask_choice, on_terminal


def asked_project(arguments: argparse.Namespace, context: Context, what: str) -> str:
    """Return one of the caller's projects, chosen from a menu.

    Raises:
        UsageError: it may not be asked for, or there is none.
    """
    if not may_ask(arguments):
        raise UsageError(f"Which project? Say: {arguments.command} PROJECT")
    own = list_images(context)
    names = list(dict.fromkeys(each.project for each in own))
    if not names:
        raise UsageError("You have no projects. Make one with: image-create")
    print("Your projects:")
    return names[ask_choice(f"Which one to {what}?", names)]


def may_ask(arguments: argparse.Namespace) -> bool:
    """Whether questions may be asked: not with --yes, and only on a terminal."""
    return not arguments.yes and on_terminal()
