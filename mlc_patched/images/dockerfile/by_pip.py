"""Let pip do what steps of image-create do with uv, where uv cannot be had, and install uv into a
Python that has no pip. Pure."""

from __future__ import annotations

import re

from .installs import APT, PIP, find_installs, packages_in, uses_uv
from .package_steps import (
    BY_PIP,
    PIP_COMMENT,
    UV,
    UV_COMMENT,
    UV_STEP,
    UV_STEP_BY_SYSTEM,
    UV_STEP_BY_UV,
    apt_step,
    steps_by_pip,
)
from .syntax import line_break

SYSTEMS_PIP = ("python3", "python3-pip")
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


def with_uv_by_another(text: str, has_uv: bool, *, has_pip: bool) -> str:
    """Return a Dockerfile that installs uv by another program than the pip of python3, which has
    none: by the base's uv, or by the pip of the system's Python, which is installed if needed."""
    step = UV_STEP_BY_UV if has_uv else UV_STEP_BY_SYSTEM
    needs_apt = not has_uv and not has_pip and SYSTEMS_PIP[-1] not in packages_in(text, APT)
    before = f"{apt_step(SYSTEMS_PIP)}\n" if needs_apt else ""
    new = f"{before}{UV_COMMENT}, also where Python has no pip\n{step}"
    return _UV_STEP.sub(lambda _: new.replace("\n", line_break(text)), text)


def asking_more(text: str, line: int) -> str:
    """Return a Dockerfile in which the step of pip at a line says what it does in detail."""
    lines = text.split("\n")
    lines[line - 1] = lines[line - 1].replace(BY_PIP, f"{_MORE}{BY_PIP}")
    return "\n".join(lines)
