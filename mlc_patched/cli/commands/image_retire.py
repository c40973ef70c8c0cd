"""`image-retire`."""

from __future__ import annotations

import argparse

from ...errors import MlcError, NotFoundError, UsageError
from ..output import print_json, say
from ..parser import (
    TYPE_CHECKING,
    Parser,
    add_force,
    add_json,
    add_missing_ok,
    add_positional,
    add_switch,
    add_yes,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...context import Context
    from ...images.retire import ImageRetired, Retirement

EXAMPLES = (
    "image-retire thesis",
    "image-retire thesis old-thesis -y",
    "image-retire thesis --with-dockerfile",
    "image-retire thesis:previous       only the image before the last update",
    "image-retire --orphans             your images that nothing needs any more",
)


def add_arguments(command: Parser) -> None:
    add_positional(
        command,
        "projects",
        "project, or PROJECT:TAG for one image of it",
        "projects",
        nargs="*",
        metavar="PROJECT",
    )
    add_switch(command, "--with-dockerfile", "also move the Dockerfile and the lock to a backup")
    add_switch(
        command,
        "--orphans",
        "remove your images, committed or built for your account, that no container uses",
    )
    add_force(command, "do not ask (an image in use is never removed)")
    add_missing_ok(command, "project")
    add_yes(command)
    add_json(command)


def run(arguments: argparse.Namespace, context: Context) -> int:
    from ...images.retire import retire
    from ...units import size_in_words
    from ..prompts import choose_project, confirm
    from ..several import for_each

    if arguments.orphans:
        if arguments.projects:
            raise UsageError("Name projects or pass --orphans, not both.")
        for flag, given in (
            ("--with-dockerfile", arguments.with_dockerfile),
            ("--missing-ok", arguments.missing_ok),
        ):
            if given:
                raise UsageError(f"{flag} is for projects, not for --orphans.")
        return _retire_orphans(arguments, context)
    names = list(dict.fromkeys(arguments.projects))
    if not names:
        names = [choose_project(arguments, context, "retire")]
    # All are looked at before the first is removed.
    keep = arguments.with_dockerfile
    plans, missing = _planned(names, arguments, context)
    for plan in plans.values():
        for reference, image in plan.images:
            size = size_in_words(context.engine.image_size(image))
            context.report.note(f"To be removed: {reference} ({size})")
    dockerfiles = _dockerfiles(plans.values(), context) if keep else []
    for path in dockerfiles:
        context.report.note(f"To be moved to a backup: {path}")
    if plans:
        images = sum(len(plan.images) for plan in plans.values())
        confirm(arguments, _question(images, len(dockerfiles)), flag="-y")
    return for_each(
        [*plans],
        lambda name: retire(plans[name], context, with_dockerfile=keep),
        lambda each: _say_retired(each, context),
        arguments,
        context,
        "retired",
        missing=missing,
        kind="projects",
        stops=True,
    )


def _planned(
    names: list[str], arguments: argparse.Namespace, context: Context
) -> tuple[dict[str, Retirement], list[str]]:
    """Return what is to be removed, and with --missing-ok which names do not exist."""
    from ...images.retire import plan_retirement

    keep = arguments.with_dockerfile
    plans: dict[str, Retirement] = {}
    missing = []
    for name in names:
        try:
            plans[name] = plan_retirement(name, context, with_dockerfile=keep)
        except NotFoundError:
            if not arguments.missing_ok:
                raise
            missing.append(name)
    return plans, missing


def _dockerfiles(plans: Iterable[Retirement], context: Context) -> list[str]:
    """Return the Dockerfiles that --with-dockerfile moves to backups."""
    from ...images.project.files import ProjectFiles

    found = [ProjectFiles(context.account, plan.project) for plan in plans if plan.whole]
    return [each.dockerfile_path for each in found if each.read_dockerfile() is not None]


def _question(images: int, dockerfiles: int) -> str:
    """Return the question for this many images and Dockerfiles."""
    remove = f"remove {'it' if images == 1 else f'these {images} images'}" if images else ""
    move = f"move the Dockerfile{'s'[: dockerfiles != 1]} to a backup" if dockerfiles else ""
    question = " and ".join(filter(None, (remove, move)))
    return f"{question[:1].upper()}{question[1:]}?"


def _say_retired(each: ImageRetired, context: Context) -> None:
    from ...images.project.files import ProjectFiles
    from ...names.projects import LATEST, project_of

    say(f"[{each.project}] removed {', '.join(each.images) or 'no image, as there was none'}.")
    if each.backup:
        say(f"Its Dockerfile is now {each.backup}")
        files = ProjectFiles(context.account, project_of(each.project, context.account))
        if beside := files.files_beside():
            say(f"Remove these as well, unless a Dockerfile needs them: {' '.join(beside)}")
    elif each.dockerfile and any(image.endswith(f":{LATEST}") for image in each.images):
        say(
            f"Its Dockerfile {each.dockerfile} is kept; build it again with: "
            f"image-update {each.project}"
        )
    for reference in each.kept:
        say(f"Kept: {reference}; remove it with: image-retire {reference.partition('/')[2]}")


def _retire_orphans(arguments: argparse.Namespace, context: Context) -> int:
    from ...maintenance.orphans import own_orphans, retire_orphans
    from ...units import size_in_words
    from ..prompts import confirm

    orphans = own_orphans(context)
    if orphans.items:
        for each in orphans.items:
            context.report.note(
                f"To be removed: {each.image} ({size_in_words(each.reclaimed)} of its own)"
            )
        context.report.note(f"Together they free {size_in_words(orphans.reclaimed)} of disk.")
        confirm(arguments, "Remove them?", flag="-y")
    done = retire_orphans(orphans, context)
    if arguments.json:
        print_json("orphans", done)
        return bool(done.failed)
    if not orphans.items:
        say("You have no leftover images.")
        return 0
    for reference in done.removed:
        say(f"Removed {reference}")
    for text in done.kept:
        say(f"Kept {text}")
    say(f"{size_in_words(done.reclaimed)} of disk freed.")
    if done.failed:
        raise MlcError(
            f"{done.failed} of {len(orphans.items)} leftover images were not removed; see the "
            "messages above."
        )
    return 0
