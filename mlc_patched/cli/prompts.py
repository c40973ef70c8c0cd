"""Questions on the terminal: a text, a choice, yes or no; which container, which project."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..errors import DeclinedError, MlcError, UsageError
from ..names.containers import short_name

if TYPE_CHECKING:
    from ..context import Context


def on_terminal() -> bool:
    """Whether somebody can be asked: standard input and output are a terminal."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def may_ask(arguments: argparse.Namespace, *flags: str) -> bool:
    """Whether questions may be asked: on a terminal, and only if none of these flags is given."""
    return on_terminal() and not any(getattr(arguments, flag) for flag in flags)


def ask_text(question: str, default: str = "", check: Callable[[str], object] | None = None) -> str:
    """Ask for a line of text until it is acceptable.

    Args:
        question: without a colon.
        default: what an empty answer means; without one an empty answer asks again.
        check: raises UsageError for an invalid answer.

    Raises:
        MlcError: the input ended without an answer.
    """
    while True:
        shown = f" [{default}]" if default else ""
        answer = _answer(f"{question}{shown}: ") or default
        if not answer:
            continue
        try:
            if check is not None:
                check(answer)
        except UsageError as error:
            print(error)
            continue
        return answer


def ask_choice(question: str, choices: Sequence[str], default: int | None = None) -> int:
    """Ask for one of several choices with a numbered menu.

    Args:
        default: index of the choice that an empty answer means.

    Returns:
        The index of the choice; its text is accepted as an answer, too.

    Raises:
        MlcError: the input ended without an answer.
    """
    width = len(str(len(choices)))
    for number, choice in enumerate(choices, 1):
        print(f"  {number:>{width}}) {choice}")
    shown = f" [{default + 1}]" if default is not None else ""
    while True:
        answer = _answer(f"{question} (1-{len(choices)}){shown}: ")
        if not answer and default is not None:
            return default
        if answer in choices:
            return choices.index(answer)
        if answer.isascii() and answer.isdigit() and 1 <= int(answer) <= len(choices):
            return int(answer) - 1
        print(f"Please answer with a number from 1 to {len(choices)}.")


def ask_yes_no(question: str, default: bool) -> bool:
    """Ask a question that is answered with y or n; an empty answer is the default.

    Raises:
        MlcError: the input ended without an answer.
    """
    while True:
        answer = _answer(f"{question} [{'Y/n' if default else 'y/N'}]: ").casefold()
        if not answer:
            return default
        if answer in ("y", "yes"):
            return True
        if answer in ("n", "no"):
            return False
        print("Please answer y or n.")


def choose_container(
    arguments: argparse.Namespace, context: Context, verb: str, *, running: bool | None = None
) -> str:
    """Return the container that an `mlc` command is for, from a menu if none is named.

    Args:
        arguments: with `container_name` and `script`.
        context: whose containers.
        verb: the command, such as `stop`.
        running: offer only containers that run (True), that do not (False), or all (None).

    Raises:
        UsageError: nobody can be asked for it, or there is nothing to choose from.
    """
    if arguments.container_name is not None:
        return str(arguments.container_name)
    if not may_ask(arguments, "script"):
        raise UsageError("Which container?", f"Use: mlc {verb} NAME")
    offered = [
        short_name(each.name)
        for each in context.own_containers()
        if running is None or each.is_running == running
    ]
    if not offered:
        kind = {None: "", True: "running ", False: "stopped "}[running]
        raise UsageError(f"You have no {kind}container.", "See your containers with: mlc list")
    print("Your containers:")
    return offered[ask_choice(f"Which one to {verb}?", offered)]


def choose_project(arguments: argparse.Namespace, context: Context, verb: str) -> str:
    """Return one of the user's projects, chosen from a menu, for the command image-VERB.

    Raises:
        UsageError: nobody can be asked for it, or there is none.
    """
    if not may_ask(arguments, "yes"):
        raise UsageError("Which project?", f"Use: image-{verb} PROJECT")
    from ..images.list import list_images

    projects = list(dict.fromkeys(each.project for each in list_images(context)))
    if not projects:
        raise UsageError("You have no projects.", "Create one with: image-create")
    print("Your projects:")
    return projects[ask_choice(f"Which one to {verb}?", projects)]


def confirm(
    arguments: argparse.Namespace, question: str, *, default: bool = False, flag: str = "-f"
) -> None:
    """Ask a yes-or-no question unless a flag answers it; return only for yes.

    Args:
        arguments: any of `force`, `yes` and `script` in it is a yes.
        default: what an empty answer means, and the answer where nobody can be asked.
        flag: the command's flag that answers the question, for the message.

    Raises:
        UsageError: it needs an answer, and nobody can be asked.
        DeclinedError: the answer was no.
    """
    if any(getattr(arguments, name, False) for name in ("force", "yes", "script")):
        return
    if getattr(arguments, "json", False) or not on_terminal():
        if default:
            return
        raise UsageError(f"{question} Cannot prompt without a terminal; pass {flag} to confirm.")
    if not ask_yes_no(question, default):
        raise DeclinedError("Nothing was done.")


def _answer(prompt: str) -> str:
    # Line editing of the answers, if Python was built with it.
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401
    try:
        return input(prompt).strip()
    except EOFError:
        print()
        raise MlcError("The input ended before the question was answered.") from None
    except KeyboardInterrupt:
        print()
        raise
