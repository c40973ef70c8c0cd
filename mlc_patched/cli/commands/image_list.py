"""The edge of image-list and image-retire: arguments to requests, results to words."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from ..context import Context
from ..errors import UsageError
from ..images.list import ListedImage, list_images
from ..names import labels
from .edge import print_json
from .image_edge import asked_project
from .output import say, size_in_words, table
from .questions import confirmed


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Carry one of the two out and return its exit code; may raise MlcError."""
    return (_list if arguments.command == "image-list" else _retire)(arguments, context)


def _list(arguments: argparse.Namespace, context: Context) -> int:
    if arguments.orphans:
        return _list_orphans(arguments, context)
    found = list_images(context, all_users=arguments.all, detailed=arguments.detailed)
    if arguments.json:
        print_json("images", [each.as_json() for each in found])
        return 0
    if not found:
        say("There are no images. Make one with: image-create")
        return 0
    columns: list[tuple[str, Callable[[ListedImage], str]]] = [
        ("PROJECT", lambda each: each.name),
        ("FRAMEWORK", lambda each: each.framework),
        ("SIZE", lambda each: size_in_words(each.size)),
        ("SHARED", lambda each: size_in_words(each.shared)),
        ("CREATED", lambda each: each.created[:19].replace("T", " ")),
        ("CONTAINERS", lambda each: ", ".join(each.containers) or labels.NOT_GIVEN),
        ("ACCOUNT", lambda each: f"{each.account} !" if each.problem else each.account),
    ]
    if arguments.all:
        columns.insert(0, ("USER", lambda each: str(each.uid)))
    table([head for head, _ in columns], [[cell(each) for _, cell in columns] for each in found])
    for each in found:
        if each.problem:
            say(f"! {each.name}: {each.problem}")
    if arguments.detailed:
        for each in found:
            _say_details(each)
    return 0


def _say_details(image: ListedImage) -> None:
    details = image.details
    if details is None:
        return
    say(f"\n{image.image}")
    say(f"  Dockerfile: {details.dockerfile or labels.NOT_GIVEN}")
    say(f"  Python packages: {' '.join(details.pip) or labels.NOT_GIVEN}")
    say(f"  System packages: {' '.join(details.apt) or labels.NOT_GIVEN}")
    say("  Labels:")
    for name, value in sorted(details.labels.items()):
        say(f"    {name}={value}")
    say("  Layers, the newest first:")
    for layer in details.layers:
        made = " ".join(layer.created_by.split())
        say(f"    {size_in_words(layer.size):>7}  {made[:90]}{'…' if len(made) > 90 else ''}")


def _list_orphans(arguments: argparse.Namespace, context: Context) -> int:
    from ..maintenance.orphans import list_orphans

    orphans = list_orphans(context)
    if arguments.json:
        print_json("orphans", [each.as_json() for each in orphans])
        return 0
    if not orphans:
        say("There are no left-over images.")
        return 0
    table(
        ("IMAGE", "USER", "SIZE", "RECLAIMABLE", "CREATED"),
        [
            (
                each.image,
                each.user,
                size_in_words(each.size),
                size_in_words(each.reclaimed),
                each.created[:10],
            )
            for each in orphans
        ],
    )
    total = size_in_words(sum(each.reclaimed for each in orphans))
    say(f"Removing them gives back at least {total}. Yours go with: image-retire --orphans")
    return 0


def _retire(arguments: argparse.Namespace, context: Context) -> int:
    from ..images.retire import plan_retirement, retire

    if arguments.orphans:
        if arguments.projects:
            raise UsageError("Either name projects or say --orphans, not both.")
        return _retire_orphans(arguments, context)
    names = list(dict.fromkeys(arguments.projects))
    if not names:
        names = [asked_project(arguments, context, "retire")]
    # All are looked at before the first is removed.
    keep = arguments.with_dockerfile
    plans = [plan_retirement(name, context, with_dockerfile=keep) for name in names]
    for plan in plans:
        for reference, image in plan.images:
            context.report.note(f"To be removed: {reference} ({size_in_words(image.size)})")
    confirmed(arguments, f"Remove {'it' if len(plans) == 1 else 'them'}?")
    done = [retire(plan, context, with_dockerfile=keep) for plan in plans]
    if arguments.json:
        print_json("retired", [each.as_json() for each in done])
        return 0
    for each in done:
        say(f"[{each.project}] removed {', '.join(each.images) or 'no image: there was none'}.")
        if each.backup:
            say(f"Its Dockerfile is now {each.backup}")
        elif each.dockerfile:
            say(
                f"Its Dockerfile {each.dockerfile} is kept; build it again with: "
                f"image-update {each.project}"
            )
        for reference in each.kept:
            say(f"Kept: {reference}; remove it with: image-retire {reference.partition('/')[2]}")
    return 0


def _retire_orphans(arguments: argparse.Namespace, context: Context) -> int:
    from ..maintenance.orphans import own_orphans, retire_orphans

    orphans = own_orphans(context)
    if orphans:
        total = size_in_words(sum(each.reclaimed for each in orphans))
        for each in orphans:
            context.report.note(
                f"To be removed: {each.image} ({size_in_words(each.reclaimed)} of its own)"
            )
        context.report.note(f"At least {total} of disk come back.")
        confirmed(arguments, "Remove them?")
    done = retire_orphans(orphans, context)
    if arguments.json:
        print_json("orphans", done.as_json())
        return 0
    if not orphans:
        say("You have no left-over images.")
        return 0
    for reference in done.removed:
        say(f"Removed {reference}")
    for text in done.kept:
        say(f"Kept {text}")
    say(f"At least {size_in_words(done.reclaimed)} of disk came back.")
    return 0
