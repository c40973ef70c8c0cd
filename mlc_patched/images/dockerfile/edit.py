"""Edit a user's Dockerfile: add and remove packages, and change nothing else."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ...names import labels
from ..packages import quoted
from .installs import (
    PIP,
    PIP_TOOLS,
    Install,
    Kind,
    commands_of,
    find_installs,
    where_looked,
)
from .render import PYTHON_SECTION, USER_ID_ARGUMENT, account_block
from .syntax import (
    DockerfileError,
    Instruction,
    Word,
    base_of,
    final_stage,
    instructions,
    is_continued,
    line_break,
    line_of,
    step_words,
)

_BARE = re.compile(r"[A-Za-z0-9._+-]+")
_LAST_CONTINUATION = re.compile(r" ?\\[ \t]*(?=\r?\n$)")


@dataclass
class Changes:
    """Packages that an edit added or replaced, removed, or found present."""

    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    present: list[str] = field(default_factory=list)


def add_package(text: str, package: str, kind: Kind, changes: Changes) -> str:
    """Return a Dockerfile with an allowed package added, or its version changed.

    `changes` records it. If there is no place for it, raises DockerfileError, which lists the steps
    that were considered.
    """
    name = kind.name(package)
    found = find_installs(text, kind)
    for install in found:
        for word in install.packages:
            if kind.name(word.value) == name:
                if package == word.value or _BARE.fullmatch(package):
                    changes.present.append(word.value)
                    return text
                changes.added.append(package)
                return text[: word.start] + quoted(package) + text[word.end :]
    changes.added.append(package)
    install_at = _place(text, found, kind)
    if install_at is not None:
        return _with_word(text, install_at, package)
    return _with_step(text, package, kind, found)


def remove_package(text: str, package: str, kind: Kind, changes: Changes) -> str:
    """Return a Dockerfile without a package (of any version) anywhere in its last stage.

    `changes` records it; nothing if the package is not found. Raises DockerfileError if it is the
    step's only package, and the step cannot be removed.
    """
    name = kind.name(package)
    while True:
        hit = next(
            (
                (install, word)
                for install in find_installs(text, kind)
                for word in install.packages
                if kind.name(word.value) == name
            ),
            None,
        )
        if hit is None:
            return text
        changes.removed.append(hit[1].value)
        text = _without_word(text, *hit, kind)


def has_account_block(text: str) -> bool:
    """Whether the last stage has the account block, which sets up the user's account.

    Raises DockerfileError if only a part of it is there, or the Dockerfile cannot be parsed.
    """
    stage = final_stage(instructions(text))
    bodies = [(each.keyword, each.body(text)) for each in stage]
    argument = any(key == "ARG" and USER_ID_ARGUMENT in body for key, body in bodies)
    step = any(
        key == "RUN" and USER_ID_ARGUMENT in body and "useradd" in body for key, body in bodies
    )
    label = any(key == "LABEL" and labels.HAS_USER_SETUP in body for key, body in bodies)
    if argument and step and label:
        return True
    if argument or step or label:
        raise DockerfileError(
            "The Dockerfile has only part of the account block: "
            f"ARG {USER_ID_ARGUMENT} {_there(argument)}, the step with useradd {_there(step)}, "
            f"LABEL {labels.HAS_USER_SETUP} {_there(label)}.",
            "Remove the rest, and the whole block is added again.",
        )
    return False


def missing_account_block(text: str, project: str, framework: str = "custom") -> str:
    """Return the account block, for a project and a framework label, that a Dockerfile lacks; empty
    if it has one.

    Raises DockerfileError if only a part of the block is there.
    """
    return "" if has_account_block(text) else account_block(project, framework, base_of(text))


def with_account_block(text: str, block: str) -> str:
    """Return a Dockerfile with a block added at its end, in the text's own line breaks."""
    if not block:
        return text
    break_ = line_break(text)
    if text and not text.endswith("\n"):
        text += break_
    return text + break_ + block.replace("\n", break_)


def _there(is_there: bool) -> str:
    return "is present" if is_there else "is missing"


def _place(text: str, found: list[Install], kind: Kind) -> Install | None:
    """Choose the command for a new package: that of our section, else the last ordinary one."""
    ordinary = [
        each
        for each in found
        if not kind.special.intersection(each.options)
        and any(kind.name(word.value) not in PIP_TOOLS for word in each.packages)
    ]
    section = text.find(kind.section)
    if section >= 0:
        after = [each for each in ordinary if each.instruction.start > section]
        ordinary = after[:1] or ordinary
    return ordinary[-1] if ordinary else None


