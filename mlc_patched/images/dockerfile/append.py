"""Append steps with packages to a Dockerfile, so that the steps before them stay cached.

An appended step stands under a comment with its date. It goes right before the account block, where
no step of the user's runs again because of it; if the user or the shell changes after the last step
that installs packages, it goes right behind that one.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from .installs import APT, PIP, find_installs, where_looked
from .package_steps import RUNS_UV, UV, apt_step, is_by_pip, python_step, steps_by_pip, uv_step
from .render import USER_ID_ARGUMENT
from .syntax import (
    ROOT,
    DockerfileError,
    Instruction,
    final_stage,
    instructions,
    line_break,
    line_of,
)

ADDED = "# Added on "


def today() -> str:
    """Return the date, for the comment above appended steps."""
    return time.strftime("%Y-%m-%d")


def append_packages(
    text: str,
    *,
    apt: Sequence[str] = (),
    pip: Sequence[str] = (),
    steps: str = "",
    date: str,
) -> str:
    """Return a Dockerfile with steps that install more packages.

    Args:
        text: the Dockerfile.
        apt: Debian packages that passed the allow-list.
        pip: Python packages that passed the allow-list.
        steps: more steps that install packages, as images/brought writes them.
        date: today's, for the comment.

    Raises:
        DockerfileError: there is no place for a step; the message lists the steps that were
            considered.
    """
    if not apt and not pip and not steps:
        return text
    stage = final_stage(instructions(text))
    position, as_root = _place(text, stage, (*apt, *pip, "it")[0], is_apt=bool(apt))
    by_pip = is_by_pip(text)
    parts = [f"{ADDED}{date}\n"]
    if apt:
        parts.append(apt_step(apt))
    if pip:
        parts.append(python_step(pip, by_pip=by_pip))
    if steps:
        parts.append(steps_by_pip(steps) if by_pip else steps)
    parts.append("\n")
    is_by_uv = any(RUNS_UV in each for each in parts)
    if is_by_uv and not has_uv(text, position):
        parts[:0] = [f"{uv_step()}\n"]
    if as_root:
        comment, _, rest = parts[0].partition("\n")
        parts[0] = f"{comment}\nUSER root\n{rest}"
    piece = "".join(parts)
    break_ = line_break(text)
    before, after = text[:position], text[position:]
    if before and not before.endswith("\n"):
        before += break_
    return before + piece.replace("\n", break_) + after


def has_uv(text: str, before: int) -> bool:
    """Whether a step before an offset installs uv for the Python that `python3` is."""
    return any(
        PIP.name(word.value) == UV
        for each in find_installs(text, PIP)
        for word in each.packages
        if word.end <= before
    )


def account_block_start(text: str, stage: Sequence[Instruction]) -> int | None:
    """Return the start of the account block: its ARG, with the comments and USER right above."""
    for number, each in enumerate(stage):
        if each.keyword == "ARG" and each.body(text).strip() == USER_ID_ARGUMENT:
            before = stage[number - 1]
            start = before.start if before.keyword == "USER" else each.start
            while start > stage[0].end:
                above, _ = line_of(text, start - 1)
                if not text[above:start].lstrip().startswith("#"):
                    break
                start = above
            return start
    return None


def _place(
    text: str, stage: Sequence[Instruction], package: str, *, is_apt: bool
) -> tuple[int, bool]:
    """Return the offset for a step, and whether it must first become root."""
    block = account_block_start(text, stage)
    end = len(text) if block is None else block  # the account block uses apt-get, too
    steps = [each.instruction.start for kind in (PIP, APT) for each in find_installs(text, kind)]
    last = max((start for start in steps if start < end), default=-1)
    if block is None and last < 0:
        raise DockerfileError(
            f"There is no place for {package} in the Dockerfile, which was not changed: "
            f"{where_looked(text, PIP)}, and the account block (ARG {USER_ID_ARGUMENT}), "
            "before which a new step would go, is missing.",
            "Add the package by hand: image-update PROJECT --edit",
        )
    own = [each for each in stage if each.start < end]
    changes = any(each.keyword in ("USER", "SHELL") and each.start > last for each in own)
    if last >= 0 and (block is None or changes):
        return next(each.end for each in stage if each.start == last), False
    users = [each.body(text).strip() for each in own if each.keyword == "USER"]
    is_root = bool(users) and users[-1].strip("\"'") in ROOT
    # Where an ordinary user may not write, pip installs into the home, but uv fails.
    return end, not is_root and (is_apt or last < 0 or bool(users))
