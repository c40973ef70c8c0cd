"""What the image commands share at their edge: questions, and the envelope of `--json`."""

from __future__ import annotations

import argparse
import json
from typing import Any

from .commands.image_list import list_images
from .console import say
from .context import Context
from .errors import DeclinedError, UsageError
from .prompts import ask_choice, ask_yes_no, on_terminal

JSON_VERSION = 1
"""Version of the JSON that `--json` prints; a change that breaks a reader raises it."""


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


def confirm(arguments: argparse.Namespace, question: str) -> None:
    """Ask before something is removed, unless a flag answers; return only for yes.

    Raises:
        UsageError: it needs an answer and may not be asked.
        DeclinedError: the answer was no.
    """
    if arguments.yes or arguments.force:
        return
    if not on_terminal():
        raise UsageError(f"{question} There is no terminal to ask on: say -y for yes.")
    if not ask_yes_no(question, default=False):
        raise DeclinedError("Nothing was done.")


def print_json(kind: str, found: Any) -> None:
    """Print a result in its envelope."""
    say(json.dumps({"version": JSON_VERSION, kind: found}, indent=2))
