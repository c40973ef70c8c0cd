"""Render the Dockerfile of a project from a recipe. Pure."""

from __future__ import annotations

import re
from pathlib import Path

from ...errors import UsageError
from ...lean import dataclass
from ...names import labels
from ...names.images import check_reference
from .package_steps import RUNS_UV, apt_step, python_step, uv_step
from .syntax import DIRECTIVE, line_break

ACCOUNT_SCRIPT = Path(__file__).parents[2] / "data" / "account.sh"
CREATED_ARGUMENT = "DS01_CREATED"
USER_ID_ARGUMENT = "DS01_USER_ID"
GROUP_ID_ARGUMENT = "DS01_GROUP_ID"
USERNAME_ARGUMENT = "DS01_USERNAME"
ACCOUNT_ARGUMENTS = (USER_ID_ARGUMENT, GROUP_ID_ARGUMENT, USERNAME_ARGUMENT, CREATED_ARGUMENT)
ALWAYS_INSTALLED = ("ca-certificates", "git", "less", "procps", "sudo")
"""Packages that AIME's set-up installs, too, and those that people expect."""
WORKSPACE = "/workspace"
BUILD_CONTEXT_COMMENT = "# Build context: "
SYSTEM_SECTION = "# System packages (apt)"
PYTHON_SECTION = "# Python packages"
_ACCOUNT_HEADING = "# Your account: the same user and group as on the host."

_AS_ROOT = "# hadolint ignore=DL3066\nUSER root\n"
_FRAMEWORK = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}")
# After these, a shell command continues in the next line without a semicolon.
_OPEN = re.compile(r"(?:^|[\s;])(?:then|do|else|in|\{|\()$|(?:;;|&&|\|\|)$")


@dataclass(frozen=True)
class ImageRecipe:
    """The content of a project's image.

    `base` is the base image, `framework` the framework label (`Pytorch-2.8.0`); `apt` and `pip`
    are packages that passed the allow-list.
    """

    project: str
    base: str
    framework: str
    apt: tuple[str, ...] = ()
    pip: tuple[str, ...] = ()
    steps: str = ""
    """More steps that install packages (images/brought)."""
    directory: str | None = None
    """The build context, if the steps need another than the directory of Dockerfiles."""


def render(recipe: ImageRecipe) -> str:
    """Return the Dockerfile for a recipe.

    The order keeps layers cached: what changes seldom comes first, and the labels, which contain
    the time of the build, come last.

    Raises:
        UsageError: the base or the framework cannot be used in a Dockerfile.
    """
    apt = sorted({*ALWAYS_INSTALLED, *recipe.apt})
    parts = [
        f"# The image of the project {recipe.project}. This file is yours: edit it, then run\n"
        f"# image-update {recipe.project}. Versions are left open, for you to pin where you want.\n"
        "# hadolint global ignore=DL3006,DL3008,DL3013,DL3059\n",
        f"FROM {check_reference(recipe.base)}\n{_AS_ROOT}",
        f"{SYSTEM_SECTION}\n{apt_step(apt, if_missing=not recipe.apt)}",
        f"{PYTHON_SECTION}; the settings let pip and uv work where Python belongs to the system\n"
        "ENV PIP_BREAK_SYSTEM_PACKAGES=1 \\\n    PIP_ROOT_USER_ACTION=ignore \\\n"
        "    UV_BREAK_SYSTEM_PACKAGES=1\n",
        *((uv_step(),) if recipe.pip or RUNS_UV in recipe.steps else ()),
        *((python_step(recipe.pip),) if recipe.pip else ()),
        *((recipe.steps,) if recipe.steps else ()),
        account_block(recipe.project, recipe.framework, recipe.base, is_root=True),
    ]
    text = "\n".join(parts)
    return with_build_context(text, recipe.directory) if recipe.directory else text


