"""`container-list`."""

from __future__ import annotations

import argparse

from ..output import below_home, job_in_words, print_json, print_names, say_interrupted, show
from ..parser import TYPE_CHECKING, Parser, add_output, add_switch

if TYPE_CHECKING:
    from ...containers.list import ListedContainer
    from ...context import Context
    from ..output import Column

EXAMPLES = (
    "container-list",
    "container-list -d          with directories and sizes",
    "container-list -a          of all users",
    "container-list --json      for scripts",
)


def add_arguments(command: Parser) -> None:
    add_switch(command, "-a --all", "containers of all users")
    add_switch(command, "-d --detailed", "with architecture, size, data and models directory, IDs")
    add_output(command)


def run(arguments: argparse.Namespace, context: Context) -> int:
    from ...containers.list import list_with_images, made_by_others
    from ...plan.assign import in_words
    from ...units import age_in_words, size_in_words

    found = list_with_images(context, all_users=arguments.all, sizes=arguments.detailed)
    if arguments.json:
        return print_json("containers", found)
    if arguments.quiet:
        return print_names(each.tag if arguments.all else each.name for each in found)

    def short(path: str | None) -> str | None:
        return below_home(path, context.account.home)

    def image(each: ListedContainer) -> str:
        return f"{each.image} (image updated since)" if each.is_outdated else each.image

    def gpu(each: ListedContainer) -> str | None:
        return in_words(each.devices) if each.devices else each.gpus

    columns: list[Column] = [
        ("CONTAINER", True, lambda each: f"[{each.name}]"),
        ("USER", arguments.all, lambda each: each.user),
        ("PROJECT", True, lambda each: each.project),
        ("IMAGE", True, image),
        ("NODE", any(each.node for each in found), lambda each: each.node),
        ("STATUS", True, lambda each: each.status),
        ("JOB", any(each.job for each in found), lambda each: job_in_words(each.job)),
        ("GPU", True, gpu),
        ("CREATED", True, lambda each: age_in_words(each.created)),
        ("WORKSPACE", True, lambda each: short(each.workspace)),
        ("DATA", arguments.detailed, lambda each: short(each.data)),
        ("MODELS", arguments.detailed, lambda each: short(each.models)),
        ("ARCHITECTURE", arguments.detailed, lambda each: each.architecture),
        ("SIZE", arguments.detailed, lambda each: size_in_words(each.size)),
        ("ID", arguments.detailed, lambda each: each.id[:12]),
    ]
    show(columns, found, repeats=("PROJECT",))
    say_interrupted(found, context.report)
    if not found:
        context.report.note("No containers. Create one with: container-deploy PROJECT")
    for each in found:
        if each.is_outdated and context.owns(each.tag, each.user):
            context.report.note(
                f"[{each.name}] was created before the last update of {each.image}. "
                f"For the new image: container-retire {each.name}, then "
                f"container-deploy {each.name} --project {each.project}"
            )
    for other in made_by_others(context):
        context.report.note(
            f"{other.name} ({other.status}) uses your image {other.image}, but mlc did not create "
            f"it. Remove it with: docker rm -f {other.name}"
        )
    return 0
