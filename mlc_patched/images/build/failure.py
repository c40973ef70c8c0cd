"""Find the failed line of a Dockerfile, and why it failed, in a builder's output. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ...urls import without_logins
from ..dockerfile.stages import stages_of
from ..dockerfile.syntax import Instruction, instructions
from .cause import cause_of, is_without_a_package, is_without_uv
from .derive import DerivedDockerfile

_CLASSIC_STEP = re.compile(r"^Step (\d+)/\d+ : ")
_PODMAN_STEP = re.compile(r"^(?:\[(\d+)/\d+\] )?STEP (\d+)/\d+: ")
_PODMAN_FAILED = re.compile(r"^(?:Error: )?building at STEP \".*\": ")
_LATER_LINE = re.compile(r"^\S*Dockerfile\S*:(\d+)$")
_PARSED_LINE = re.compile(r"dockerfile parse error (?:on )?line (\d+): ")
_FAILED_STEP = re.compile(r"^ > \[(?:(\S+) )?\s*(\d+)/\d+\] ")
_FAILED_VERTEX = re.compile(r"^(#\d+) ERROR")
_STEPS = ("RUN", "COPY", "ADD", "WORKDIR")
"""What BuildKit counts as steps of a stage, besides its FROM."""
SHOWN_LINES = 15
_NOISE = re.compile(
    r"^(\s*=> |\[\+\] Building |#\d+ sha256:|#\d+ \[| > \[|#\d+ DONE"
    r"|(#\d+ ERROR: )?executor failed running |Removing intermediate container "
    r"|\s*--->|--> |-+$|\s*$|Step \d+/"
    r"|DEPRECATED: |\s+BuildKit is currently disabled|\s+environment-variable\.|\s+Install the "
    r"|\s+https://docs\.docker\.com/go/buildx|Sending build context to )"
)
_HEADING = re.compile(r"#\d+ (?:\[(?!internal)|sha256:)| > \[")
_OWN_PREFIX = re.compile(r"^(?:#\d+ (?:\d+\.\d+ )?|\d+\.\d{1,3} )")
_COMMAND = re.compile(
    r"(?<=executor failed running) \[.*\](?=: )|(?<=process) \".*\"(?= did not)"
    r"|(?<=^The command) '.*'(?= returned)|(?<=building at STEP) \".*?\"(?=: )"
)
"""A failed step's command in the builder's message: its words are not its output."""


def cause(log: Sequence[str], step: str = "") -> str:
    """Return why a build failed, in one or two sentences; empty if it is not recognised. `step` is
    the failed instruction, if the builder named it."""
    return cause_of(_printed(log), step)


def lacks_uv(log: Sequence[str]) -> bool:
    """Whether a build failed because pip's package index has no uv, or not this version of it."""
    return is_without_uv(_printed(log))


def lacks_a_package(log: Sequence[str]) -> bool:
    """Whether a build failed because pip's package index gave nothing for the name of a package."""
    return is_without_a_package(_printed(log))


def failing_line(log: Sequence[str], derived: DerivedDockerfile) -> int | None:
    """Return the line of the user's Dockerfile at which a build failed, counting from 1.

    None if the builder did not say, or if the step was not in the user's Dockerfile.
    """
    line = _line_in_derived(log, derived.text)
    if line is None or not 0 < line <= len(derived.lines):
        return None
    return derived.lines[line - 1] or None


def last_words(log: Sequence[str]) -> list[str]:
    """Return the lines of a log that say why a build failed, without routine output."""
    step = _of_failed_step(log)
    kept = [_OWN_PREFIX.sub("", line) for line in step if not _NOISE.match(line)]
    kept = [without_logins(line, "****@") for line in kept or log[-1:] if line]
    return [line if len(line) <= 300 else f"{line[:299]}…" for line in kept[-SHOWN_LINES:]]


def _printed(log: Sequence[str]) -> list[str]:
    """Return what the failed step and the builder printed."""
    step = [line for line in _of_failed_step(log) if not _HEADING.match(line)]
    return [_COMMAND.sub("", _OWN_PREFIX.sub("", line)) for line in step]


def _of_failed_step(log: Sequence[str]) -> Sequence[str]:
    """Return the failed step's own output if it can be identified, else the whole log."""
    for number in range(len(log) - 1, -1, -1):
        if _CLASSIC_STEP.match(log[number]):
            return log[number + 1 :]
        if _PODMAN_STEP.match(log[number]):
            return [_PODMAN_FAILED.sub("", line) for line in log[number + 1 :]]
        if match := _FAILED_VERTEX.match(log[number]):
            return [line for line in log if line.startswith(f"{match[1]} ")]
    shown = [number for number, line in enumerate(log) if _FAILED_STEP.match(line)]
    return log[shown[-1] + 1 :] if shown else log


def _line_in_derived(log: Sequence[str], text: str) -> int | None:
    found = instructions(text)
    for line in reversed(log):
        if match := _LATER_LINE.match(line) or _PARSED_LINE.search(line):
            return int(match[1])
        if match := _FAILED_STEP.match(line):
            return _step_of_stage(text, match[1], int(match[2]))
        if (match := _CLASSIC_STEP.match(line)) and int(match[1]) <= len(found):
            return found[int(match[1]) - 1].line
        if match := _PODMAN_STEP.match(line):
            return _instruction_of_stage(found, int(match[1] or 1), int(match[2]))
    return None


def _instruction_of_stage(found: Sequence[Instruction], stage: int, number: int) -> int | None:
    """Return the line of an instruction, as Podman counts them: all those of a stage."""
    starts = [n for n, each in enumerate(found) if each.keyword == "FROM"]
    if stage > len(starts):
        return None
    after = [*starts[stage:], len(found)][0]
    position = starts[stage - 1] + number - 1
    return found[position].line if position < after else None


def _step_of_stage(text: str, name: str | None, number: int) -> int | None:
    """Return the line of a step, as BuildKit counts them: FROM is one if it names an image."""
    stages = stages_of(text)
    steps: list[list[Instruction]] = []
    for each in instructions(text):
        if each.keyword == "FROM":
            steps.append([each] if stages[len(steps)].is_from_image else [])
        elif steps and each.keyword in _STEPS:
            steps[-1].append(each)
    names = [stage.name or f"stage-{at}" for at, stage in enumerate(stages)]
    if name and name not in names:
        return None
    stage = steps[names.index(name) if name else -1]
    return stage[number - 1].line if number <= len(stage) else None
