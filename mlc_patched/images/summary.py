"""Say before a build what it is built on, and which of its steps run."""

from __future__ import annotations

from ..context import Context
from ..lean import dataclass
from ..names.projects import Project
from ..units import size_in_words
from .dockerfile.append import account_block_start
from .dockerfile.installs import APT, PIP, find_installs
from .dockerfile.syntax import base_of, final_stage, instructions
from .project.files import ProjectFiles
from .versions.record import read_lock

_STEPS = ("RUN", "COPY", "ADD")
_LONGEST = 70


@dataclass(frozen=True)
class Step:
    """A step of a Dockerfile: what it does, and whether the last build did the same."""

    text: str
    is_cached: bool


@dataclass(frozen=True)
class Summary:
    """A build: its base in words, and its steps before the account block."""

    base: str
    steps: tuple[Step, ...]

    def lines(self) -> list[str]:
        """Return it as lines of text."""
        found = [f"{'Base:':<8}{self.base}"] if self.base else []
        for step in self.steps:
            found.append(f"{'cached' if step.is_cached else 'runs':<8}{step.text}")
        return found


def summary_of(
    text: str, project: Project, context: Context, *, is_fresh: bool = False, pull: bool = False
) -> Summary:
    """Return the summary of a build; with `is_fresh`, no step comes from the cache."""
    lock = read_lock(ProjectFiles(context.account, project))
    reference = base_of(text)
    is_built = context.engine.image(project.image) is not None
    former = _steps(lock.dockerfile) if lock and is_built and not is_fresh and not pull else []
    steps, same = [], True
    for number, (step, words) in enumerate(_steps(text)):
        same = same and number < len(former) and former[number][0] == step
        steps.append(Step(words, same))
    return Summary(_base(reference, context, pull=pull) if reference else "", tuple(steps))


def _base(reference: str, context: Context, *, pull: bool) -> str:
    image = context.engine.image(reference)
    if image is None or pull:
        return f"{reference}, to be pulled"
    digest = next(iter(image.digests), image.id).rpartition("sha256:")[2][:12]
    size = size_in_words(context.engine.image_size(image))
    return f"{reference} ({digest}), on this engine, {size}"


def _steps(text: str) -> list[tuple[str, str]]:
    """Return the steps of the last stage before the account block: their text, and in words."""
    stage = final_stage(instructions(text))
    end = account_block_start(text, stage)
    packages: dict[int, list[str]] = {}
    for kind in (APT, PIP):
        for install in find_installs(text, kind):
            names = packages.setdefault(install.instruction.start, [])
            names += [word.value for word in install.packages]
    found = []
    for each in stage:
        if each.keyword in _STEPS and (end is None or each.start < end):
            step = text[each.start : each.end].strip()
            names = packages.get(each.start, [])
            words = f"install {' '.join(names)}" if names else " ".join(step.split())
            found.append((step, words if len(words) <= _LONGEST else f"{words[:_LONGEST]}…"))
    return found
