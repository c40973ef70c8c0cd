"""Fold the steps that image-update appended into one of each kind; all other steps stay, and no
appended step is moved over one: which versions a step installs depends on those before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ...lean import dataclass
from ..packages import merged
from .append import ADDED
from .installs import APT, PIP, find_installs
from .package_steps import UV_STEP, apt_step, is_by_pip, python_step
from .syntax import final_stage, instructions, line_break

MOST = 10
"""With more appended steps than this, folding them is offered: an image has at most 127 layers."""
_UV_STEP = re.compile(rf"{re.escape(UV_STEP)}\S+\s*")


@dataclass(frozen=True)
class Appended:
    """Steps that image-update appended together: their text's offsets, and the packages."""

    start: int
    end: int
    apt: tuple[str, ...]
    pip: tuple[str, ...]


def appended_steps(text: str) -> list[Appended]:
    """Return the steps that were appended and are as image-update wrote them, in order.

    Raises DockerfileError if the Dockerfile cannot be parsed.
    """
    break_ = line_break(text)
    installs = {kind: find_installs(text, kind) for kind in (APT, PIP)}
    found = []
    start = text.find(ADDED)
    while start >= 0:
        end = text.find(break_ * 2, start)
        end = len(text) if end < 0 else end + 2 * len(break_)
        apt, pip = (
            tuple(
                word.value
                for install in installs[kind]
                if start <= install.instruction.start < end
                for word in install.packages
            )
            for kind in (APT, PIP)
        )
        heading = text[start : text.find("\n", start)].rstrip()
        written = _piece(heading, apt, pip, by_pip=is_by_pip(text)).replace("\n", break_)
        is_whole_line = start == 0 or text[start - 1] == "\n"
        if is_whole_line and text[start:end] == written:
            found.append(Appended(start, end, apt, pip))
        start = text.find(ADDED, start + 1)
    return found


def compacted(text: str, date: str) -> str:
    """Return a Dockerfile whose appended steps are folded, where no other step is between them.

    Debian's packages go to the place of their first step, as they need no Python package, and
    Python's to that of their last, as one may need a Debian package to be built.
    """
    by_pip = is_by_pip(text)
    for run in reversed(_foldable(text)):
        first_apt = next((each for each in run if each.apt), None)
        last_pip = next((each for each in reversed(run) if each.pip), None)
        apt = sorted({name for each in run for name in each.apt})
        pip = merged([name for each in run for name in each.pip])
        for each in reversed(run):
            packages = (apt if each is first_apt else (), pip if each is last_pip else ())
            new = _piece(f"{ADDED}{date}", *packages, by_pip=by_pip) if any(packages) else ""
            text = text[: each.start] + new.replace("\n", line_break(text)) + text[each.end :]
    return text


def foldable_steps(text: str) -> int:
    """Return how many of the appended steps can be folded into fewer."""
    return sum(len(run) for run in _foldable(text))


def _foldable(text: str) -> list[list[Appended]]:
    """Return the appended steps that can be folded, those that become one of each kind together."""
    return [
        run
        for run in _runs(text)
        if sum(bool(each.apt) for each in run) > 1 or sum(bool(each.pip) for each in run) > 1
    ]


def _runs(text: str) -> Iterator[list[Appended]]:
    """Yield the appended steps that follow each other. The step that installs uv may be between
    them: it stands right before the first step that needs it."""
    run: list[Appended] = []
    others = [
        each.start
        for each in final_stage(instructions(text))
        if not _UV_STEP.fullmatch(text[each.start : each.end])
    ]
    for each in appended_steps(text):
        if run and any(run[-1].end <= start < each.start for start in others):
            yield run
            run = []
        run.append(each)
    if run:
        yield run


def _piece(heading: str, apt: Sequence[str], pip: Sequence[str], *, by_pip: bool) -> str:
    parts = [f"{heading}\n"]
    if apt:
        parts.append(apt_step(apt))
    if pip:
        parts.append(python_step(pip, by_pip=by_pip))
    return "".join((*parts, "\n"))
