"""A build of a project: what is asked for, and how it fails."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ...errors import EngineError, MlcError
from ...host.account import Account
from ...host.files import read_text
from ...lean import dataclass, field
from ...units import utc_time
from ..base import Base
from ..dockerfile import render as dockerfile
from ..dockerfile.syntax import Instruction, instructions
from ..project.files import ProjectFiles
from ..versions.collect import Sources
from ..versions.copied import copied_requirements
from ..versions.lockfile import Lock
from ..versions.pins import NO_UPGRADE, Upgrade

_LARGEST_REQUIREMENTS = 8 * 1024**2
_PLAIN_FILE = re.compile(r"(?!\.?/?$)[\w.+!/-]+")
FROM_FLAG = re.compile(r"\s--from=|,from=")
"""Of an instruction that takes files from another stage or image."""


class BuildError(EngineError):
    """A build failed; the message begins with the cause, and has the end of the output.

    `log` is the output, `line` that of the Dockerfile's failed step, if it is known, and
    `dockerfile` what was built.
    """

    def __init__(
        self,
        message: str,
        *,
        why: str = "",
        log: Sequence[str] = (),
        line: int | None = None,
        dockerfile: str = "",
    ) -> None:
        super().__init__(message)
        self.why, self.log, self.line, self.dockerfile = why, log, line, dockerfile

    def restate(self, why: str) -> None:
        """Name another cause."""
        self.message = self.message.replace(self.why, why, 1)
        self.why = why


@dataclass(frozen=True)
class BuildRequest:
    """A build of a project: the text of its Dockerfile, its base, the lock of the last build, what
    to upgrade, and where packages can be had, as far as it is known."""

    files: ProjectFiles
    dockerfile: str
    no_cache: bool = False
    base: Base | None = None
    lock: Lock | None = None
    upgrade: Upgrade = NO_UPGRADE
    sources: Sources = field(default_factory=dict)
    arguments: tuple[str, ...] = ()

    @property
    def inherited_labels(self) -> Mapping[str, str]:
        """The labels that the image inherits."""
        return self.base.image.labels if self.base else {}

    @property
    def triggers(self) -> tuple[str, ...]:
        """The ONBUILD instructions of the base, which run after FROM."""
        return self.base.image.triggers if self.base else ()


def account_arguments(account: Account, now: float | None = None) -> tuple[str, ...]:
    """Return the build arguments that name the account, and the time of the build."""
    return (
        f"{dockerfile.USER_ID_ARGUMENT}={account.uid}",
        f"{dockerfile.GROUP_ID_ARGUMENT}={account.gid}",
        f"{dockerfile.USERNAME_ARGUMENT}={account.container_name}",
        f"{dockerfile.CREATED_ARGUMENT}={utc_time(now)}",
    )


def has_own_arguments(text: str) -> bool:
    """Whether a Dockerfile has build arguments besides those of `account_arguments`."""
    return any(is_own_argument(each, text) for each in instructions(text))


def is_own_argument(instruction: Instruction, text: str) -> bool:
    """Whether an instruction names such a build argument."""
    ours = set(dockerfile.ACCOUNT_ARGUMENTS)
    return instruction.keyword == "ARG" and not ours.issuperset(instruction.body(text).split())


def needs_build_context(text: str) -> bool:
    """Whether a Dockerfile takes files from its build context."""
    return any(_takes_files(each, text) for each in instructions(text))


def trigger_takes_files(triggers: Iterable[str]) -> bool:
    """Whether one of a base's ONBUILD instructions takes files from the build context."""
    words = ((each, each.split(None, 1)[0].upper()) for each in triggers if each.strip())
    return any(_takes_files(Instruction(word, 0, len(text), 1, 1), text) for text, word in words)


def copied_files(text: str) -> Iterator[str]:
    """Yield what a Dockerfile copies from its build context, except patterns and the context as a
    whole."""
    for each in instructions(text):
        if each.keyword in ("COPY", "ADD") and _takes_files(each, text):
            words = each.body(text).replace("\\\n", " ").split()
            names = [word for word in words if not word.startswith("--")][:-1]
            yield from (name for name in names if _PLAIN_FILE.fullmatch(name))


def _takes_files(instruction: Instruction, text: str) -> bool:
    body = instruction.body(text)
    if instruction.keyword == "RUN":
        return "--mount=type=bind" in body and not FROM_FLAG.search(body)
    return (
        instruction.keyword in ("COPY", "ADD")
        and not instruction.heredoc
        and not FROM_FLAG.search(body)
    )


def build_context(request: BuildRequest) -> str | None:
    """Return the build context; None if no step takes files from it."""
    if not needs_build_context(request.dockerfile) and not trigger_takes_files(request.triggers):
        return None
    return request.files.build_context(request.dockerfile)


def requirements_beside(text: str, directory: str, account: Account) -> tuple[str, ...]:
    """Return the requirements in the files that a Dockerfile copies from its build context."""

    def read(path: str) -> str | None:
        try:
            return read_text(f"{directory}/{path}", "file", account, largest=_LARGEST_REQUIREMENTS)
        except MlcError:
            return None

    return copied_requirements(text, read)
