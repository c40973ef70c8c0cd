"""Waiting for a service: until Swarm has looked for a node, or until it runs."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from ..context import Context
from ..errors import MlcError
from ..interrupts import ignore_interrupts
from ..undo import retry_once
from .state import ENDED, LOST, PLACING, RUNNING, ServiceState, state_of

if TYPE_CHECKING:
    from ..containers.deploy_cluster import OnCluster

_POLL_SECONDS = 0.2
_LONGEST_POLL_SECONDS = 2.0
_SLOWER = 1.2
_PLACING_SECONDS = 10


def look(identity: str, context: Context) -> ServiceState:
    """Return what has become of a service.

    Raises:
        MlcError: it is not there any more.
    """
    cluster = context.engine.cluster()
    services = cluster.services()
    service = next((each for each in services if each.id == identity), None)
    if service is None:
        raise MlcError("The service was removed meanwhile.")
    return state_of(service, services, cluster.tasks(), cluster.nodes())


def wait_until_placed(made: OnCluster, context: Context) -> ServiceState:
    """Return what Swarm's first look for a node has come to; it takes a moment."""
    deadline = time.monotonic() + _PLACING_SECONDS
    while (state := look(made.id, context)).state == PLACING and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    return state


def wait_until_running(made: OnCluster, context: Context) -> ServiceState:
    """Wait until a service runs, telling how far it is.

    Raises:
        MlcError: it cannot run; the service is gone again.
    """
    told, pause = "", _POLL_SECONDS
    while True:
        state = look(made.id, context)
        if state.state == RUNNING:
            return state
        if state.state in (ENDED, LOST):
            cluster = context.engine.cluster()
            # An interrupt here must not be reported as if the service stayed in the queue.
            with ignore_interrupts():
                retry_once(partial(cluster.remove_service, made.id))
            raise MlcError(f"{made.name} could not run: {state.status}. The service was removed.")
        if state.status != told:
            context.report.step(f"[{made.name}] {state.status}")
            told, pause = state.status, _POLL_SECONDS
        time.sleep(pause)
        pause = min(pause * _SLOWER, _LONGEST_POLL_SECONDS)  # a queue may take days
