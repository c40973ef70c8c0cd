"""`mlc complete KIND`: the names that the shells complete, one on a line.

Only the completion scripts call it (tools/completions.py). It does as little as it can:
somebody waits for it with a finger on Tab.
"""

from __future__ import annotations

import argparse

from ..output import say
from ..parser import TYPE_CHECKING, Parser, add_positional

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ...context import Context

EXAMPLES = ("mlc complete containers", "mlc complete versions Pytorch")


def add_arguments(command: Parser) -> None:
    add_positional(command, "kind", "what to print names of", choices=sorted(KINDS), nargs=None)
    add_positional(command, "framework", "framework whose versions to print")


def run(arguments: argparse.Namespace, context: Context) -> int:
    from ...errors import MlcError
    from ...names.words import is_literal

    try:
        names = list(KINDS[arguments.kind](arguments, context))
    except MlcError:
        return 1  # a message would end up in the middle of the line being typed
    for name in dict.fromkeys(names):
        if is_literal(name):  # bash puts a name into the line as it is
            say(name)
    return 0


def _containers(arguments: argparse.Namespace, context: Context) -> Iterable[str]:
    from ...names.containers import short_name

    return (short_name(each.name) for each in context.containers())


def _projects(arguments: argparse.Namespace, context: Context) -> Iterable[str]:
    from ...containers.source import own_projects

    return own_projects(context)


def _images(arguments: argparse.Namespace, context: Context) -> Iterable[str]:
    own = context.engine.find_images(names=(f"ds01-{context.account.uid}/*",))
    # The tag :latest may be left out, and a shell ends a word at a colon.
    names = (name.removesuffix(":latest") for image in own for name in image.references)
    return (*names, *(row.image for row in context.catalog.rows))


def _frameworks(arguments: argparse.Namespace, context: Context) -> Iterable[str]:
    return context.catalog.frameworks(_architecture(context))


def _versions(arguments: argparse.Namespace, context: Context) -> Iterable[str]:
    wanted = (arguments.framework or "").casefold()
    # In the catalog's order: sorting versions would take an import of 20 ms.
    rows = context.catalog.fitting(_architecture(context))
    return (row.version for row in rows if not wanted or row.framework.casefold() == wanted)


def _architecture(context: Context) -> str | None:
    """Return `Context.catalog_architecture`, without asking a remote engine."""
    from ...host.hardware import elsewhere

    if not context.address.is_local:
        context.__dict__["host"] = elsewhere(())
    return context.catalog_architecture()


def _architectures(arguments: argparse.Namespace, context: Context) -> Iterable[str]:
    from ...host.gpus import CPU, KNOWN_ARCHITECTURES

    return (*context.catalog.architectures(), *KNOWN_ARCHITECTURES, CPU)


def _presets(arguments: argparse.Namespace, context: Context) -> Iterable[str]:
    from ...images.presets import PRESETS

    return PRESETS


def _contexts(arguments: argparse.Namespace, context: Context) -> Iterable[str]:
    from ...engine.address import context_names

    return context_names(context.environ)


KINDS: dict[str, Callable[[argparse.Namespace, Context], Iterable[str]]] = {
    "containers": _containers,
    "contexts": _contexts,
    "projects": _projects,
    "images": _images,
    "presets": _presets,
    "frameworks": _frameworks,
    "versions": _versions,
    "architectures": _architectures,
}
