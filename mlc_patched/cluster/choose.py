"""Which cluster a command uses (the setting `cluster.engine`)."""

from __future__ import annotations

from ..context import Context
from ..settings.model import AUTO, SLURM
from .interface import Scheduler


def scheduler_of(context: Context) -> Scheduler:
    """Return the cluster: with `auto`, Slurm where it is set up, else the engine's Swarm.

    Whether the engine manages a Swarm is not looked up.
    """
    if uses_slurm(context):
        from .slurm.scheduler import SlurmScheduler

        return SlurmScheduler(context)
    from .swarm import SwarmScheduler

    return SwarmScheduler(context)


def uses_slurm(context: Context) -> bool:
    """Whether Slurm runs containers on the cluster; `auto` asks `sbatch`."""
    chosen = context.settings.cluster_engine
    if chosen != AUTO:
        return chosen == SLURM
    from .slurm.commands import is_set_up

    return is_set_up(context)
