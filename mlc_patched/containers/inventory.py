"""container-list: a user's containers, and whether their image has been updated since."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..context import Context
from ..engine.interface import Container
from ..host.account import refuse_root
from ..names import labels
from ..names.containers import SEPARATOR, short_name
from ..names.images import parse_reference
from ..names.projects import BUILDING, LATEST, PREVIOUS
from ..plan.flow import Flow


@dataclass(frozen=True)
class ListedContainer:
    """One container. `is_outdated` tells that its image's name now means a newer image;
    `created` is RFC 3339 in UTC, `size` bytes it has written, None where not measured. `node`
    is where a cluster runs it, and `ahead` how many wait for a GPU before it, None if it does
    not wait."""

    name: str
    tag: str
    user: str
    project: str
    image: str
    is_outdated: bool
    status: str
    state: str
    gpus: str
    created: str
    workspace: str
    data: str
    models: str
    architecture: str
    id: str
    image_id: str
    size: int | None
    node: str = labels.NOT_GIVEN
    ahead: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the container for `--json`."""
        return dict(vars(self))


def list_containers(
    context: Context, *, all_users: bool = False, sizes: bool = False
) -> list[ListedContainer]:
    """Return containers ordered by name, those on the cluster included.

    Three engine calls however many there are, and two more for a cluster with some.

    Args:
        context: who calls, and the engine.
        all_users: those of every user, not the caller's alone.
        sizes: measure how much each has written, which takes time.

    Raises:
        MlcError: root called without sudo.
        EngineError: the engine did not answer.
    """
    refuse_root(context.account)
    found = context.containers(all_users=all_users, sizes=sizes)
    images = context.engine.find_images() if found else []
    names = {image.id: image.references for image in images}
    ids = {name: image.id for image in images for name in image.references}
    listed = [_listed(each, names, ids) for each in found]
    from .cluster_list import list_services

    listed += list_services(context, all_users=all_users)
    return sorted(listed, key=lambda each: (each.name, each.tag))


def image_of(
    container: Container, names: Mapping[str, tuple[str, ...]], ids: Mapping[str, str]
) -> tuple[str, bool]:
    """Return the name of a container's image, and whether that name moved on to another image.

    Args:
        container: the container.
        names: the names of each image by its id.
        ids: the id of each image by its name.
    """
    project = container.labels.get(labels.PROJECT)
    if container.labels.get(labels.USER_SETUP) == Flow.COMMIT.value:
        project = None  # it has an image of its own, which no update of a project touches
    uid = container.name.rpartition(SEPARATOR)[2]
    repository = f"ds01-{uid}/{project}"
    current = [name for name in names.get(container.image_id, ()) if not _is_passing(name)]
    own = [name for name in current if parse_reference(name).repository == repository]
    if own:
        return own[0], False
    latest = f"{repository}:{LATEST}"
    if project and ids.get(latest, container.image_id) != container.image_id:
        return latest, True
    if container.image in ids and ids[container.image] != container.image_id:
        return container.image, True
    return next(iter((*current, *names.get(container.image_id, ()))), container.image[:19]), False


def _is_passing(name: str) -> bool:
    """Whether a name is one that an image bears on its way out, or before it is ready."""
    tag = parse_reference(name).tag or LATEST
    return name.startswith("ds01-") and (tag == PREVIOUS or tag.startswith(BUILDING))


def _listed(
    container: Container, names: Mapping[str, tuple[str, ...]], ids: Mapping[str, str]
) -> ListedContainer:
    def label(name: str) -> str:
        return container.labels.get(name) or labels.NOT_GIVEN

    image, is_outdated = image_of(container, names, ids)
    return ListedContainer(
        name=short_name(container.name),
        tag=container.name,
        user=label(labels.OWNER),
        project=label(labels.PROJECT),
        image=image,
        is_outdated=is_outdated,
        status=container.status,
        state=container.state,
        gpus=label(labels.GPUS),
        created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(container.created)),
        workspace=label(labels.WORKSPACE),
        data=label(labels.DATA),
        models=label(labels.MODELS),
        architecture=label(labels.ARCHITECTURE),
        id=container.id,
        image_id=container.image_id,
        size=container.size,
    )
