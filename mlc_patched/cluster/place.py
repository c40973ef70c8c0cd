"""A user's container on the cluster, by its name."""

from __future__ import annotations

from ..context import Context
from ..engine.cluster import NotManagerError
from ..names import labels
from ..names.containers import container_tag
from .choose import scheduler_of
from .interface import Found, Place, Step


def find_service(name: str, context: Context) -> Found | None:
    """Return what the cluster runs for the caller under this name, or None if there is nothing or
    no cluster."""
    wanted = container_tag(name, context.account.uid)
    try:
        found = scheduler_of(context).entries(
            lambda service: service.labels.get(labels.SERVICE) == wanted
        )
    except NotManagerError:
        return None
    return found[-1] if found else None


def place_of(found: Found, context: Context) -> Place | Step:
    """Return how to reach a container, running or not.

    Raises MlcError if there is none yet, its node does not answer, or no context leads there.
    """
    return scheduler_of(context).where(found)
