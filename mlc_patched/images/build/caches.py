"""Give the steps that install packages a cache of BuildKit's, in the derived Dockerfile.

The mounts are the same for every user, as BuildKit's cache of layers depends on them, and users of
one base are to share its layers. Each user has a directory of their own in them, named in a secret,
which no layer depends on. Steps that BuildKit would run differently with a cache are left as they
are: those of another user than root or with another shell, and those that keep apt's lists.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...lean import dataclass, field
from ..dockerfile.append import account_block_start
from ..dockerfile.installs import APT, PIP, commands_of
from ..dockerfile.syntax import ROOT, Instruction, Word, final_stage, step_words

USER_SECRET = "ds01-user"  # noqa: S105 - a name
APT_SECRET = "ds01-apt-cache"  # noqa: S105 - a name
_SECRETS = "/run/secrets"
_PYTHON, _APT = "/run/mlc-cache", "/run/mlc-apt-cache"
_MINE = f"$(cat {_SECRETS}/{USER_SECRET})"
_NO_CACHE = ("--no-cache", "--no-cache-dir", "-n")
_LISTS = "/var/lib/apt/lists/*"


def _secret(name: str) -> str:
    return f" --mount=type=secret,id={name},target={_SECRETS}/{name},mode=0444"


_PYTHON_MOUNTS = f" --mount=type=cache,id=mlc-python,target={_PYTHON}"
_PYTHON_PREFIX = (
    f'export UV_LINK_MODE=copy UV_CACHE_DIR="{_PYTHON}/{_MINE}/uv" '
    f'PIP_CACHE_DIR="{_PYTHON}/{_MINE}/pip" && '
)
_APT_MOUNTS = f" --mount=type=cache,id=mlc-apt,target={_APT},sharing=locked{_secret(APT_SECRET)}"
_APT_PREFIX = (
    f"export APT_CONFIG={_SECRETS}/{APT_SECRET} && "
    f'mkdir -p "{_APT}/{_MINE}/lists/partial" "{_APT}/{_MINE}/archives/partial" && '
)


def secrets_for(user: str, more_for_apt: str = "") -> dict[str, str]:
    """Return the secrets that name a user's directories; `more_for_apt` goes into apt's settings,
    as there is one file of them."""
    apt = (
        f'Dir::Cache "{_APT}/{user}";\nDir::State::lists "{_APT}/{user}/lists";\n'
        'APT::Keep-Downloaded-Packages "true";\n'
    )
    return {USER_SECRET: user, APT_SECRET: apt + more_for_apt}


@dataclass
class Cached:
    """A Dockerfile whose steps use caches, with the same lines, and mounts by the line of RUN."""

    text: str
    mounts: dict[int, str] = field(default_factory=dict)


def with_caches(text: str, found: Sequence[Instruction]) -> Cached:
    """Return a Dockerfile whose steps with packages use caches."""
    end = account_block_start(text, final_stage(list(found)))
    edits: list[tuple[int, int, str]] = []
    cached = Cached(text)
    is_plain = False
    for each in found:
        if end is not None and each.start >= end:
            break
        if each.keyword == "USER":
            is_plain = each.body(text).strip() in ROOT
        elif each.keyword in ("FROM", "SHELL"):
            is_plain = False
        elif each.keyword == "RUN" and is_plain:
            mounts, more = _of_step(text, step_words(text, each))
            if mounts:
                cached.mounts[each.line] = f"{mounts}{_secret(USER_SECRET)}"
                edits += more
    for start, stop, new in sorted(edits, reverse=True):
        cached.text = cached.text[:start] + new + cached.text[stop:]
    return cached


def _of_step(text: str, words: Sequence[Word]) -> tuple[str, list[tuple[int, int, str]]]:
    """Return the mounts of a step, and its edits."""
    commands = list(commands_of(list(words)))
    mounts = prefix = ""
    edits = []
    python = [command for command in commands if PIP.arguments(command) is not None]
    if python:
        mounts, prefix = _PYTHON_MOUNTS, _PYTHON_PREFIX
        edits += [
            (word.start, word.end, "")
            for word in _words(python)
            if text[word.start : word.end] in _NO_CACHE
        ]
    cleans = any(word.value == _LISTS for word in words)
    if cleans and any(APT.arguments(command) is not None for command in commands):
        mounts, prefix = mounts + _APT_MOUNTS, _APT_PREFIX + prefix
        edits += [
            (command[0].start, command[1].end, "true")
            for command in commands
            if [word.value for word in command] in (["apt-get", "clean"], ["apt", "clean"])
        ]
    if prefix:
        first = next(word for word in words if not word.value.startswith("--"))
        edits.append((first.start, first.start, prefix))
    return mounts, edits


def _words(commands: Iterable[Sequence[Word]]) -> Iterable[Word]:
    return (word for command in commands for word in command)
