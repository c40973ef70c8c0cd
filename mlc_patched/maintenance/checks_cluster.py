"""Checks of doctor about the cluster, and with `--node` about this host as a node of Slurm's."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from ..cluster.choose import scheduler_of, uses_slurm
from ..cluster.slurm.commands import own_program
from ..context import Context
from ..engine.cluster import Node, NotManagerError
from ..engine.observations import EngineInfo
from ..errors import EngineError
from ..host.nvidia_smi import find_nvidia_smi, nvidia_devices
from ..images.fetch import site_registry
from ..settings.model import AUTO
from ..version import documentation
from .checks import Finding, Machine, broken, ok, warning


def cluster(machine: Machine) -> Finding | Sequence[Finding]:
    """What --cluster uses, and its nodes; nothing where there is no cluster."""
    context = machine.context
    if not machine.has_settings or (machine.info is None and not uses_slurm(context)):
        return ()
    chosen = context.settings.cluster_engine
    name = scheduler_of(context).name
    try:
        nodes = scheduler_of(context).nodes()
    except NotManagerError as error:
        if chosen == AUTO:
            return ()
        return broken("cluster", f"cluster.engine is {chosen}, but: {error.message}", error.hint)
    except EngineError as error:
        return broken("cluster", str(error), error.hint or "scontrol ping")
    gpus = sum(node.gpus for node in nodes)
    away = [node.hostname for node in nodes if not node.answers or node.availability != "active"]
    text = f"{name}, {len(nodes)} nodes, {gpus} GPUs (cluster.engine = {chosen})"
    if away:
        remedy = "sinfo -R" if uses_slurm(context) else "docker node ls"
        return warning("cluster", f"{text}; not available: {', '.join(away)}", remedy)
    return ok("cluster", text)


def node(machine: Machine) -> Sequence[Finding]:
    """This host as a node of Slurm's: what jobs need here."""
    context = machine.context
    if not uses_slurm(context):
        hint = documentation("slurm")
        return [broken("node", "Slurm is not set up on this host", hint)]
    found = [_in_slurm(context)]
    if machine.info is not None:
        found.append(_cgroups(machine.info))
    registry = site_registry(context)
    if registry is None:
        found.append(
            warning(
                "node registry",
                "there is none, so only jobs submitted on this host find their images",
                "registry = HOST:PORT in /etc/ds01/mlc.ini",
            )
        )
    else:
        found.append(ok("node registry", registry))
    found.append(ok("node program", f"jobs submitted on this host run {own_program()}"))
    return found


def _in_slurm(context: Context) -> Finding:
    own = socket.gethostname().partition(".")[0]
    try:
        nodes = scheduler_of(context).nodes()
    except EngineError as error:
        return broken("node", str(error), error.hint or "scontrol ping")
    here = [each for each in nodes if own in (each.hostname, each.id.partition(".")[0])]
    if not here:
        names = ", ".join(each.hostname for each in nodes)
        return broken(
            "node",
            f"Slurm has no node {own}; it has {names or 'none'}",
            "NodeName= in slurm.conf, then: scontrol reconfigure",
        )
    return _gpus(here[0], context)


def _gpus(node: Node, context: Context) -> Finding:
    there = None
    if program := find_nvidia_smi(context.environ):
        uuids = [each.uuid for each in nvidia_devices(program, context.environ)]
        # Of a GPU in MIG mode, Slurm gives the parts.
        there = None if any(each.startswith("MIG-") for each in uuids) else len(uuids)
    if not node.answers or node.availability != "active":
        return broken(
            "node",
            f"{node.hostname} is {'drained' if node.availability != 'active' else 'down'}",
            f"sinfo -R; then: scontrol update NodeName={node.hostname} State=RESUME",
        )
    if there and there != node.gpus:
        return warning(
            "node",
            f"Slurm gives {node.gpus} GPUs of {node.hostname}, nvidia-smi shows {there}",
            "gres.conf of this node, then: scontrol reconfigure",
        )
    return ok("node", f"{node.hostname} answers, with {node.gpus} GPUs for jobs")


def _cgroups(info: EngineInfo) -> Finding:
    if info.cgroup_driver == "cgroupfs":
        return ok("node cgroups", "containers are below their job's cgroup, if Slurm makes one")
    return ok(
        "node cgroups",
        "systemd's: containers have their job's limits, but Slurm's accounting does not see them",
    )
