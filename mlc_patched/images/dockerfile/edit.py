"""Edit a user's Dockerfile: add and remove packages, and change nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ...lean import dataclass, field
from ...names import labels
from ..packages import merged, quoted
from .append import ADDED, append_packages
from .installs import APT, PIP, Install, Kind, commands_of, find_installs, name_of_wheel
from .render import USER_ID_ARGUMENT, account_block
from .stages import base_of, stages_of
from .syntax import (
    DockerfileError,
    Instruction,
    Word,
    final_stage,
    instructions,
    is_continued,
    is_skipped,
    line_break,
    line_of,
    step_words,
)

_BARE = re.compile(r"[A-Za-z0-9._+-]+")
_TIDIED = ("/var/lib/apt/lists/", "/var/cache/", "/root/.cache", "/tmp/", "/var/tmp/")  # noqa: S108
_LAST_CONTINUATION = re.compile(r" ?\\[ \t]*(?=\r?\n$)")


@dataclass
class Changes:
    """Packages that an edit added or replaced, removed, or found present."""

    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    present: list[str] = field(default_factory=list)


def add_packages(
    text: str,
    changes: Changes,
    *,
    apt: Iterable[str] = (),
    pip: Iterable[str] = (),
    steps: str = "",
    date: str,
) -> str:
    """Return a Dockerfile with packages added by steps at its end; of a package that it installs
    already, only the version is changed, where it stands.

    Args:
        text: the Dockerfile.
        changes: records what was done.
        apt: Debian packages that passed the allow-list.
        pip: Python packages that passed the allow-list.
        steps: more steps that install packages, as images/brought writes them.
        date: today's, for the comment above the steps.

    Raises:
        DockerfileError: there is no place for a step.
    """
    new: dict[str, list[str]] = {APT.word: [], PIP.word: []}
    for kind, packages in ((APT, apt), (PIP, pip)):
        for package in packages:
            changed = _changed(text, package, kind, changes)
            if changed is None:
                changes.added.append(package)
                new[kind.word].append(package)
            else:
                text = changed
    more = {"apt": sorted(new[APT.word]), "pip": merged(new[PIP.word])}
    return append_packages(text, **more, steps=steps, date=date)


def _changed(text: str, package: str, kind: Kind, changes: Changes) -> str | None:
    """Return a Dockerfile with the version of a package changed; None if it does not install it."""
    for install in find_installs(text, kind):
        for word in install.packages:
            if kind.name(word.value) == kind.name(package):
                if package == word.value or _BARE.fullmatch(package):
                    changes.present.append(word.value)
                    return text
                changes.added.append(package)
                return text[: word.start] + quoted(package) + text[word.end :]
    return None


def remove_package(text: str, package: str, kind: Kind, changes: Changes) -> str:
    """Return a Dockerfile without a package (of any version) anywhere in its last stage; of a
    wheel that a step installs by its path, the COPY that only this step needs is removed, too.

    `changes` records it; nothing if the package is not found. Raises DockerfileError if it is the
    step's only package, and the step cannot be removed.
    """
    name = kind.name(package)
    while True:
        hit = next(
            (
                (install, word)
                for install in find_installs(text, kind)
                for word in (*install.packages, *install.others)
                if name and name == _name(word.value, kind)
            ),
            None,
        )
        if hit is None:
            return text
        path = hit[1].value
        if (copy := _copy_to(path, text)) and text.count(path) == 2:
            text = text[: copy.start] + text[copy.end :]
            continue  # below its comment there is the step now
        changes.removed.append(path)
        text = _without_word(text, *hit, kind)


def _name(word: str, kind: Kind) -> str:
    """Return the name of the package in a word, which may be the path of a wheel."""
    return (kind is PIP and name_of_wheel(word)) or kind.name(word)


def _copy_to(path: str, text: str) -> Instruction | None:
    """Return the COPY of the last stage that makes a file of a path."""
    found = (each for each in final_stage(instructions(text)) if each.keyword == "COPY")
    return next((each for each in found if each.body(text).split()[1:] == [path]), None)


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
    if has_account_block(text):
        return ""
    # A build labels its image with what the arguments mean, which differs between builds.
    is_open = any("$" in each.word for each in stages_of(text))
    return account_block(project, framework, "" if is_open else base_of(text))


def with_account_block(text: str, block: str) -> str:
    """Return a Dockerfile with a block added at its end, in the text's own line breaks."""
    if not block:
        return text
    break_ = line_break(text)
    if text and not text.endswith("\n"):
        text += break_
    return text + break_ + block.replace("\n", break_)


