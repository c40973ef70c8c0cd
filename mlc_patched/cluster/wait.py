"""Waiting for what was submitted: until the cluster has looked for a node, or until it runs."""

from __future__ import annotations

import time
from functools import partial

from ..context import Context
from ..errors import MlcError
from ..interrupts import ignore_interrupts
from ..undo import retry_once
from .choose import scheduler_of
from .interface import Found
from .state import ENDED, LOST, PLACING, RUNNING, STARTING, ServiceState

_POLL_SECONDS = 0.2
_LONGEST_POLL_SECONDS = 2.0
_SLOWER = 1.2
_PLACING_SECONDS = 10


def look(identity: str, name: str, context: Context) -> Found:
    """Return what has this ID, or raise MlcError if it no longer exists."""
    found = scheduler_of(context).entries(lambda service: service.id == identity)
    if not found:
        raise MlcError(
            f"{name} is no longer on the cluster: it has ended, or another command removed it.",
            "See what is there with: container-list",
        )
    return found[0]


def wait_while_starting(found: Found, name: str, context: Context) -> Found:
    """Return it once it has started, or as it was if it waits for a node; it takes a moment, or as
    long as its node pulls the image."""
    reported, identity = "", found.service.id
    while found.state.state in (PLACING, STARTING):
        if found.state.status != reported:
            reported = found.state.status
            context.report.step(f"[{name}] {reported}")
        time.sleep(_POLL_SECONDS)
        found = look(identity, name, context)
    return found


def wait_until_placed(identity: str, name: str, context: Context) -> ServiceState:
    """Return the state once the cluster has looked for a node, which takes a moment."""
    deadline = time.monotonic() + _PLACING_SECONDS
    while True:
        state = look(identity, name, context).state
        if state.state != PLACING or time.monotonic() >= deadline:
            return state
        time.sleep(_POLL_SECONDS)


def wait_until_running(identity: str, name: str, context: Context) -> ServiceState:
    """Wait until it runs, and report its progress.

    If it cannot run, it is removed, and MlcError raised. A job of Slurm's that has ended is still
    listed.
    """
    reported, pause = "", _POLL_SECONDS
    while True:
        state = look(identity, name, context).state
        if state.state == RUNNING:
            return state
        if state.state in (ENDED, LOST):
            scheduler = scheduler_of(context)
            # An interrupt here must not say that it stays in the queue.
            with ignore_interrupts():
                retry_once(partial(scheduler.cancel, identity))
            if scheduler.name != "Slurm":
                raise MlcError(
                    f"{name} could not run: {state.sentence} It was removed from the cluster."
                )
            raise MlcError(
                f"{name} could not run: {state.sentence}",
                f"Its messages are in ~/.mlc-slurm-{identity}.log until: container-retire {name}",
            )
        if state.status != reported:
            context.report.step(f"[{name}] {state.status}")
            reported, pause = state.status, _POLL_SECONDS
        time.sleep(pause)
        pause = min(pause * _SLOWER, _LONGEST_POLL_SECONDS)  # a queue may take days