def _with_word(text: str, install: Install, package: str) -> str:
    """Add a package to a command, in the layout of the others."""
    word = quoted(package)
    break_ = line_break(text)
    alone = [each for each in install.packages if _is_alone(text, each)]
    if not alone or alone[-1] is not install.packages[-1]:
        last = install.packages[-1]
        return f"{text[: last.end]} {word}{text[last.end :]}"
    key = [each.value.casefold() for each in alone]
    if key == sorted(key):
        for each in alone:
            if each.value.casefold() > package.casefold():
                start, _ = line_of(text, each.start)
                return f"{text[:start]}{_indent(text, each)}{word} \\{break_}{text[start:]}"
    start, after = line_of(text, alone[-1].start)
    line = text[start:after]
    indent = _indent(text, alone[-1])
    if is_continued(line):
        return f"{text[:after]}{indent}{word} \\{break_}{text[after:]}"
    ending = line[len(line.rstrip("\r\n")) :]
    end = after - len(ending)
    return f"{text[:end]} \\{break_}{indent}{word}{text[end:]}"


def _with_step(text: str, package: str, kind: Kind, found: list[Install]) -> str:
    """Add a step: after the section's ENV, or before the account block."""
    stage = final_stage(instructions(text))
    break_ = line_break(text)
    block = _account_block_start(text, stage)
    step = kind.step((package,)).replace("\n", break_)
    if block is None:
        raise DockerfileError(
            f"There is no place for {package} in the Dockerfile, which was not changed: "
            f"{where_looked(text, kind)}, and the account block (ARG {USER_ID_ARGUMENT}), "
            "before which a new step would go, is missing.",
            "Add the package by hand: image-update PROJECT --edit",
        )
    if kind is PIP:
        for each in stage:
            if each.keyword == "ENV" and "PIP_BREAK_SYSTEM_PACKAGES" in each.body(text):
                return text[: each.end] + step + text[each.end :]
    else:
        # The apt step changes seldom and takes long, so it goes before the Python packages.
        python = text.find(PYTHON_SECTION, stage[0].start, block)
        block = python if python >= 0 else block
    return f"{text[:block]}{kind.section}{break_}{step}{break_}{text[block:]}"


def _account_block_start(text: str, stage: list[Instruction]) -> int | None:
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


def _without_word(text: str, install: Install, word: Word, kind: Kind) -> str:
    if len(install.packages) == 1 and not install.others:
        return _without_step(text, install, kind)
    if not _is_alone(text, word):
        start = word.start
        while text[start - 1] in " \t":
            start -= 1
        return text[:start] + text[word.end :]
    start, after = line_of(text, word.start)
    if is_continued(text[start:after]):
        return text[:start] + text[after:]
    # The last line of the step is removed, so the line before must no longer be continued.
    before = start
    while True:
        before, end = line_of(text, before - 1)
        if not text[before:end].lstrip().startswith("#") and text[before:end].strip():
            break
    line = text[before:end]
    if not line.endswith("\n"):
        line += "\n"
    shortened = _LAST_CONTINUATION.sub("", line)
    if after == len(text) and not text.endswith("\n"):
        shortened = shortened.rstrip("\r\n") if end == start else shortened
    return text[:before] + shortened + text[end:start] + text[after:]


def _without_step(text: str, install: Install, kind: Kind) -> str:
    instruction = install.instruction
    commands = list(commands_of(step_words(text, instruction)))
    routine = all(
        kind.arguments(command) is not None
        or (command[0].value in ("apt-get", "apt") and command[1].value in ("update", "clean"))
        or [word.value for word in command[:2]] == ["rm", "-rf"]
        for command in commands
        if len(command) > 1
    )
    if not routine or sum(kind.arguments(command) is not None for command in commands) > 1:
        raise DockerfileError(
            f"{install.packages[0].value} is the only package of the step in line "
            f"{instruction.line} of the Dockerfile, and the step does more than install it. "
            "Nothing was changed.",
            "Remove it by hand: image-update PROJECT --edit",
        )
    start, end = instruction.start, instruction.end
    above, _ = line_of(text, max(start - 1, 0))
    below = text[end : line_of(text, end)[1]]
    if text[above:start].strip() == kind.section and below and not below.strip():
        # The section was added for this step.
        start, end = above, end + len(below)
    return text[:start] + text[end:]


def _is_alone(text: str, word: Word) -> bool:
    """Whether a word is alone on its line, except for a backslash."""
    start, after = line_of(text, word.start)
    rest = text[word.end : after].strip()
    return not text[start : word.start].strip() and rest in ("", "\\")


def _indent(text: str, word: Word) -> str:
    start, _ = line_of(text, word.start)
    return text[start : word.start]
