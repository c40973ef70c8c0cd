"""`image-push`."""

from __future__ import annotations

import argparse

from ..output import print_json, say
from ..parser import TYPE_CHECKING, Parser, add_image_of_project, add_json, add_positional, add_yes

if TYPE_CHECKING:
    from ...context import Context

EXAMPLES = (
    "image-push thesis                        to the site's registry",
    "image-push thesis registry.lab.org:5000  to another one",
    "image-push thesis --json                 with the digest, for scripts",
)


def add_arguments(command: Parser) -> None:
    add_image_of_project(command)
    add_positional(
        command,
        "registry",
        "HOST:PORT of the registry (default: DS01_REGISTRY, else the site's)",
        metavar="REGISTRY",
    )
    add_yes(command)
    add_json(command)


def run(arguments: argparse.Namespace, context: Context) -> int:
    from ...images.push import push_image
    from ...names.images import parse_reference
    from ...names.projects import LATEST
    from ...plan.request import allowed_name
    from ...units import size_in_words
    from ..prompts import choose_project

    name = arguments.project or choose_project(arguments, context, "push")
    pushed = push_image(name, arguments.registry, context)
    if arguments.json:
        return print_json("pushed", pushed)
    create = f"container-deploy {pushed.project}"
    if parse_reference(pushed.image).tag != LATEST:
        create = f"container-deploy {allowed_name(pushed.project)} --image {pushed.image}"
    say(
        f"[{pushed.project}] {pushed.pushed} is in the registry "
        f"({size_in_words(pushed.size)} before compression).\n"
        f"Its digest: {pushed.digest}\n"
        f"Create a container from it on another engine: {create}"
    )
    return 0
