"""The edge of container-deploy --cluster: arguments to a request, its result to words."""

from __future__ import annotations

import argparse
import signal

from ..cluster.state import ServiceState
from ..cluster.wait import wait_until_placed, wait_until_running
from ..containers.deploy_cluster import OnCluster, Placement, deploy_on_cluster
from ..containers.source import DeployRequest
from ..context import Context
from ..errors import EngineError, UsageError
from .edge import print_json
from .output import say
from .prompts import on_terminal


def run(request: DeployRequest, arguments: argparse.Namespace, context: Context) -> int:
    """Make a service, wait until it runs unless told otherwise, and return the exit code."""
    if arguments.dry_run:
        raise UsageError(
            "--dry-run goes without --cluster: where a service runs is known when it does."
        )
    placement = Placement(arguments.node, arguments.gpu_kind)
    made = deploy_on_cluster(request, placement, context)
    try:
        for text in made.notes:
            context.report.note(f"On the cluster: {text}.")
        if arguments.background:
            return _done(made, wait_until_placed(made, context), arguments)
        state = wait_until_running(made, context)
    except EngineError:  # what was made is whole, and may have waited for long
        _tell_it_stays(made, context)
        raise
    except KeyboardInterrupt as ended:
        _tell_it_stays(made, context)
        return 128 + int(getattr(ended, "signal_number", signal.SIGINT))
    status = _done(made, state, arguments)
    if arguments.json or not (arguments.open or on_terminal()):
        return status
    from ..containers.open import open_shell

    opened = open_shell(made.name, context)
    say(f"[{made.name}] left running: {opened.left_running}.")
    return opened.exit_status


def _tell_it_stays(made: OnCluster, context: Context) -> None:
    context.report.note(
        f"[{made.name}] stays in the queue. See it with: container-list - take it out "
        f"with: container-retire {made.name}"
    )


def _done(made: OnCluster, state: ServiceState, arguments: argparse.Namespace) -> int:
    if arguments.json:
        return print_json("container", made.as_json(state))
    say(f"[{made.name}] {state.status}, from {made.image}.")
    say(f"  Get in   mlc open {made.name}")
    say(f"  Mounted  /workspace is {made.workspace} of its node")
    say(f"  GPUs     {made.gpus or 'none'}")
    say("  See it   container-list")
    say(f"  Retire   container-retire {made.name} [--save]")
    return 0
