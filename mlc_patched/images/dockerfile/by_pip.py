"""Let pip do what steps of image-create do with uv, where uv cannot be had. Pure."""

from __future__ import annotations

import re

from .installs import PIP, find_installs, uses_uv
from .package_steps import BY_PIP, PIP_COMMENT, UV, UV_COMMENT, UV_STEP, steps_by_pip
from .syntax import line_break

TOO_OLD = "uv does not support this Python"
NOT_IN_INDEX = "the package index has no uv"
_UV_STEP = re.compile(rf"(?:{re.escape(UV_COMMENT)}\r?\n)?{re.escape(UV_STEP)}\S+\r?\n")
_MORE = "PIP_VERBOSE=2 "


def without_uv(text: str, why: str) -> str:
    """Return a Dockerfile in which pip does what steps of image-create do with uv, with a comment
    that says why; the same Dockerfile if one of its steps needs uv."""
    by_pip = steps_by_pip(_UV_STEP.sub(f"{PIP_COMMENT}, as {why}{line_break(text)}", text))
    has_own = any(
        PIP.name(word.value) == UV for each in find_installs(by_pip, PIP) for word in each.packages
    )
    return text if has_own or uses_uv(by_pip) else by_pip


def asking_more(text: str, line: int) -> str:
    """Return a Dockerfile in which the step of pip at a line says what it does in detail."""
    lines = text.split("\n")
    lines[line - 1] = lines[line - 1].replace(BY_PIP, f"{_MORE}{BY_PIP}")
    return "\n".join(lines)
