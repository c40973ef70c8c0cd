"""`mlc jupyter`."""

from __future__ import annotations

import argparse

from ..output import print_json, say, show_fields
from ..parser import TYPE_CHECKING, Parser, add_container_name, add_json, add_option, add_switch

if TYPE_CHECKING:
    from ...context import Context

EXAMPLES = (
    "mlc jupyter my-project                       its URL, and the ssh line for your own computer",
    "mlc jupyter my-project --tensorboard runs    with TensorBoard for /workspace/runs",
    "mlc jupyter my-project --stop",
)


def add_arguments(command: Parser) -> None:
    add_container_name(command)
    add_option(command, "-p --port", "PORT", "this port (default: a free one)", type=int)
    add_option(command, "--tensorboard", "DIR", "also TensorBoard, for this directory inside")
    add_switch(command, "--stop", "end JupyterLab and TensorBoard")
    add_json(command)


def run(arguments: argparse.Namespace, context: Context) -> int:
    from ...containers.jupyter import jupyter, stop_jupyter
    from ...errors import UsageError
    from ..prompts import choose_container

    if arguments.port is not None and not 0 < arguments.port < 2**16:
        raise UsageError("--port takes a number from 1 to 65535.")
    for flag, value in (("--port", arguments.port), ("--tensorboard", arguments.tensorboard)):
        if arguments.stop and value is not None:
            raise UsageError(f"--stop cannot be combined with {flag}.")
    name = choose_container(arguments, context, "jupyter")
    if arguments.stop:
        ended = stop_jupyter(name, context=context)
        if arguments.json:
            return print_json("ended", ended)
        say(f"[{name}] JupyterLab {'has ended' if ended else 'was not running'}.")
        return 0
    found = jupyter(name, arguments.port, arguments.tensorboard, context=context)
    if arguments.json:
        return print_json("jupyter", found)
    already = " already" if found.was_running else ""
    say(f"[{name}] JupyterLab runs{already}, as job {found.lab.job}.")
    board = found.tensorboard
    show_fields(
        [
            ("Open", found.lab.url),
            ("TensorBoard", board.url if board else ""),
            ("From your own computer, first", found.ssh),
            ("End it", f"mlc jupyter {name} --stop"),
        ]
    )
    if arguments.port not in (None, found.lab.port):
        context.report.note(f"It has port {found.lab.port} until you end it with --stop.")
    if board:
        context.report.note("TensorBoard has no password: everybody on this server can read it.")
    return 0
