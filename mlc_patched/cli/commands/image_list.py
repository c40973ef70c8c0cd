"""`image-list`."""

from __future__ import annotations

import argparse

from ..output import NOTHING, one_line, print_json, print_names, say, show, table
from ..parser import TYPE_CHECKING, Parser, add_output, add_switch

if TYPE_CHECKING:
    from ...context import Context
    from ...images.list import ListedImage
    from ..output import Column

EXAMPLES = (
    "image-list",
    "image-list -d              with packages, labels and layers",
    "image-list -a              of all users",
    "image-list --orphans       images that nothing needs any more, with their size",
    "image-list --json          for scripts",
)


def add_arguments(command: Parser) -> None:
    add_switch(command, "-a --all", "images of all users")
    add_switch(command, "-d --detailed", "with packages, labels, Dockerfile, layers")
    add_switch(
        command,
        "--orphans",
        "images committed or built for an account that no container uses any more",
    )
    add_output(command)


def run(arguments: argparse.Namespace, context: Context) -> int:
    if arguments.orphans:
        return _list_orphans(arguments, context)
    from ...images.list import list_images
    from ...units import age_in_words, size_in_words

    def account(each: ListedImage) -> str | None:
        return f"{each.account or NOTHING} !" if each.problem else each.account

    found = list_images(context, all_users=arguments.all, detailed=arguments.detailed)
    if arguments.json:
        return print_json("images", found)
    if arguments.quiet:
        return print_names(each.image if arguments.all else each.name for each in found)
    if not found:
        say("There are no images. Create one with: image-create")
        return 0
    columns: list[Column] = [
        ("USER", arguments.all, lambda each: str(each.uid)),
        ("PROJECT", True, lambda each: each.name),
        ("FRAMEWORK", True, lambda each: each.framework),
        ("SIZE", True, lambda each: size_in_words(each.size)),
        ("SHARED", True, lambda each: size_in_words(each.shared)),
        ("CREATED", True, lambda each: age_in_words(each.created) if each.id else "not built"),
        ("CONTAINERS", True, lambda each: ", ".join(each.containers)),
        ("ACCOUNT", True, account),
    ]
    show(columns, found)
    for each in found:
        if each.problem:
            say(f"! {each.name}: {each.problem}")
        if each.note:
            say(f"{each.name}: {each.note}")
    if arguments.detailed:
        for each in found:
            _say_details(each)
    return 0


def _say_details(image: ListedImage) -> None:
    from ...units import size_in_words

    details = image.details
    if details is None:
        return
    say(f"\n{image.image}")
    say(f"  Dockerfile: {details.dockerfile or NOTHING}")
    say(f"  Python packages: {' '.join(details.pip) or NOTHING}")
    if details.versions:
        versions = (f"{name} {version}" for name, version in sorted(details.versions.items()))
        say(f"  Versions: {', '.join(versions)}")
    say(f"  System packages: {' '.join(details.apt) or NOTHING}")
    say("  Labels:")
    for name, value in sorted(details.labels.items()):
        say(f"    {one_line(f'{name}={value}')}")
    say("  Layers, the newest first:")
    for layer in details.layers:
        made = " ".join(layer.created_by.split())
        say(f"    {size_in_words(layer.size):>7}  {made[:90]}{'…' if len(made) > 90 else ''}")


def _list_orphans(arguments: argparse.Namespace, context: Context) -> int:
    from ...maintenance.orphans import list_orphans
    from ...units import age_in_words, size_in_words

    orphans = list_orphans(context)
    if arguments.json:
        return print_json("orphans", orphans.items)
    if arguments.quiet:
        return print_names(each.image for each in orphans.items)
    if not orphans.items:
        say("There are no leftover images.")
        return 0
    table(
        ("IMAGE", "USER", "SIZE", "RECLAIMABLE", "CREATED"),
        [
            (
                each.image,
                each.user,
                size_in_words(each.size),
                size_in_words(each.reclaimed),
                age_in_words(each.created),
            )
            for each in orphans.items
        ],
    )
    total = size_in_words(orphans.reclaimed)
    say(f"Removing all of them frees {total}. Remove yours with: image-retire --orphans")
    return 0
