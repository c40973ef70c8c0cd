"""Questions on the terminal: a text, a numbered choice, yes or no."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Sequence

from ..errors import MlcError, UsageError


def on_terminal() -> bool:
    """Whether there is somebody to ask: standard input and output are a terminal."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def ask_text(question: str, default: str = "", check: Callable[[str], object] | None = None) -> str:
    """Ask for a line of text until it is acceptable.

    Args:
        question: what to ask, without a colon.
        default: what an empty answer means; without one an empty answer asks again.
        check: raises UsageError for an answer that will not do.

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
    """Ask for one of several things by a numbered menu.

    Args:
        question: what to ask.
        choices: what there is; not empty.
        default: index of the choice that an empty answer means.

    Returns:
        The index of the choice. The name itself is taken as an answer, too.

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


def _answer(prompt: str) -> str:
    # Line editing of the answers; left out where Python was built without it.
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
