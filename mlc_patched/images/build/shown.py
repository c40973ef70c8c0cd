"""Which lines of a step-by-step builder's output are shown while it builds: the user's own steps.

The classic builder and Podman print every instruction in full, with the ids of what they make. What
a failed step printed is in the message of the failure.
"""

from __future__ import annotations

import re

from ..dockerfile.render import USER_ID_ARGUMENT
from ..dockerfile.syntax import instructions
from .derive import DerivedDockerfile

_STEP = re.compile(r"(?:Step (?=\d+/\d+ :)|(?:\[(\d+)/\d+\] )?STEP (?=\d+/\d+:))(\d+)/\d+ ?: (.*)")
_NOISE = re.compile(
    r"DEPRECATED: |\s+(?:BuildKit is currently disabled|environment-variable\.|Install the buildx)"
    r"|\s+https://docs\.docker\.com/go/buildx|Sending build context to |Removing intermediate "
    r"| ?--+> |Successfully (?:built|tagged) |COMMIT |\s*$"
)
_HEADING = re.compile(
    r"(?:#\d+ | > )\[|(?:#\d+ )?(?:ERROR: .*)?(?:process|executor failed running) "
)
_LONGEST = 160


class OwnSteps:
    """Shortens the output of one build."""

    def __init__(self, derived: DerivedDockerfile) -> None:
        self._steps = instructions(derived.text)
        # Lines that are not the user's have no number; the account block begins with this one.
        block = next(
            (
                each.line
                for each in reversed(self._steps)
                if each.keyword == "ARG" and each.body(derived.text).strip() == USER_ID_ARGUMENT
            ),
            len(derived.lines) + 1,
        )
        self._is_own = [
            each.line < block and derived.lines[each.line - 1] > 0 for each in self._steps
        ]
        self._hides = False

    def line(self, text: str) -> str | None:
        """Return a line as it is shown; None if it is not."""
        match = _STEP.fullmatch(text)
        position = self._position(match) if match else None
        if position is not None:
            self._hides = not self._is_own[position]
            return None if self._hides else shortened(text)
        return None if self._hides or _NOISE.match(text) else text

    def _position(self, match: re.Match[str]) -> int | None:
        """Return which step begins; None if a program printed this. Podman counts in each stage."""
        starts = [n for n, each in enumerate(self._steps) if each.keyword == "FROM"]
        stage = int(match[1] or 1)
        position = (starts[stage - 1] if stage <= len(starts) else 0) + int(match[2]) - 1
        if position >= len(self._steps):
            return -1  # Podman's own, as the labels, the last step
        is_step = match[3].upper().startswith(self._steps[position].keyword)
        return position if is_step else None


def without_long_headings(text: str) -> str:
    """Return a line of BuildKit's output; the heading of a step, which has all of it, is cut."""
    return shortened(text) if _HEADING.match(text) else text


def shortened(text: str) -> str:
    """Return the heading of a step in one line that is not too long."""
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
