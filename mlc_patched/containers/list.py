"""list and container-list: the containers of a user or of all users, with those on a cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..context import Context
from ..engine.interface import Container
from ..errors import ConflictError, NotFoundError
from ..host.account import refuse_root
from ..lean import TYPE_CHECKING, dataclass
from ..names import labels
from ..names.containers import SEPARATOR, short_name
from ..names.images import parse_reference
from ..names.projects import BUILDING, LATEST, PREVIOUS
from ..units import in_utc, rfc_3339

if TYPE_CHECKING:
    from typing import Any

    from ..cluster.state import ServiceState
    from ..engine.cluster import Service
    from .jobs import Job

_DIGEST_SHOWN = len("sha256:") + 12
_FEW, _AT_ONCE = 4, 16
"""From how many containers on threads are worth their import, and how many of them."""


@dataclass(frozen=True)
class Listed:
    """A container as `mlc list` shows it; None is what is not given or not known. `size` is the
    bytes it has written; `job` is its last job in the background that runs, else its last one.
    `ran_at_shutdown` says that it ended when its server went down."""

    name: str
    tag: str
    user: str
    framework: str | None
    status: str
    state: str
    architecture: str | None
    workspace: str | None
    data: str | None
    models: str | None
    gpus: str | None
    size: int | None
    job: Job | None
    ran_at_shutdown: bool


@dataclass(frozen=True)
class ListedContainer(Listed):
    """A container or cluster service as `container-list` shows it. `is_outdated` says that its
    image's name now means a newer image; `created` is RFC 3339 in UTC. `node` is where the cluster
    runs it, and `ahead` how many services wait for a GPU before it, None if it is not waiting.
    `devices` are the UUIDs or IDs of its GPUs, or `all`; empty in a cluster."""

    project: str | None
    image: str
    is_outdated: bool
    created: str | None
    id: str
    image_id: str
    node: str | None
    ahead: int | None
    devices: tuple[str, ...]


def list_containers(
    *, all_users: bool = False, sizes: bool = False, context: Context | None = None
) -> list[Listed]:
    """Return the caller's containers, or every user's, newest first, in two engine calls however
    many there are, and a few more for each of the caller's that runs.

    `sizes` measures how much each container has written, which is slow. Raises EngineError if the
    engine does not answer.
    """
    context = context or Context()
    found = context.containers(all_users=all_users, sizes=sizes)
    # An image saved from a container has its labels with empty values; so do its containers.
    found = [each for each in found if each.labels[labels.OWNER]]
    jobs, interrupted = shown_jobs(found, context), _interrupted(found, context)
    return [
        Listed(
            **_labelled(each.name, each.labels),
            gpus=labels.given(each.labels, labels.GPUS),
            status=each.status,
            state=each.state,
            size=each.size,
            job=jobs.get(each.id) or interrupted.get(each.id),
            ran_at_shutdown=each.id in interrupted,
        )
        for each in found
    ]


def list_with_images(
    context: Context, *, all_users: bool = False, sizes: bool = False
) -> list[ListedContainer]:
    """Return containers and cluster services ordered by name, with their images.

    Four engine calls however many containers there are, two more if there are services, two for
    each container whose image has changed, and a few for each of the caller's that runs. `sizes`
    measures how much each has written: slow. Raises MlcError for root without sudo.
    """
    from ..plan.assign import names_of_devices

    refuse_root(context.account)
    found = context.containers(all_users=all_users, sizes=sizes)
    images = context.engine.find_images() if found else []
    names = {image.id: image.references for image in images}
    ids = {name: image.id for image in images for name in image.references}
    listed = list_services(context, all_users=all_users)
    on_cluster = {each.id for each in listed}
    # Where the host is a node itself, a container of its engine may be a job of Slurm's.
    found = [each for each in found if each.labels.get(labels.JOB) not in on_cluster]
    jobs, interrupted = shown_jobs(found, context), _interrupted(found, context)
    for each in found:
        image, is_outdated = image_of(each, names, ids)
        is_outdated = is_outdated and _is_other_image(each, image, context)
        listed.append(
            ListedContainer(
                **_labelled(each.name, each.labels),
                gpus=labels.given(each.labels, labels.GPUS),
                status=each.status,
                state=each.state,
                size=each.size,
                job=jobs.get(each.id) or interrupted.get(each.id),
                ran_at_shutdown=each.id in interrupted,
                project=each.labels.get(labels.PROJECT) or None,
                image=image,
                is_outdated=is_outdated,
                created=rfc_3339(each.created),
                id=each.id,
                image_id=each.image_id,
                node=None,
                ahead=None,
                devices=names_of_devices(each.labels),
            )
        )
    return sorted(listed, key=lambda each: (each.name, each.tag))


def made_by_others(context: Context) -> list[Container]:
    """Return containers of the user's images that no mlc created, but VS Code, Compose or docker.

    They have inherited the image's labels. One engine call.
    """
    found = context.engine.containers(labels=(f"{labels.USER_ID}={context.account.uid}",))
    return [each for each in found if not labels.is_mlc_s(each.name, each.labels)]


def shown_jobs(found: Sequence[Container], context: Context) -> dict[str, Job | None]:
    """Return what to show of the jobs of the caller's running containers, by their IDs.

    An engine call for each of them, at the same time if there are many; two or three for those in
    which a job runs.
    """
    running = [
        each
        for each in found
        if each.is_running and context.owns(each.name, each.labels[labels.OWNER])
    ]
    if not running:
        return {}
    from .jobs import jobs_or_warning, shown_job

    def look(container: Container) -> Job | None:
        try:
            return shown_job(jobs_or_warning(container, context))
        except (ConflictError, NotFoundError):  # it has just been removed
            return None

    # The connection to a remote engine is one, for one request at a time.
    if len(running) < _FEW or not context.address.is_local:
        return {each.id: look(each) for each in running}
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        return dict(zip((each.id for each in running), pool.map(look, running), strict=True))


def _interrupted(found: Sequence[Container], context: Context) -> dict[str, Job | None]:
    """Return the IDs of the caller's containers that ran when the server last went down, within a
    week of that, each with a job that ran in it or None."""
    if all(each.is_running for each in found):
        return {}
    from .interrupted import interrupted

    listed = interrupted(found, context, is_news=True)
    return {each.container.id: next(iter(each.jobs[::-1]), None) for each in listed}


def list_services(context: Context, *, all_users: bool = False) -> list[ListedContainer]:
    """Return what the cluster runs as containers; none, after one call, if there is no cluster.

    If Slurm does not answer, that is a warning: containers of this host are shown all the same.
    """
    from ..cluster.choose import scheduler_of
    from ..engine.cluster import NotManagerError
    from ..errors import SlurmError

    scheduler = scheduler_of(context)

    def is_wanted(service: Service) -> bool:
        given = service.labels
        return all_users or context.owns(given[labels.SERVICE], given.get(labels.OWNER))

    try:
        found = scheduler.entries(is_wanted)
    except NotManagerError:
        return []
    except SlurmError as error:
        context.report.warn(f"What runs on the cluster is not shown: {error}")
        return []
    return [_service(each.service, each.state) for each in found]


def _service(service: Service, state: ServiceState) -> ListedContainer:
    from ..host.gpus import NONE

    image = parse_reference(service.image)
    digest = image.digest or ""
    name = f"{image.repository.partition('/')[2]}@{digest[:_DIGEST_SHOWN]}"
    return ListedContainer(
        **_labelled(service.labels[labels.SERVICE], service.labels),
        gpus=str(service.gpus) if service.gpus else NONE,
        status=state.status,
        state=state.state,
        size=None,
        job=None,
        ran_at_shutdown=False,
        project=service.labels.get(labels.PROJECT) or None,
        image=name if digest else service.image[:_DIGEST_SHOWN],
        is_outdated=False,
        created=in_utc(service.created),
        id=service.id,
        image_id=digest or service.image,
        node=state.node or None,
        ahead=state.ahead,
        devices=(),
    )


def image_of(
    container: Container, names: Mapping[str, tuple[str, ...]], ids: Mapping[str, str]
) -> tuple[str, bool]:
    """Return the name of a container's image, and whether that name now means another image.

    `names` are those of each image by its id, `ids` those of each image by its name.
    """
    from ..plan.flow import Flow

    project = container.labels.get(labels.PROJECT)
    if container.labels.get(labels.USER_SETUP) == Flow.COMMIT.value:
        project = None  # it has an image of its own, which updating a project does not change
    uid = container.name.rpartition(SEPARATOR)[2]
    repository = f"ds01-{uid}/{project}"
    current = [name for name in names.get(container.image_id, ()) if not _is_temporary(name)]
    own = [name for name in current if parse_reference(name).repository == repository]
    if own:
        return own[0], False
    if container.image in current:  # another image, built on one of the project's
        return container.image, False
    latest = f"{repository}:{LATEST}"
    if project and ids.get(latest, container.image_id) != container.image_id:
        return latest, True
    if container.image in ids and ids[container.image] != container.image_id:
        return container.image, True
    return next(iter((*current, *names.get(container.image_id, ()))), container.image[:19]), False


def _is_other_image(container: Container, name: str, context: Context) -> bool:
    """Whether a name means another image than the container's, and not the same one under another
    ID: an image that was moved to another image store, or saved and loaded, has a new ID."""
    own, named = context.engine.image(container.image_id), context.engine.image(name)
    if own is not None and named is not None:
        return not own.is_copy_of(named)
    # Its image is not here by its ID. A container has the labels of the image it was made from.
    made = container.labels.get(labels.CREATED)
    return bool(made and named and named.labels.get(labels.CREATED, made) != made)


def _is_temporary(name: str) -> bool:
    """Whether an image has a name only until it is ready, or until it is removed."""
    tag = parse_reference(name).tag or LATEST
    return name.startswith("ds01-") and (tag == PREVIOUS or tag.startswith(BUILDING))


def _labelled(tag: str, given: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of `Listed` that containers and services have as labels."""
    fields = {
        "user": labels.OWNER,
        "framework": labels.FRAMEWORK,
        "architecture": labels.ARCHITECTURE,
        "workspace": labels.WORKSPACE,
        "data": labels.DATA,
        "models": labels.MODELS,
    }
    found = {field: labels.given(given, label) for field, label in fields.items()}
    return {"name": short_name(tag), "tag": tag, **found}
