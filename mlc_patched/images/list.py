"""image-list: a user's images, and committed images that were left behind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..context import Context
from ..engine.interface import Container, Image, Layer
from ..errors import MlcError
from ..maintenance.leftovers import left_account_images
from ..names import labels
from ..names.images import SEPARATOR, account_image_of, committed_uid, parse_reference
from ..names.labels import Claim, MalformedLabelsError, read_claim
from ..names.projects import BUILDING, LATEST, Project, project_of_repository
from .dockerfile.installs import APT, PIP, packages_in
from .project.files import ProjectFiles, projects_with_files

NOT_BUILT = "not built"
ALL_PROJECTS = "ds01-*/*"


@dataclass(frozen=True)
class Details:
    """What `--detailed` adds: packages and path of the Dockerfile, labels, layers."""

    dockerfile: str | None
    pip: tuple[str, ...]
    apt: tuple[str, ...]
    labels: Mapping[str, str]
    layers: tuple[Layer, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the details for `--json`."""
        return {**vars(self), "layers": [dict(vars(layer)) for layer in self.layers]}


@dataclass(frozen=True)
class ListedImage:
    """One image of a project, or a project whose Dockerfile has not been built yet.

    `size` and `shared` are in bytes; `shared` is what other images hold as well, None where
    the engine did not tell. `problem` says what is wrong with its account and how to mend it.
    """

    project: str
    tag: str
    uid: int
    image: str
    id: str | None
    framework: str
    size: int | None
    shared: int | None
    created: str
    containers: tuple[str, ...]
    account: str
    problem: str = ""
    details: Details | None = None

    @property
    def name(self) -> str:
        """The project, with the tag where it is not the one containers are made from."""
        return self.project if self.tag == LATEST else f"{self.project}:{self.tag}"

    def as_json(self) -> dict[str, Any]:
        """Return the image for `--json`."""
        return {**vars(self), "details": self.details.as_json() if self.details else None}


@dataclass(frozen=True)
class Orphan:
    """A committed image that no container uses, or one of `old_flow = build` whose base has
    moved on. `container` is whom it was committed for, empty for the latter; `reclaimed` is
    what its removal gives back."""

    image: str
    id: str
    container: str
    uid: int | None
    user: str
    size: int
    reclaimed: int
    created: str

    def as_json(self) -> dict[str, Any]:
        """Return the image for `--json`."""
        return dict(vars(self))


@dataclass
class _Sight:
    """What the engine has, asked for once: containers by image id, and shared sizes."""

    containers: dict[str, list[Container]] = field(default_factory=dict)
    shared: Mapping[str, int] = field(default_factory=dict)


def list_images(
    context: Context, *, all_users: bool = False, detailed: bool = False
) -> list[ListedImage]:
    """Return the images of projects, ordered by project.

    Args:
        context: who calls, and the engine.
        all_users: those of every user, not the caller's alone.
        detailed: with packages, labels, Dockerfile path and layers.

    Raises:
        EngineError: the engine did not answer.
    """
    account = context.account
    names = ALL_PROJECTS if all_users else f"ds01-{account.uid}/*"
    found = context.engine.find_images(names=(names,))
    sight = _look(context) if found else _Sight()
    listed = [
        _listed(image, project, tag, sight, context, detailed)
        for image in found
        for project, tag in _projects(image.references)
        if (all_users or project.uid == account.uid) and not tag.startswith(BUILDING)
    ]
    there = {each.project for each in listed if each.uid == account.uid}
    for name in projects_with_files(account) - there:
        listed.append(_not_built(Project(account.uid, name), context, detailed))
    return sorted(listed, key=lambda each: (each.uid, each.project, each.tag != LATEST, each.tag))


def list_orphans(context: Context) -> list[Orphan]:
    """Return the committed images `*:*._.*` that no container uses, and what `old_flow = build`
    made of bases that have moved on, whoever made them.

    Raises:
        EngineError: the engine did not answer.
    """
    images = context.engine.find_images()
    found: list[tuple[Image, str, int | None]] = [
        (image, reference, committed_uid(reference))
        for image in images
        for reference in image.references
        if SEPARATOR in (parse_reference(reference).tag or "")
    ]
    found += left_account_images(images, ())
    if not found:
        return []
    sight = _look(context)
    orphans = [
        _orphan(image, reference, uid, sight)
        for image, reference, uid in found
        if image.id not in sight.containers
    ]
    return sorted(orphans, key=lambda each: (each.user, each.image))


