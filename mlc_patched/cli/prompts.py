"""Questions on the terminal: a text, a choice, yes or no; which container, which project."""

from __future__ import annotations

import argparse
import contextlib
import os
import stat
import sys
from collections.abc import Callable, Sequence

from ..errors import (
    DeclinedError,
    EngineError,
    InvalidValueError,
    MlcError,
    NotFoundError,
    UsageError,
)
from ..lean import TYPE_CHECKING
from ..names.containers import short_name
from .output import say

if TYPE_CHECKING:
    from ..context import Context


def on_terminal() -> bool:
    """Whether somebody can be asked: standard input and output are a terminal."""
    return sys.stdin.isatty() and sys.stdout.isatty()


class NoAnswerError(UsageError):
    """Standard input is not a terminal, and ended before a question was answered."""


class _UnconfirmedError(UsageError):
    """A question needs a yes, and nobody can be asked; the hint names the flag."""

    def __str__(self) -> str:
        return f"{self.message.rstrip('.')}; {self.hint}"


def may_ask(arguments: argparse.Namespace, *flags: str, piped: bool = False) -> bool:
    """Whether questions may be asked: on a terminal, and only if none of these flags is given, nor
    --json or -q, with which standard output is for the result alone.

    With `piped`, also if a pipe or file has the answers, as in `echo y | mlc stop NAME`.
    """
    if any(getattr(arguments, flag, False) for flag in (*flags, "json", "quiet")):
        return False
    return on_terminal() or (piped and _has_piped_answers())


def _has_piped_answers() -> bool:
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (AttributeError, OSError, ValueError):  # closed, or replaced by an API user
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode)


def ask_text(question: str, default: str = "", check: Callable[[str], object] | None = None) -> str:
    """Ask for a line of text until `check` accepts it, which raises MlcError otherwise.

    An empty answer means the default; without one it asks again.
    """
    while True:
        shown = f" [{default}]" if default else ""
        answer = _answer(f"{question}{shown}: ") or default
        if not answer:
            continue
        try:
            if check is not None:
                check(answer)
        except EngineError:
            raise
        except MlcError as error:
            say(str(error))
            continue
        return answer


def ask_choice(question: str, choices: Sequence[str], default: int | None = None) -> int:
    """Ask for one of several choices with a numbered menu, and return its index.

    The text of a choice is accepted, too; an empty answer means the index `default`.
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
    """Ask a question that is answered with y or n; an empty answer is the default."""
    while True:
        answer = _answer(f"{question} ({'Y/n' if default else 'y/N'}): ").casefold()
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

    On a terminal, a wrong name leads to the menu, too, as with AIME's mlc. With `running`, the menu
    has only the containers that run, or only those that do not. Raises InvalidValueError if nobody
    can be asked, and NotFoundError if there is nothing to choose from.
    """
    name = arguments.container_name
    if name is not None:
        if not may_ask(arguments, "script", "force", "missing_ok"):
            return str(name)
        try:
            context.get(name)
        except (NotFoundError, InvalidValueError) as error:
            if isinstance(error, NotFoundError) and _is_reached(name, verb, context):
                return str(name)
            say(error.message)
        else:
            return str(name)
    elif not may_ask(arguments, "script", piped=True):
        raise InvalidValueError("Which container?", f"Use: {_typed(arguments, f'mlc {verb}')} NAME")
    offered = [
        short_name(each.name)
        for each in context.containers()
        if running is None or each.is_running == running
    ]
    if not offered:
        kind = {None: "", True: "running ", False: "stopped "}[running]
        raise NotFoundError(f"You have no {kind}container.", "See your containers with: mlc list")
    print("Your containers:")
    is_verb = verb in ("export", "open", "remove", "start", "stop")
    return offered[ask_choice(f"Which one to {verb}?" if is_verb else "Which one?", offered)]


def choose_containers(
    arguments: argparse.Namespace, context: Context, verb: str, *, running: bool | None = None
) -> list[str]:
    """Return the containers that an `mlc` command is for, as `choose_container` unless there are
    several."""
    names = list(dict.fromkeys(arguments.container_names))
    if len(names) > 1:
        return names
    arguments.container_name = names[0] if names else None
    return [choose_container(arguments, context, verb, running=running)]


def _is_reached(name: str, verb: str, context: Context) -> bool:
    """Whether a command reaches the caller's container of this name on the cluster: of Swarm only
    `open`, of Slurm every command that runs on its node."""
    from ..cluster.choose import uses_slurm
    from ..cluster.place import find_service

    if verb != "open" and not uses_slurm(context):
        return False
    return find_service(name, context) is not None


def choose_project(arguments: argparse.Namespace, context: Context, verb: str) -> str:
    """Return one of the user's projects, chosen from a menu.

    Raises UsageError if nobody can be asked, and NotFoundError if the user has no project.
    """
    if not may_ask(arguments, "yes"):
        raise UsageError("Which project?", f"Use: {_typed(arguments, f'image-{verb}')} PROJECT")
    from ..images.list import list_images

    projects = list(dict.fromkeys(each.project for each in list_images(context)))
    if not projects:
        raise NotFoundError("You have no projects.", "Create one with: image-create")
    print("Your projects:")
    return projects[ask_choice(f"Which one to {verb}?", projects)]


def confirm(
    arguments: argparse.Namespace,
    question: str,
    *,
    default: bool = False,
    unattended: bool | None = None,
    flag: str = "-f",
    piped: bool = False,
) -> None:
    """Ask a yes-or-no question unless a flag answers it (-f, -y, -s); return only for yes.

    `unattended` is the answer where nobody can be asked, if that is not the default; `flag` is the
    command's flag that answers the question, for the message. Raises DeclinedError for no, and
    UsageError if it needs an answer and nobody can be asked.
    """
    if any(getattr(arguments, name, False) for name in ("force", "yes", "script")):
        return
    try:
        if not may_ask(arguments, piped=piped):
            raise NoAnswerError("")
        answer = ask_yes_no(question, default)
    except NoAnswerError:
        if not (default if unattended is None else unattended):
            raise _UnconfirmedError(
                f"{question} Cannot prompt {_why_not(arguments)}.", f"pass {flag} to confirm."
            ) from None
        answer = True
    if not answer:
        raise DeclinedError("Nothing was done.")


def _typed(arguments: argparse.Namespace, usual: str) -> str:
    """Return the command as it was typed, such as `container-stop` for `mlc stop`."""
    return str(getattr(arguments, "program", usual))


def _why_not(arguments: argparse.Namespace) -> str:
    """Return why `may_ask` says no."""
    if getattr(arguments, "json", False):
        return "with --json"
    return "with -q" if getattr(arguments, "quiet", False) else "without a terminal"


def _answer(prompt: str) -> str:
    """Return an answer, or raise MlcError if the input ends: NoAnswerError without a terminal."""
    is_terminal = on_terminal()
    # Line editing of the answers, if Python was built with it.
    with contextlib.suppress(ImportError):
        if is_terminal:
            import readline  # noqa: F401
    try:
        return input(prompt).strip()
    except EOFError:
        print()
        kind = MlcError if is_terminal else NoAnswerError
        raise kind("The input ended before the question was answered.") from None
    except KeyboardInterrupt:
        print()
        raise
