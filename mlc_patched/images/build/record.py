"""Compose the lock of an image that was built."""

from __future__ import annotations

from ...context import Context
from ...engine.interface import Image
from ..base import Base
from ..versions.collect import Sources, compose, known_sources
from ..versions.inventory import NOTHING, Inventory
from ..versions.lockfile import Lock, LockedBase
from ..versions.pins import Pins
from .uv import find_sources


def lock_of(
    image: Image,
    inventory: Inventory,
    context: Context,
    *,
    project: str,
    text: str,
    base: Base | None,
    last: Lock | None,
    pins: Pins,
    builder: str,
    sources: Sources,
) -> Lock:
    """Return the lock of an image.

    Args:
        image: the image.
        inventory: what is in it.
        context: the engine, and the settings for the package index.
        project: the project's name.
        text: the Dockerfile that was built.
        base: the base, if it has a name.
        last: the lock of the last build: the sources of packages that have not moved are in it.
        pins: the versions that the build kept.
        builder: name of the builder.
        sources: where packages can be had, as far as it is known.
    """
    of_base = (base.inventory if base else NOTHING).packages
    known = {**known_sources(last), **sources}
    unknown = {
        name: version
        for name, version in inventory.packages.items()
        if name not in inventory.direct
        and name not in inventory.others
        and of_base.get(name) != version
        and (name, version) not in known
    }
    known |= find_sources(image, unknown, inventory, context)
    locked = base.locked if base else LockedBase()
    return compose(project, text, inventory, locked, of_base, pins, builder, known)