def _look(context: Context) -> _Sight:
    sight = _Sight()
    for container in context.engine.containers():
        sight.containers.setdefault(container.image_id, []).append(container)
    try:
        sight.shared = context.engine.shared_sizes()
    except MlcError as error:
        context.report.note(f"How much of the sizes is shared could not be found out: {error}")
    return sight


def _projects(references: Iterable[str]) -> Iterable[tuple[Project, str]]:
    for reference in references:
        name = parse_reference(reference)
        project = project_of_repository(name.repository)
        if project is not None:
            yield project, name.tag or LATEST


def _listed(
    image: Image, project: Project, tag: str, sight: _Sight, context: Context, detailed: bool
) -> ListedImage:
    account, problem = _account_in(image, project, context)
    used_by = sight.containers.get(image.id, [])
    return ListedImage(
        project=project.name,
        tag=tag,
        uid=project.uid,
        image=f"{project.repository}:{tag}",
        id=image.id,
        framework=image.labels.get(labels.IMAGE_FRAMEWORK) or labels.NOT_GIVEN,
        size=image.size,
        shared=sight.shared.get(image.id),
        created=image.labels.get(labels.CREATED) or image.created,
        containers=tuple(sorted(each.name for each in used_by)),
        account=account,
        problem=problem,
        details=_details(project, image, context) if detailed else None,
    )


def _account_in(image: Image, project: Project, context: Context) -> tuple[str, str]:
    """Return the account an image's labels claim, and what is wrong with it for its user."""
    rebuild = f"rebuild it with: image-create {project.name} --force"
    try:
        claim: Claim | None = read_claim(image.labels)
    except MalformedLabelsError as error:
        return labels.NOT_GIVEN, f"its labels are not right ({error}); {rebuild}"
    if claim is None:
        return labels.NOT_GIVEN, f"it holds no account; {rebuild}"
    words = f"{claim.username} {claim.uid}:{claim.gid}"
    own = project.uid == context.account.uid
    expected = context.account.uid if own else project.uid
    if claim.uid != expected:
        whose = "yours is" if own else "its user's is"
        return words, f"its UID is {claim.uid}, {whose} {expected}; {rebuild}"
    if own and claim.gid != context.account.gid:
        return words, f"its GID is {claim.gid}, yours is {context.account.gid}; {rebuild}"
    return words, ""


def _details(project: Project, image: Image | None, context: Context) -> Details:
    path: str | None = None
    pip: tuple[str, ...] = ()
    apt: tuple[str, ...] = ()
    if project.uid == context.account.uid:
        files = ProjectFiles(context.account, project)
        try:
            text = files.read_dockerfile()
            if text is not None:
                path, pip, apt = (
                    files.dockerfile_path,
                    packages_in(text, PIP),
                    packages_in(text, APT),
                )
        except MlcError as error:
            context.report.note(f"{project.name}: {error}")
    layers = context.engine.history(image.id) if image else []
    return Details(path, pip, apt, dict(image.labels) if image else {}, tuple(layers))


def _not_built(project: Project, context: Context, detailed: bool) -> ListedImage:
    return ListedImage(
        project=project.name,
        tag=LATEST,
        uid=project.uid,
        image=project.image,
        id=None,
        framework=labels.NOT_GIVEN,
        size=None,
        shared=None,
        created=NOT_BUILT,
        containers=(),
        account=labels.NOT_GIVEN,
        problem=f"it is not built; build it with: image-update {project.name}",
        details=_details(project, None, context) if detailed else None,
    )


def _orphan(image: Image, reference: str, uid: int | None, sight: _Sight) -> Orphan:
    return Orphan(
        image=reference,
        id=image.id,
        container="" if account_image_of(reference) else parse_reference(reference).tag or "",
        uid=uid,
        user=image.labels.get(labels.USERNAME) or (str(uid) if uid is not None else "?"),
        size=image.size,
        reclaimed=max(image.size - sight.shared.get(image.id, 0), 0),
        created=image.created,
    )
