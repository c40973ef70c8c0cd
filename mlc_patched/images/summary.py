"""Say before a build what it is built on, and which of its steps run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum

from ..context import Context
from ..engine.interface import Image
from ..lean import dataclass
from ..names.projects import Project
from ..units import size_in_words
from .base import base_here, is_same, short_digest
from .build.derive import upgrade_marks
from .build.environment import Builder
from .build.named_base import arguments_of, named_base
from .build.request import FROM_FLAG, has_own_arguments, is_own_argument
from .dockerfile.append import account_block_start
from .dockerfile.installs import APT, PIP, find_installs
from .dockerfile.stages import Arguments, stages_of
from .dockerfile.syntax import Instruction, final_stage, instructions
from .project.files import ProjectFiles
from .versions.lockfile import Lock, LockedBase
from .versions.pins import NO_UPGRADE, Upgrade, pins_of
from .versions.record import read_lock

_STEPS = ("RUN", "COPY", "ADD")
_LONGEST = 70
_MAYBE_MEANS = "maybe: runs if the base, a copied file or a build argument has changed"
_MOUNTED = re.compile(r"--mount=\S*(?:type=bind|from=)")


class State(IntEnum):
    """Whether a step comes from the cache; each is in the state of the step before it, or a higher
    one."""

    CACHED = 0
    MAYBE = 1
    RUNS = 2


@dataclass(frozen=True)
class Step:
    """A step of a Dockerfile: what it does, and whether it comes from the cache."""

    text: str
    state: State


@dataclass(frozen=True)
class Summary:
    """A build: its base in words, and its steps before the account block."""

    base: str
    steps: tuple[Step, ...]

    def lines(self) -> list[str]:
        """Return it as lines of text."""
        found = [f"{'Base:':<8}{self.base}"] if self.base else []
        found += [f"{each.state.name.lower():<8}{each.text}" for each in self.steps]
        if any(each.state is State.MAYBE for each in self.steps):
            found.append(_MAYBE_MEANS)
        return found


def summary_of(
    text: str,
    project: Project,
    context: Context,
    *,
    last: LockedBase | None,
    is_fresh: bool = False,
    pull: bool = False,
    upgrade: Upgrade = NO_UPGRADE,
    words: Sequence[str] = (),
) -> Summary:
    """Return the summary of a build.

    Raises MlcError if its base cannot be used, as far as its name says so.

    Args:
        text: the Dockerfile.
        project: the project.
        context: the engine and the account.
        last: the base that the build keeps, even if its name means another image by now.
        is_fresh: no step comes from the cache.
        pull: the base is yet to be pulled.
        upgrade: what to move.
        words: the build arguments, each `NAME=VALUE`.
    """
    reference = named_base(text, words, context)
    last = last if last and last.reference == reference and not pull else None
    image = base_here(reference, context, last) if reference and not pull else None
    base = _base(reference, image, last, context) if reference else ""
    lock = read_lock(ProjectFiles(context.account, project))
    if lock is None or is_fresh or context.engine.image(project.image) is None:
        states = [State.RUNS] * len(instructions(text))
    else:
        is_kept = is_same(image, lock.base) if image else last == lock.base or not reference
        of_base = State.CACHED if is_kept else State.RUNS
        if pull and reference == lock.base.reference:
            of_base = State.MAYBE
        states = _states(text, lock, upgrade, of_base, arguments_of(text, words, context))
    return Summary(base, tuple(_steps(text, states)))


def _base(reference: str, image: Image | None, last: LockedBase | None, context: Context) -> str:
    if image is None:
        return f"{reference}{f' ({short_digest(last.digest)})' if last else ''}, to be pulled"
    digest = short_digest(next(iter(image.digests), image.id))
    size = size_in_words(context.engine.image_size(image))
    return f"{reference} ({digest}), on this engine, {size}"


def _states(
    text: str, lock: Lock, upgrade: Upgrade, of_base: State, arguments: Arguments
) -> list[State]:
    """Return the states of the instructions of the last stage, after the build of a lock."""
    stage, former = (final_stage(instructions(each)) for each in (text, lock.dockerfile))
    if not _may_be_cached(text, lock, upgrade):
        return [State.RUNS] * len(stage)
    marks = upgrade.marks(lock, text, "now") if upgrade else lock.upgraded
    now, before = _texts(text, marks), _texts(lock.dockerfile, lock.upgraded)
    is_alike = now[: -len(stage)] == before[: -len(former)]
    of_earlier = State.MAYBE if is_alike else State.RUNS
    state = of_base if stages_of(text, arguments)[-1].is_from_image else max(of_base, of_earlier)
    before = before[-len(former) :]
    states = []
    for number, (each, words) in enumerate(zip(stage, now[-len(stage) :], strict=True)):
        is_same_step = before[number : number + 1] == [words]
        state = max(state, _alone(each, text, of_earlier) if is_same_step else State.RUNS)
        states.append(state)
    return states


def _may_be_cached(text: str, lock: Lock, upgrade: Upgrade) -> bool:
    """Whether the builder of the last build uses its cache, and for the steps after FROM, too."""
    if lock.builder == Builder.PODMAN.name:
        return not has_own_arguments(text)
    if lock.builder != Builder.CLASSIC.name:
        return True
    pins = pins_of(
        *(lock, text, upgrade, lock.of_base), builder=lock.builder, keeps_pinned=True, now="now"
    )
    return pins.constraints == lock.pinned  # it copies them right after FROM


def _texts(text: str, marks: Mapping[str, str]) -> list[str]:
    """Return the instructions of a Dockerfile, with what a build inserts before them."""
    inserted = upgrade_marks(text, marks)
    return [
        "".join((*inserted.get(each.line, ()), text[each.start : each.end].strip()))
        for each in instructions(text)
    ]


def _alone(instruction: Instruction, text: str, of_earlier: State) -> State:
    """Return the state of an instruction that has not changed, as far as it depends on others than
    those before it in its stage."""
    keyword, body = instruction.keyword, instruction.body(text)
    copies = keyword in ("COPY", "ADD") and not instruction.heredoc
    if copies or (keyword == "RUN" and _MOUNTED.search(body)):
        return of_earlier if FROM_FLAG.search(body) else State.MAYBE
    is_open = is_own_argument(instruction, text) or (keyword == "FROM" and "$" in body)
    return State.MAYBE if is_open else State.CACHED


def _steps(text: str, states: Sequence[State]) -> Iterator[Step]:
    """Return the steps of the last stage before the account block."""
    stage = final_stage(instructions(text))
    end = account_block_start(text, stage)
    packages: dict[int, list[str]] = {}
    for kind in (APT, PIP):
        for install in find_installs(text, kind):
            names = packages.setdefault(install.instruction.start, [])
            names += [word.value for word in install.packages]
    for each, state in zip(stage, states, strict=False):
        if each.keyword in _STEPS and (end is None or each.start < end):
            names = packages.get(each.start, [])
            step = f"install {' '.join(names)}" if names else text[each.start : each.end]
            words = " ".join(step.split())
            yield Step(words if len(words) <= _LONGEST else f"{words[:_LONGEST]}…", state)
