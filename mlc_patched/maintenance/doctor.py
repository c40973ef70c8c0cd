"""doctor: run every check of this machine."""

from __future__ import annotations

from collections.abc import Iterable

from ..context import Context
from ..errors import EngineError, MlcError
from . import checks_host as host
from . import checks_images as images
from . import checks_settings as settings
from .checks import Check, Finding, Machine, broken
from .checks_cluster import cluster, node
from .checks_gpus import shared_gpus
from .image_store import image_store

CHECKS: tuple[Check, ...] = (
    host.engine,
    host.client,
    host.docker_group,
    host.gpu,
    shared_gpus,
    settings.settings,
    settings.catalog,
    host.workspace,
    host.disk,
    image_store,
    images.labels,
    images.locks,
    images.logs,
    images.containers,
    images.leftovers,
    host.tree,
    host.modules,
    host.completion,
    host.checkout,
    cluster,
)


def doctor(context: Context, *, is_node: bool = False) -> list[Finding]:
    """Run every check, whatever others find; with `is_node` also those of a node of Slurm's.

    Raises UsageError if there is no such Docker context, so nobody knows which engine is meant.
    """
    context.address  # noqa: B018 - raises where there is no such context
    try:
        machine = Machine(context, context.engine.info())
    except MlcError as error:
        machine = Machine(context, None, error)
    findings: list[Finding] = []
    for check in (*CHECKS, *((node,) if is_node else ())):
        try:
            found = check(machine)
        except EngineError as error:
            machine = Machine(context, None)  # nothing more is asked of it
            found = broken("engine", f"it stopped answering: {error}", "mlc doctor, once more")
        except MlcError as error:
            found = broken(check.__name__, f"not checked: {error}", "mlc doctor, once more")
        findings += [found] if isinstance(found, Finding) else found
    return findings


def repair(findings: Iterable[Finding], context: Context) -> None:
    """Do what the findings offer to repair, each once."""
    repairs = {each.repair.run for each in findings if each.repair}
    for run in repairs:
        run(context)
