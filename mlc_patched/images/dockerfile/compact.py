"""Fold the steps that image-update appended into one of each kind; steps edited by hand stay."""

from __future__ import annotations

from collections.abc import Sequence

from ...lean import dataclass
from ..packages import merged
from .append import ADDED
from .installs import APT, PIP, find_installs
from .package_steps import apt_step, is_by_pip, python_step
from .syntax import line_break

MOST = 10
"""With more appended steps than this, folding them is offered: an image has at most 127 layers."""


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
    """Return a Dockerfile whose appended steps are folded, each kind at the place of its first."""
    found = appended_steps(text)
    if len(found) < 2:
        return text
    first_apt = next((each for each in found if each.apt), None)
    first_pip = next((each for each in found if each.pip), None)
    by_pip = is_by_pip(text)
    for each in reversed(found):
        apt = sorted({name for one in found for name in one.apt}) if each is first_apt else []
        pip = merged([name for one in found for name in one.pip]) if each is first_pip else ()
        new = _piece(f"{ADDED}{date}", apt, pip, by_pip=by_pip) if apt or pip else ""
        text = text[: each.start] + new.replace("\n", line_break(text)) + text[each.end :]
    return text


def _piece(heading: str, apt: Sequence[str], pip: Sequence[str], *, by_pip: bool) -> str:
    parts = [f"{heading}\n"]
    if apt:
        parts.append(apt_step(apt))
    if pip:
        parts.append(python_step(pip, by_pip=by_pip))
    return "".join((*parts, "\n"))
