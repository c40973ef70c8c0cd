"""image-list: the images of projects."""

from __future__ import annotations

from collections.abc import Mapping

from ..context import Context
from ..engine.interface import Container, Image
from ..engine.observations import Layer
from ..errors import MlcError
from ..host.account import refuse_root
from ..lean import dataclass, field
from ..names import labels
from ..names.labels import Claim, MalformedLabelsError, read_claim
from ..names.projects import BUILDING, LATEST, PREVIOUS, Project, projects_in
from ..units import in_utc
from .dockerfile.installs import APT, PIP, packages_in
from .project.files import ProjectFiles, projects_with_files, rebuild_command
from .versions.record import is_outdated, lock_in

ALL_PROJECTS = "ds01-*/*"


@dataclass(frozen=True)
class Details:
    """What `--detailed` adds: packages and path of the Dockerfile, labels, layers, and by name the
    versions that steps installed."""

    dockerfile: str | None
    pip: tuple[str, ...]
    apt: tuple[str, ...]
    labels: Mapping[str, str]
    layers: tuple[Layer, ...]
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ListedImage:
    """One image of a project, or a project whose Dockerfile has not been built yet: `id` and
    `created` are None then. `created` is RFC 3339 in UTC.

    `size` and `shared` are in bytes; `shared` is the part that other images use as well, None if
    the engine did not say. `problem` says what is wrong with its account and how to fix it, `note`
    that its Dockerfile was changed since.
    """

    project: str
    tag: str
    uid: int
    image: str
    id: str | None = None
    framework: str | None = None
    size: int | None = None
    shared: int | None = None
    created: str | None = None
    containers: tuple[str, ...] = ()
    account: str | None = None
    problem: str = ""
    note: str = ""
    details: Details | None = None

    @property
    def name(self) -> str:
        """The project, with the tag if it is not the one that containers are created from."""
        return self.project if self.tag == LATEST else f"{self.project}:{self.tag}"


@dataclass
class ImageUse:
    """The containers by the id of their image, and the bytes each image shares with others."""

    containers: dict[str, list[Container]] = field(default_factory=dict)
    shared: Mapping[str, int] = field(default_factory=dict)


def list_images(
    context: Context, *, all_users: bool = False, detailed: bool = False
) -> list[ListedImage]:
    """Return the images of the caller's projects, or of every user's, ordered by project.

    `detailed` adds packages, labels, Dockerfile path and layers. Raises MlcError for root, who has
    none, but may list every user's.
    """
    account = context.account
    if not all_users:
        refuse_root(account, "images")
    names = ALL_PROJECTS if all_users else f"ds01-{account.uid}/*"
    found = context.engine.find_images(names=(names,))
    use = image_use(context) if found else ImageUse()
    listed = [
        _listed(image, project, tag, use, context, detailed)
        for image in found
        for project, tag in projects_in(image.references)
        if (all_users or project.uid == account.uid) and not tag.startswith(BUILDING)
    ]
    there = {each.project for each in listed if each.uid == account.uid}
    for name in projects_with_files(account) - there:
        listed.append(_not_built(Project(account.uid, name), context, detailed))
    return sorted(listed, key=lambda each: (each.uid, each.project, each.tag != LATEST, each.tag))


def image_use(context: Context) -> ImageUse:
    """Ask the engine for the containers and the shared sizes of all images, once."""
    use = ImageUse()
    for container in context.engine.containers():
        use.containers.setdefault(container.image_id, []).append(container)
    try:
        use.shared = context.engine.shared_sizes()
    except MlcError as error:
        context.report.note(f"The shared sizes are unknown: {error}")
    return use


def _listed(
    image: Image, project: Project, tag: str, use: ImageUse, context: Context, detailed: bool
) -> ListedImage:
    account, problem = _account_in(image, project, tag, context)
    used_by = use.containers.get(image.id, [])
    return ListedImage(
        project=project.name,
        tag=tag,
        uid=project.uid,
        image=f"{project.repository}:{tag}",
        id=image.id,
        framework=image.labels.get(labels.IMAGE_FRAMEWORK) or None,
        size=context.engine.image_size(image),
        shared=use.shared.get(image.id),
        created=in_utc(image.labels.get(labels.CREATED) or image.created),
        containers=tuple(sorted(each.name for each in used_by)),
        account=account,
        problem=problem,
        note=_note(project, context) if tag == LATEST else "",
        details=_details(project, image, context) if detailed else None,
    )


def _note(project: Project, context: Context) -> str:
    if project.uid != context.account.uid:
        return ""
    try:
        is_older = is_outdated(ProjectFiles(context.account, project))
    except MlcError as error:
        return str(error)
    if not is_older:
        return ""
    return f"its lock is older than its Dockerfile; build it with: image-update {project.name}"


def _account_in(
    image: Image, project: Project, tag: str, context: Context
) -> tuple[str | None, str]:
    """Return the account that an image's labels claim, and why it would not work for its user."""
    own = project.uid == context.account.uid
    command = f"image-create {project.name} --force"
    rebuild = f"rebuild it with: {rebuild_command(project, context.account) if own else command}"
    if tag == PREVIOUS:
        rebuild = f"after image-update {project.name} --rollback, {rebuild}"
    try:
        claim: Claim | None = read_claim(image.labels)
    except MalformedLabelsError as error:
        return None, f"its labels are invalid ({error}); {rebuild}"
    if claim is None:
        return None, f"it contains no account; {rebuild}"
    words = f"{claim.username} {claim.uid}:{claim.gid}"
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
    versions: dict[str, str] = {}
    if project.uid == context.account.uid:
        files = ProjectFiles(context.account, project)
        try:
            if image is not None and (lock := lock_in(image, files)) is not None:
                versions = {each.name: each.version for each in lock.packages}
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
    labels_of = dict(image.labels) if image else {}
    return Details(path, pip, apt, labels_of, tuple(layers), versions)


def _not_built(project: Project, context: Context, detailed: bool) -> ListedImage:
    return ListedImage(
        project=project.name,
        tag=LATEST,
        uid=project.uid,
        image=project.image,
        problem=f"it is not built; build it with: image-update {project.name}",
        details=_details(project, None, context) if detailed else None,
    )
