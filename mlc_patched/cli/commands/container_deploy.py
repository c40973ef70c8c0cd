"""`container-deploy`: as container-create, then a shell in it; or on a cluster."""

from __future__ import annotations

import argparse

from ..output import print_json, print_names, say, show_fields
from ..parser import TYPE_CHECKING, Parser, add_placement, add_switch, placement
from . import container_create

if TYPE_CHECKING:
    from ...cluster.state import ServiceState
    from ...containers.deploy_cluster import OnCluster
    from ...context import Context

EXAMPLES = (
    "container-deploy thesis                       from the image of image-create thesis",
    "container-deploy thesis-2 --project thesis    another one from the same image",
    "container-deploy thesis --background -g 1 -w ~/thesis",
    "container-deploy --image aimehub/pytorch-2.8.0-cuda12.6.3",
    "container-deploy try -f Pytorch -v 2.8.0      from the catalog, without an image",
    "container-deploy thesis --dry-run             what would be done",
    "container-deploy thesis --cluster -g 1        on the cluster, queued for a GPU",
    "container-deploy thesis --cluster -g 2 --time 1-12:00:00     with Slurm, for 36 hours",
)


def add_arguments(command: Parser) -> None:
    container_create.add_arguments(command)
    how = command.add_mutually_exclusive_group()
    add_switch(how, "--open", "open a shell in it (the default on a terminal)")
    add_switch(how, "--background", "leave it running (the default elsewhere)")
    cluster = command.add_argument_group("on a cluster (Slurm or Docker Swarm)")
    add_switch(
        cluster,
        "--cluster",
        "let the cluster find a node with free GPUs, or wait for one; from the pushed image",
    )
    add_placement(cluster)


def run(arguments: argparse.Namespace, context: Context) -> int:
    from ..prompts import on_terminal

    has_shell = not (
        arguments.background or arguments.json or arguments.quiet or arguments.dry_run
    ) and (arguments.open or on_terminal())
    on_cluster = arguments.cluster or any(placement(arguments).values())
    if has_shell and not (on_cluster and _is_reached_by_slurm(context)):
        from ...containers.open import check_client

        check_client(context)
    if on_cluster:
        return _on_cluster(arguments, context, has_shell)
    name = _own_container(arguments, context) if has_shell else None
    if name is None:
        deployed = container_create.create(arguments, context, start=True)
        if deployed is None or not has_shell:
            return 0
        name = deployed.name
    import sys

    from ...containers.open import open_shell

    sys.stdout.flush()
    opened = open_shell(name, context=context)
    if opened.was_removed:
        say(f"[{opened.name}] was removed while the shell was open.")
        return opened.exit_status
    left = f"left running: {opened.left_running}" if opened.left_running else "stopped"
    say(f"[{opened.name}] {left}. Open it again with: mlc open {opened.name}")
    if opened.to_keep:
        context.report.note(opened.to_keep)
    return opened.exit_status


def _is_reached_by_slurm(context: Context) -> bool:
    """Whether shells on the cluster need no Docker client here."""
    from ...cluster.choose import uses_slurm

    return uses_slurm(context)


def _own_container(arguments: argparse.Namespace, context: Context) -> str | None:
    """Return a container of the project that the user opens instead, if none was named."""
    from ...names import labels
    from ...names.containers import short_name
    from ..prompts import ask_choice, may_ask

    others = (arguments.name, arguments.image, arguments.framework)
    if any(each is not None for each in others) or not may_ask(arguments, "yes"):
        return None
    if arguments.project is None:
        arguments.project = container_create.choose_project(arguments, context)
    project = arguments.project
    own = [each for each in context.containers() if each.labels.get(labels.PROJECT) == project]
    if not own:
        return None
    names = [short_name(each.name) for each in own]
    say(f"You have a container of {project} already:")
    offered = [f"open {name} ({each.status})" for name, each in zip(names, own, strict=True)]
    choice = ask_choice("What now?", [*offered, "create another one"], default=0)
    return names[choice] if choice < len(names) else None


def _on_cluster(arguments: argparse.Namespace, context: Context, has_shell: bool) -> int:
    """Make a service, and wait until it runs unless --background is given."""
    import signal

    from ...cluster.interface import Placement
    from ...cluster.wait import wait_until_placed, wait_until_running
    from ...containers.deploy_cluster import deploy_on_cluster
    from ...errors import EngineError, UsageError

    flag = "--cluster" if arguments.cluster else _placement_flag(arguments)
    if arguments.exist_ok:
        raise UsageError(f"--exist-ok cannot be combined with {flag}.")
    request = container_create.request_of(arguments, context)
    if arguments.dry_run:
        raise UsageError(
            f"--dry-run cannot be combined with {flag}: the node is chosen only when the "
            "container starts."
        )
    made = deploy_on_cluster(request, Placement(**placement(arguments)), context)
    try:
        for text in made.notes:
            context.report.note(f"On the cluster: {text}.")
        if arguments.background:
            return _say_on_cluster(made, wait_until_placed(made.id, made.name, context), arguments)
        state = wait_until_running(made.id, made.name, context)
    except EngineError as error:  # what was made is whole, and may have waited for long
        error.add_hint(f"{_stays(made)} {_to_see(made)}")
        raise
    except KeyboardInterrupt as ended:
        raise _interrupted(made, getattr(ended, "signal_number", signal.SIGINT)) from None
    status = _say_on_cluster(made, state, arguments)
    if not has_shell:
        return status
    from ...containers.open import open_shell

    opened = open_shell(made.name, context=context)
    if not opened.is_reported:
        say(f"[{made.name}] left running: {opened.left_running}.")
    if opened.to_keep:
        context.report.note(opened.to_keep)
    return opened.exit_status


def _placement_flag(arguments: argparse.Namespace) -> str:
    """Return the first flag that was given to say where on the cluster it runs."""
    name = next(name for name, value in placement(arguments).items() if value)
    return f"--{name.replace('_', '-')}"


def _interrupted(made: OnCluster, signal_number: int) -> KeyboardInterrupt:
    """Return an interrupt of the waiting, which rolls nothing back."""
    from ...errors import Terminated

    error = Terminated(signal_number)
    error.message, error.hint = f"Interrupted. {_stays(made)}", _to_see(made)
    return error


def _stays(made: OnCluster) -> str:
    return f"[{made.name}] stays in the queue."


def _to_see(made: OnCluster) -> str:
    return f"See it with: container-list - remove it with: container-retire {made.name}"


def _say_on_cluster(made: OnCluster, state: ServiceState, arguments: argparse.Namespace) -> int:
    if arguments.json:
        return print_json("container", made.as_json(state))
    if arguments.quiet:
        return print_names([made.name])
    say(f"[{made.name}] {state.status}, from {made.image}.")
    show_fields(
        [
            ("Get in", f"mlc open {made.name}"),
            ("Mounted", f"/workspace is {made.workspace} of its node"),
            ("GPUs", str(made.gpus or "none")),
            ("See it", "container-list"),
            ("Retire", f"container-retire {made.name} [--save]"),
        ]
    )
    return 0
