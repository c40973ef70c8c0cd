"""Waiting for a service: until Swarm has looked for a node, or until it runs."""

from __future__ import annotations

import time
from functools import partial

from ..context import Context
from ..errors import MlcError
from ..interrupts import ignore_interrupts
from ..undo import retry_once
from .state import ENDED, LOST, PLACING, RUNNING, ServiceState, state_of

_POLL_SECONDS = 0.2
_LONGEST_POLL_SECONDS = 2.0
_SLOWER = 1.2
_PLACING_SECONDS = 10


def look(identity: str, context: Context) -> ServiceState:
    """Return the state of a service, or raise MlcError if it no longer exists."""
    cluster = context.engine.cluster()
    services = cluster.services()
    service = next((each for each in services if each.id == identity), None)
    if service is None:
        raise MlcError("The service was removed by another command.")
    return state_of(service, services, cluster.tasks(), cluster.nodes())


def wait_until_placed(identity: str, context: Context) -> ServiceState:
    """Return the state once Swarm has looked for a node, which takes a moment."""
    deadline = time.monotonic() + _PLACING_SECONDS
    while (state := look(identity, context)).state == PLACING and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    return state


def wait_until_running(identity: str, name: str, context: Context) -> ServiceState:
    """Wait until a service runs, and report its progress.

    If it cannot run, it is removed, and MlcError raised.
    """
    reported, pause = "", _POLL_SECONDS
    while True:
        state = look(identity, context)
        if state.state == RUNNING:
            return state
        if state.state in (ENDED, LOST):
            cluster = context.engine.cluster()
            # Who interrupts that must not hear that it stays in the queue.
            with ignore_interrupts():
                retry_once(partial(cluster.remove_service, identity))
            raise MlcError(f"{name} could not run: {state.status}. The service was removed.")
        if state.status != reported:
            context.report.step(f"[{name}] {state.status}")
            reported, pause = state.status, _POLL_SECONDS
        time.sleep(pause)
        pause = min(pause * _SLOWER, _LONGEST_POLL_SECONDS)  # a queue may take days
