"""`mlc complete KIND`: the names that the shells complete, one on a line.

Served like a documented command, and left out of the help: only the completion scripts call
it (tools/completions.py). It asks the least it can, as somebody waits with a finger on Tab.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable

from ...context import Context
from ...errors import MlcError
from ...host.gpus import CPU, KNOWN_ARCHITECTURES
from ...names.containers import short_name
from ..output import say
from ..parser import Parser


def parser(name: str) -> argparse.ArgumentParser:
    """Return the parser of `mlc complete`."""
    made = Parser(prog=f"mlc {name}", description="Print names for completion.")
    made.set_defaults(command=name)
    made.add_argument("kind", choices=sorted(_KINDS), help="what to print names of")
    made.add_argument("framework", nargs="?", help="framework whose versions to print")
    return made


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Print the names; where they are not to be had, print nothing and fail."""
    try:
        names = list(_KINDS[arguments.kind](arguments, context))
    except MlcError:
        return 1
    for name in dict.fromkeys(names):
        say(name)
    return 0


def _containers(arguments: argparse.Namespace, context: Context) -> Iterable[str]:
    return (short_name(each.name) for each in context.own_containers())


def _projects(arguments: argparse.Namespace, context: Context) -> Iterable[str]:
    from ...containers.source import own_projects

    return own_projects(context)


def _images(arguments: argparse.Namespace, context: Context) -> Iterable[str]:
    own = context.engine.find_images(names=(f"ds01-{context.account.uid}/*",))
    # Without the tag that goes without saying: a shell takes a colon for the end of a word.
    names = (name.removesuffix(":latest") for image in own for name in image.references)
    return (*names, *(row.image for row in context.catalog.rows))


def _frameworks(arguments: argparse.Namespace, context: Context) -> Iterable[str]:
    return context.catalog.frameworks(None)


def _versions(arguments: argparse.Namespace, context: Context) -> Iterable[str]:
    wanted = (arguments.framework or "").casefold()
    # In the catalog's order: sorting versions would take an import of 20 ms.
    rows = context.catalog.rows
    return (row.version for row in rows if not wanted or row.framework.casefold() == wanted)


def _architectures(arguments: argparse.Namespace, context: Context) -> Iterable[str]:
    return (*context.catalog.architectures(), *KNOWN_ARCHITECTURES, CPU)


def _contexts(arguments: argparse.Namespace, context: Context) -> Iterable[str]:
    from ...engine.address import context_names

    return context_names(context.environ)


_KINDS: dict[str, Callable[[argparse.Namespace, Context], Iterable[str]]] = {
    "containers": _containers,
    "contexts": _contexts,
    "projects": _projects,
    "images": _images,
    "frameworks": _frameworks,
    "versions": _versions,
    "architectures": _architectures,
}
