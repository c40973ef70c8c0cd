"""The documented commands (design document, "Workflow Commands"): which module serves which.

A shim in bin/user runs `mlc NAME ARGUMENTS…` for each of them. The module gives
`parser(name)`, which returns the argparse parser of a command, and `run(arguments, context)`,
which carries it out and returns its exit code.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing itself takes 4 ms to import, a fifth of `mlc -h`
if TYPE_CHECKING:
    import argparse
    from typing import Protocol

    from ..context import Context

    class Command(Protocol):
        """What a module that serves documented commands gives."""

        def parser(self, name: str) -> argparse.ArgumentParser:
            """Return the parser of a command; `arguments.command` is set to its name."""

        def run(self, arguments: argparse.Namespace, context: Context) -> int:
            """Carry a command out and return its exit code; may raise MlcError."""


MODULES = {
    "adopt": "admin_commands",
    "complete": "commands.complete",
    "container-create": "commands.container_deploy",
    "container-deploy": "commands.container_deploy",
    "container-list": "container_inventory",
    "container-retire": "container_inventory",
    "doctor": "admin_commands",
    "image-create": "image_commands",
    "image-list": "image_inventory",
    "image-push": "image_commands",
    "image-retire": "image_inventory",
    "image-update": "image_commands",
    "mlc-patch": "commands.patch",
    "prune": "admin_commands",
}
ADMIN = {
    "adopt": "make labelled images of old containers' committed images",
    "doctor": "say what is wrong on this machine, and what mends it",
    "prune": "remove what killed commands and old containers left behind",
}
"""Commands of `mlc` that its help lists, with what it says of them."""
_WITHOUT_ENGINE = ("complete", "mlc-patch")
_ARGUMENTS = {
    "admin_commands": "admin_arguments",
    "commands.container_deploy": "container_arguments",
    "container_inventory": "container_arguments",
    "image_commands": "image_arguments",
    "image_inventory": "image_arguments",
    "commands.patch": "patch_arguments",
}
"""Where the parsers are by themselves, which help and a usage error can do with."""


def module_of(name: str) -> Command:
    """Return the module that serves a documented command."""
    return _module(MODULES[name])


def parser_of(name: str) -> argparse.ArgumentParser:
    """Return the parser of a documented command, without importing what carries it out."""
    module = MODULES[name]
    made = _module(_ARGUMENTS.get(module, module)).parser(name)
    if name not in _WITHOUT_ENGINE:
        from .engine_arguments import add_engine_flags

        add_engine_flags(made)
    return made


def _module(name: str) -> Command:
    from importlib import import_module

    return import_module(f".{name}", __package__)
