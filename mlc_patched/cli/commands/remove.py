"""`mlc remove`."""

from __future__ import annotations

import argparse

from ..output import say
from ..parser import (
    TYPE_CHECKING,
    Parser,
    add_container_names,
    add_force,
    add_json,
    add_missing_ok,
    add_script,
    add_switch,
)

if TYPE_CHECKING:
    from ...containers.remove import Removed
    from ...context import Context

EXAMPLES = (
    "mlc remove my-project",
    "mlc remove my-project -f                     without a question",
    "mlc remove train evaluate -f --missing-ok    several; fine if they are not there",
)


def add_arguments(command: Parser) -> None:
    add_container_names(command)
    add_force(command)
    images = command.add_mutually_exclusive_group()
    add_switch(images, "--keep-image", "keep the image that was committed for it")
    add_switch(
        images,
        "--remove-image",
        "remove that image too (the default; an image you built is never removed)",
    )
    add_missing_ok(command)
    add_script(command)
    add_json(command)


def run(arguments: argparse.Namespace, context: Context) -> int:
    from ...containers.remove import refuse_running, remove
    from ..prompts import choose_containers, confirm
    from ..several import for_each, named, note_kept

    names = choose_containers(arguments, context, "remove", running=False)
    found = {name: container for name in names if (container := context.find(name)) is not None}
    if len(names) == 1:
        for name, container in found.items():
            refuse_running(container, name, context)  # before the question, as AIME's does
    stopped = [name for name, container in found.items() if not container.is_running]
    if stopped:
        it = "it" if len(stopped) == 1 else "them"
        question = f"Remove {named(stopped)}? Everything installed in {it} will be lost."
        confirm(arguments, question, piped=True)

    def act(name: str) -> Removed:
        removed = remove(name, keep_image=arguments.keep_image, context=context)
        if arguments.json:
            note_kept(removed, context)
        return removed

    def show(removed: Removed) -> None:
        image = f", and with it the image {removed.image_removed}" if removed.image_removed else ""
        say(f"[{removed.name}] removed{image}.")
        note_kept(removed, context)

    return for_each(names, act, show, arguments, context, "removed")
