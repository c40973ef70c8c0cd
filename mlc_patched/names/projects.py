"""Names of projects, their images and files (docs/contracts.md, "Images and projects")."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ..errors import UsageError, shown
from ..host.account import Account, refuse_root
from ..lean import dataclass
from .images import Reference, check_tag, committed_uid, parse_reference

LATEST = "latest"
PREVIOUS = "previous"
BUILDING = "mlc-build-"
"""Prefix of the tag of an image that is being built and has not been verified yet."""
_LONGEST = 128
_NAME = r"[a-z0-9]+(?:[._-][a-z0-9]+)*"
_REPOSITORY = re.compile(rf"ds01-(0|[1-9][0-9]{{0,9}})/({_NAME})")


@dataclass(frozen=True)
class Project:
    """A user's project: one image, one Dockerfile, one record of metadata."""

    uid: int
    name: str

    @property
    def repository(self) -> str:
        """The repository of the project's images (design document, "Image Naming Convention")."""
        return f"ds01-{self.uid}/{self.name}"

    @property
    def image(self) -> str:
        """The image that containers are created from."""
        return f"{self.repository}:{LATEST}"

    @property
    def previous(self) -> str:
        """The image before the last update."""
        return f"{self.repository}:{PREVIOUS}"

    @property
    def dockerfile(self) -> str:
        """Name of its Dockerfile in ~/dockerfiles (design document, "User Files")."""
        return f"{self.name}.Dockerfile"


def check_project(name: str) -> str:
    """Return a valid name of a project, or raise UsageError, which proposes a similar one."""
    if re.fullmatch(_NAME, name) and len(name) <= _LONGEST:
        return name
    proposed = _part_of_image(name) or proposed_name(name)
    proposal = f" How about {proposed!r}?" if proposed else ""
    raise UsageError(
        f"{shown(name)} is not a valid project name: use lower-case letters and digits, "
        f"separated by single '.', '_' or '-', at most {_LONGEST} characters.{proposal}"
    )


def proposed_name(name: str) -> str:
    """Return a valid project name similar to a given one; empty if no character is usable."""
    plain = re.sub(r"[^a-z0-9._-]+", "-", name.lower())
    single = re.sub(r"[._-]*([._-])[._-]*", r"\1", plain)
    return single.strip("._-")[:_LONGEST].rstrip("._-")


def _part_of_image(reference: str) -> str:
    """Return the project in `ds01-UID/PROJECT:TAG` or a part of it; empty if it is not valid."""
    match = re.fullmatch(rf"(?:ds01-\d+/)?({_NAME})(?::.*)?", reference)
    return match[1] if match and len(match[1]) <= _LONGEST else ""


def project_of_repository(repository: str) -> Project | None:
    """Return the project that a repository belongs to, or None."""
    match = _REPOSITORY.fullmatch(repository)
    return Project(int(match[1]), match[2]) if match else None


def projects_in(references: Iterable[str]) -> Iterator[tuple[Project, str]]:
    """Yield the project and the tag of each of these names that is a project's image.

    What the legacy flow committed for a container is not: it may even be another user's.
    """
    for reference in references:
        name = parse_reference(reference)
        project = project_of_repository(name.repository)
        if project and committed_uid(reference) is None:
            yield project, name.tag or LATEST


def is_own_project(reference: Reference, account: Account) -> bool:
    """Whether an image is named as one of the user's own projects: `ds01-UID/PROJECT`."""
    project = project_of_repository(reference.repository)
    return project is not None and project.uid == account.uid


def project_of(name: str, account: Account) -> Project:
    """Return the user's project of this name; raises UsageError if the name is not valid, and
    MlcError for root."""
    refuse_root(account, "images")
    return Project(account.uid, check_project(name))


def image_of(word: str, account: Account) -> tuple[Project, str | None]:
    """Parse `PROJECT` or `PROJECT:TAG`; the tag is None if there is none. Errors as `project_of`.

    An empty tag is an error: probably a variable was not set, and the whole project is not meant.
    """
    name, colon, tag = word.partition(":")
    project = project_of(name, account)
    if not colon:
        return project, None
    return project, check_tag(
        tag, f"For instance: {project.name}:{LATEST}, or {project.name} alone."
    )
