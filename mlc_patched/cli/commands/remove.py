"""`mlc remove`."""

from __future__ import annotations

import argparse

from ..output import say
from ..parser import TYPE_CHECKING, Parser, add_container_name, add_force, add_script, add_switch

if TYPE_CHECKING:
    from ...context import Context

EXAMPLES = (
    "mlc remove my-project",
    "mlc remove my-project -f      without a question",
)


def add_arguments(command: Parser) -> None:
    add_container_name(command)
    add_force(command)
    images = command.add_mutually_exclusive_group()
    add_switch(images, "--keep-image", "keep the image that was committed for it")
    add_switch(
        images,
        "--remove-image",
        "remove that image too (the default; an image you built is never removed)",
    )
    add_script(command)


def run(arguments: argparse.Namespace, context: Context) -> int:
    from ...containers.remove import refuse_running, remove
    from ..prompts import choose_container, confirm

    name = choose_container(arguments, context, "remove", running=False)
    refuse_running(context.get(name), name, context)  # before the question, as AIME's does
    question = f"Remove the container {name}? Everything installed in it will be lost."
    confirm(arguments, question, piped=True)
    removed = remove(name, keep_image=arguments.keep_image, context=context)
    image = f", and with it the image {removed.image_removed}" if removed.image_removed else ""
    say(f"[{name}] removed{image}.")
    if removed.image_kept:
        context.report.note(removed.image_kept)
    for kept in removed.volumes_kept:
        context.report.note(str(kept))
    return 0
