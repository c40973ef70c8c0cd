"""`mlc gpus`."""

from __future__ import annotations

import argparse

from ..output import NOTHING, print_json, say, show
from ..parser import TYPE_CHECKING, Parser, add_json, add_switch

if TYPE_CHECKING:
    from ...containers.gpu_usage import GpuUsage, Holder
    from ...context import Context
    from ..output import Column

EXAMPLES = (
    "mlc gpus             every GPU, who has it, and which processes use it",
    "mlc gpus --watch     again every two seconds, until Ctrl-C",
    "mlc gpus --json      for scripts",
)
_SECONDS = 2.0
_CLEAR = "\033[H\033[2J\033[3J"


def add_arguments(command: Parser) -> None:
    add_switch(command, "-w --watch", "show it again every two seconds, until Ctrl-C")
    add_json(command)


def run(arguments: argparse.Namespace, context: Context) -> int:
    import sys

    from ...errors import Terminated

    if not arguments.watch:
        return _show(arguments, context)
    clears = sys.stdout.isatty() and not arguments.json
    try:
        while True:
            _show(arguments, context, clears=clears)
            sys.stdout.flush()
            _pause()
    except Terminated:
        raise
    except KeyboardInterrupt:
        return 0  # this is how it ends


def _pause() -> None:
    import time

    time.sleep(_SECONDS)


def _show(arguments: argparse.Namespace, context: Context, *, clears: bool = False) -> int:
    from ...containers.gpu_usage import gpu_usage

    found = gpu_usage(context=context)
    if clears:  # at once: what follows may be a note, on standard error
        print(_CLEAR, end="", flush=True)
    if arguments.json:
        return print_json("gpus", found)
    if not found:
        context.report.note("No GPU was found on this host.")
        return 0
    _show_gpus(found)
    if any(each.processes for each in found if not each.is_divided):
        say("")
        _show_processes(found)
    return 0


def _show_gpus(found: list[GpuUsage]) -> None:
    from ...host.gpu_device import short_uuid
    from ...units import size_in_words

    def memory(each: GpuUsage) -> str:
        if each.memory_used is None and each.memory_total is None:
            return NOTHING
        return f"{size_in_words(each.memory_used)} / {size_in_words(each.memory_total)}"

    def containers(each: GpuUsage) -> str:
        if each.is_divided:
            return "in MIG mode: see its devices"
        return "; ".join(map(_holder_in_words, each.containers)) or NOTHING

    columns: list[Column] = [
        ("GPU", True, lambda each: each.index),
        ("ID", True, lambda each: short_uuid(each.uuid)),
        ("NAME", True, lambda each: each.name),
        ("MEMORY USED / TOTAL", True, memory),
        ("USE", True, lambda each: NOTHING if each.utilisation is None else f"{each.utilisation}%"),
        ("PROCESSES", True, lambda each: str(len(each.processes))),
        ("CONTAINERS", True, containers),
    ]
    show(columns, found)


def _holder_in_words(holder: Holder) -> str:
    """Return a container as the table shows it: `[thesis] of alice, up 2 h`."""
    import time

    from ...units import duration_in_words, seconds_since_1970

    who = f"[{holder.name}] of {holder.user}" if holder.user else holder.tag
    began = seconds_since_1970(holder.since) if holder.since else None
    if began is None:
        return f"{who}, {holder.state}"
    return f"{who}, up {duration_in_words(time.time() - began)}"


def _show_processes(found: list[GpuUsage]) -> None:
    from ...units import size_in_words

    rows = [
        (each.index, process) for each in found if not each.is_divided for process in each.processes
    ]
    columns: list[Column] = [
        ("GPU", True, lambda row: row[0]),
        ("PID", True, lambda row: str(row[1].pid)),
        ("PROCESS", True, lambda row: row[1].name),
        ("MEMORY", True, lambda row: size_in_words(row[1].memory)),
        ("CONTAINER", True, lambda row: row[1].container or NOTHING),
        ("USER", True, lambda row: row[1].user or NOTHING),
    ]
    show(columns, rows)
