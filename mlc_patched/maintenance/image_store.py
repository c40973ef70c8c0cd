"""Whether the engine's image store was changed: then images have other IDs than those remembered.

Docker Engine stores images itself or in containerd (the default of new installations from 29.0 on).
Each store has its own images and containers; an image that was moved to the other one, or saved and
loaded, has the same layers and configuration, but another ID.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from ..engine.interface import Engine, Image
from ..images.account.build import is_made_from
from ..images.project.files import ProjectFiles, projects_with_files
from ..images.project.metadata import engine_of
from ..names.images import account_image_of
from ..names.projects import LATEST, Project, projects_in
from ..plan.limits import BASE_NAME
from .checks import Finding, Machine, ok, warning

_SWITCH = (
    "features.containerd-snapshotter in /etc/docker/daemon.json selects the store; "
    "systemctl restart docker"
)
_LOOK = (
    "sudo mlc doctor, which counts hidden containers; if the images were removed: "
    "image-update PROJECT"
)


def moved_account_images(images: Iterable[Image], engine: Engine) -> frozenset[str]:
    """Return the IDs of account images whose base is here under another ID than in their name.

    They are not leftovers: the next container from that base uses them. The engine is asked about
    those of the images whose base is missing.
    """
    images = tuple(images)
    ids, found = {each.id for each in images}, set()
    for image in images:
        for reference in image.references:
            _, base_id = account_image_of(reference) or (0, image.id)
            if base_id in ids or not image.labels.get(BASE_NAME):
                continue
            base, inspected = engine.image(image.labels[BASE_NAME]), engine.image(image.id)
            if base is not None and inspected is not None and is_made_from(inspected, base):
                found.add(image.id)
    return frozenset(found)


def image_store(machine: Machine) -> Finding | Sequence[Finding]:
    """The engine's image store is the one that images and containers were made in."""
    name = "image store"
    if machine.info is None:
        return ()
    store = "containerd's" if machine.info.containerd is not None else "the engine's own"
    if hidden := _hidden_containers(machine):
        text = (
            f"the image store was changed: it is {store} now, and {hidden} containers of the "
            "former one are hidden until the engine uses that store again"
        )
        return warning(name, text, _SWITCH)
    changed = [*_renamed_projects(machine)]
    if moved_account_images(machine.images, machine.context.engine):
        changed.append("account images")
    if changed:
        text = (
            f"the image store was changed: it is {store} now, and the same images have new IDs "
            f"({', '.join(changed)}). Containers of the former store are hidden"
        )
        return warning(name, text, _SWITCH)
    if lost := _lost_projects(machine):
        text = (
            f"it is {store}, and it has none of the images that you built in it "
            f"({', '.join(lost)}). If the image store was changed, they and your containers are "
            "hidden until the engine uses the former one again"
        )
        return warning(name, text, _LOOK)
    return ok(name, f"{store}")


def _hidden_containers(machine: Machine) -> int:
    """Count the containers in the engine's directory that the engine does not list.

    Only root may look there.
    """
    if machine.info is None or not machine.info.is_local:
        return 0
    directory = Path(machine.info.root_directory, "containers")
    try:
        there = {each.name for each in directory.iterdir() if (each / "config.v2.json").exists()}
    except OSError:
        return 0
    # Listed after the directory was read, so a new one does not count as hidden.
    return len(there - {each.id for each in machine.context.engine.containers()})


def _renamed_projects(machine: Machine) -> Iterable[str]:
    """Yield the caller's projects whose image has another ID than their metadata, unchanged."""
    account, engine = machine.context.account, machine.context.engine
    for image in machine.images:
        for project, tag in projects_in(image.references):
            if project.uid != account.uid or tag != LATEST:
                continue
            noted = ProjectFiles(account, project).read_metadata()
            if noted.get("image_id") in (None, image.id):
                continue
            inspected = engine.image(image.id)
            if inspected is not None and noted.get("built") == inspected.created:
                yield project.name


def _lost_projects(machine: Machine) -> Sequence[str]:
    """Return the caller's projects that were built in this engine, if it has no image of any."""
    account, here = machine.context.account, engine_of(machine.context)
    found = []
    for name in sorted(projects_with_files(account)):
        project = Project(account.uid, name)
        if ProjectFiles(account, project).read_metadata().get("built_in") == here:
            found.append(project)
    names = (each for image in machine.images for each in image.references)
    has_one = any(project in found for project, _ in projects_in(names))
    return [] if has_one else [each.name for each in found]