def framework_in(text: str) -> str:
    """Return the framework label that a Dockerfile's account block sets; empty without one."""
    match = re.search(rf'{re.escape(labels.IMAGE_FRAMEWORK)}="([^"$]*)"', text)
    return match[1] if match else ""


def renamed(text: str, project: str) -> str:
    """Return a project's Dockerfile for another project: its labels, and the comment at its top."""
    former = re.search(rf'{re.escape(labels.PROJECT)}="([^"$]*)"', text)
    if former is None:
        return text
    for label in (labels.PROJECT, "org.opencontainers.image.title"):
        text = text.replace(f'{label}="{former[1]}"', f'{label}="{project}"')
    for before, after in (
        ("# The image of the project ", ". This file"),
        ("# image-update ", ". Versions"),
    ):
        text = text.replace(f"{before}{former[1]}{after}", f"{before}{project}{after}", 1)
    return text


def _there(is_there: bool) -> str:
    return "is present" if is_there else "is missing"


def _without_word(text: str, install: Install, word: Word, kind: Kind) -> str:
    if len((*install.packages, *install.others)) == 1 and not install.reads_files:
        return _without_step(text, install, kind)
    if not _is_alone(text, word):
        return text[: word.start].rstrip(" \t") + text[word.end :]
    start, after = line_of(text, word.start)
    if is_continued(text[start:after]):
        return text[:start] + text[after:]
    # The last line of the step is removed, so the line before must no longer be continued.
    before, end = line_of(text, start - 1)
    while is_skipped(text[before:end]):
        before, end = line_of(text, before - 1)
    shortened = _LAST_CONTINUATION.sub("", text[before:end])
    changed = text[:before] + shortened + text[end:start] + text[after:]
    return changed if text.endswith("\n") else changed.rstrip("\r\n")


def _without_step(text: str, install: Install, kind: Kind) -> str:
    instruction = install.instruction
    commands = list(commands_of(step_words(text, instruction)))
    installing = [command for command in commands if kind.arguments(command) is not None]
    if len(installing) > 1 or not all(
        command in installing or _only_tidies(command) for command in commands
    ):
        only = (*install.packages, *install.others)[0]
        raise DockerfileError(
            f"{only.value} is the only package of the step in line {instruction.line} of the "
            "Dockerfile, and the step does more than install it. Nothing was changed.",
            "Remove it by hand: image-update PROJECT --edit",
        )
    start, end = _with_comment(text, instruction)
    return text[:start] + text[end:]


def _only_tidies(command: list[Word]) -> bool:
    """Whether a command is of no use to a step that installs nothing."""
    words = [word.value for word in command]
    if words[:2] == ["rm", "-rf"]:
        return all(path.startswith(_TIDIED) and ".." not in path for path in words[2:])
    return words == ["true"] or (
        words[:1] in (["apt-get"], ["apt"]) and words[1:2] in (["update"], ["clean"])
    )


def _with_comment(text: str, instruction: Instruction) -> tuple[int, int]:
    """Return the offsets of a step, and of the comment and the empty line that were added with it
    if it is the only step below that comment."""
    start, end = instruction.start, instruction.end
    above, below = _line_above(text, start), text[end : line_of(text, end)[1]]
    if above.strip() == "USER root" and _line_above(text, start - len(above)).startswith(ADDED):
        start -= len(above)
        above = _line_above(text, start)
    if above.startswith(ADDED) and below and not below.strip():
        return start - len(above), end + len(below)
    return instruction.start, instruction.end


def _line_above(text: str, offset: int) -> str:
    return text[line_of(text, offset - 1)[0] : offset]


def _is_alone(text: str, word: Word) -> bool:
    """Whether a word is alone on its line, except for a backslash."""
    start, after = line_of(text, word.start)
    rest = text[word.end : after].strip()
    return not text[start : word.start].strip() and rest in ("", "\\")