def account_block(project: str, framework: str, base: str, *, is_root: bool = False) -> str:
    """Return the last part of a Dockerfile: the user's account, and the labels that name it.

    The step checks its own result and fails if the account is not right, so no image has the labels
    without the account. The framework label is such as `Pytorch-2.8.0`; the base is empty if it is
    unknown; `is_root` says that the steps before the block certainly run as root.

    Raises UsageError if a value cannot be used in a label.
    """
    if not _FRAMEWORK.fullmatch(framework):
        raise UsageError(f"{framework!r} is not a valid framework name.")
    base_label = (
        f' \\\n      org.opencontainers.image.base.name="{check_reference(base)}"' if base else ""
    )
    name, user, group = (
        f"${{{argument}}}" for argument in (USERNAME_ARGUMENT, USER_ID_ARGUMENT, GROUP_ID_ARGUMENT)
    )
    remote = labels.devcontainer(name).replace('"', r"\"")
    return f"""{_ACCOUNT_HEADING}
# image-create and image-update pass the arguments; keep this part last and as it is.
{"" if is_root else _AS_ROOT}ARG {USER_ID_ARGUMENT}
ARG {GROUP_ID_ARGUMENT}
# hadolint ignore=DL3064
ARG {USERNAME_ARGUMENT}
# hadolint ignore=DL3008,SC2016,SC2086
RUN {run_step(ACCOUNT_SCRIPT.read_text(encoding="utf-8"))}
ENV HOME=/home/{name} \\
    PATH=/home/{name}/.local/bin:${{PATH}}
WORKDIR {WORKSPACE}
USER {user}

# What mlc and image-list know the image by.
ARG {CREATED_ARGUMENT}
# hadolint ignore=DL3048
LABEL {labels.HAS_USER_SETUP}="true" \\
      {labels.USER_ID}="{user}" \\
      {labels.GROUP_ID}="{group}" \\
      {labels.USERNAME}="{name}" \\
      {labels.PROJECT}="{project}" \\
      {labels.IMAGE_FRAMEWORK}="{framework}" \\
      {labels.CREATED}="${{{CREATED_ARGUMENT}}}" \\
      org.opencontainers.image.title="{project}" \\
      org.opencontainers.image.description="{framework} with the account {name}" \\
      org.opencontainers.image.created="${{{CREATED_ARGUMENT}}}"{base_label} \\
      {labels.DEVCONTAINER}="{remote}"
"""


def run_step(script: str) -> str:
    """Join the lines of a shell script into the text of one RUN step.

    A Dockerfile may have comment lines inside a step. The comments for the script's maintainers, at
    its head and for shellcheck, are left out.
    """
    lines = script.splitlines()
    head = next(number for number, line in enumerate(lines) if not line.startswith("#"))
    kept = [line for line in lines[head:] if line.strip() and "# shellcheck" not in line]
    last = max(number for number, line in enumerate(kept) if not line.lstrip().startswith("#"))
    return "\n".join(
        _joined(line, is_first=number == 0, is_last=number == last)
        for number, line in enumerate(kept[: last + 1])
    )


def _joined(line: str, *, is_first: bool, is_last: bool) -> str:
    indented = line if is_first else f"    {line}"
    if is_last or line.lstrip().startswith("#") or line.endswith("\\"):
        return indented
    return f"{indented} \\" if _OPEN.search(line) else f"{indented}; \\"


def with_build_context(text: str, directory: str) -> str:
    """Return a Dockerfile with a comment that names its build context.

    Raises UsageError if the directory's name cannot be used in a comment.
    """
    if not directory.isprintable():
        raise UsageError(f"The directory {directory!r} cannot be used as a build context.")
    lines = without_build_context(text).splitlines(keepends=True)
    # Directives such as `# syntax=` count only at the very top.
    top = next((at for at, line in enumerate(lines) if not DIRECTIVE.match(line)), len(lines))
    break_ = line_break(text)
    if top and not lines[top - 1].endswith("\n"):
        lines[top - 1] += break_
    return "".join((*lines[:top], f"{BUILD_CONTEXT_COMMENT}{directory}{break_}", *lines[top:]))


def without_build_context(text: str) -> str:
    """Return a Dockerfile without the comment that names its build context."""
    return "".join(
        line
        for line in text.splitlines(keepends=True)
        if not line.startswith(BUILD_CONTEXT_COMMENT)
    )


def build_context_in(text: str) -> str | None:
    """Return the build context that a Dockerfile names, or None."""
    for line in text.splitlines():
        if line.startswith(BUILD_CONTEXT_COMMENT):
            return line.removeprefix(BUILD_CONTEXT_COMMENT).strip() or None
    return None
