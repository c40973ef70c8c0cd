"""The edge of container-list and container-retire: arguments to requests, results to words."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from ..context import Context
from ..errors import UsageError
from ..host.account import refuse_root
from ..names.containers import short_name
from ..names.labels import NOT_GIVEN
from .edge import below_home, print_json, show
from .output import say, size_in_words
from .prompts import ask_choice, on_terminal

if TYPE_CHECKING:
    from .edge import Column


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Carry one of the two out and return its exit code; may raise MlcError."""
    return (_list if arguments.command == "container-list" else _retire)(arguments, context)


def _list(arguments: argparse.Namespace, context: Context) -> int:
    from ..containers.inventory import ListedContainer, list_containers

    found = list_containers(context, all_users=arguments.all, sizes=arguments.detailed)
    if arguments.json:
        return print_json("containers", [each.as_json() for each in found])

    def short(path: str) -> str:
        return below_home(path, context.account.home)

    def image(each: ListedContainer) -> str:
        return f"{each.image} (image updated since)" if each.is_outdated else each.image

    columns: list[Column] = [
        ("CONTAINER", True, lambda each: f"[{each.name}]"),
        ("USER", arguments.all, lambda each: each.user),
        ("PROJECT", True, lambda each: each.project),
        ("IMAGE", True, image),
        ("NODE", any(each.node != NOT_GIVEN for each in found), lambda each: each.node),
        ("STATUS", True, lambda each: each.status),
        ("GPU", True, lambda each: each.gpus),
        ("CREATED", True, lambda each: each.created[:16].replace("T", " ")),
        ("WORKSPACE", True, lambda each: short(each.workspace)),
        ("DATA", arguments.detailed, lambda each: short(each.data)),
        ("MODELS", arguments.detailed, lambda each: short(each.models)),
        ("ARCHITECTURE", arguments.detailed, lambda each: each.architecture),
        ("SIZE", arguments.detailed, lambda each: size_in_words(each.size)),
        ("ID", arguments.detailed, lambda each: each.id[:12]),
    ]
    show(columns, found)
    if not found:
        context.report.note("No containers. Make one with: container-deploy PROJECT")
    for each in found:
        if each.is_outdated and each.user == context.account.login:
            context.report.note(
                f"[{each.name}] has the {each.image} of before its update. For the new one: "
                f"container-retire {each.name}, then container-deploy {each.name} "
                f"--project {each.project}"
            )
    return 0


def _retire(arguments: argparse.Namespace, context: Context) -> int:
    from ..containers.retire import Retired, plan_retirements, retire
    from .questions import confirmed

    refuse_root(context.account)
    names, tag = list(arguments.names), arguments.save
    if not names and tag:
        names, tag = [tag], ""  # container-retire --save NAME
    if not names:
        names = [_asked_container(arguments, context)]
    plans = plan_retirements(names, tag, context)
    for plan in plans:
        if plan.replaces:
            confirmed(arguments, f"There is an image {plan.image} already. Replace it?")
    for plan in plans:
        if plan.image is None:
            confirmed(arguments, f"Remove {plan.name}? What was installed in it is lost.")
        else:
            confirmed(arguments, f"Save {plan.name} as {plan.image} and remove it?")
    retired: list[Retired] = []
    for plan in plans:
        done = retire(plan, context)
        retired.append(done)
        if not arguments.json:
            _tell_retired(done)
        if done.image_kept:
            context.report.note(done.image_kept)
    return print_json("retired", [each.as_json() for each in retired]) if arguments.json else 0


def _tell_retired(retired: Any) -> None:
    image = f", and with it the image {retired.image_removed}" if retired.image_removed else ""
    if retired.saved is None:
        say(f"[{retired.name}] removed{image}.")
        return
    saved = retired.saved
    say(
        f"[{retired.name}] saved as {saved.image} ({size_in_words(saved.size)}) and removed{image}."
    )
    say("Changed against the image it was made from:")
    for line in saved.summary.lines():
        say(f"  {line}")
    say(f"Containers from it: container-deploy {retired.name} --image {saved.image}")


def _asked_container(arguments: argparse.Namespace, context: Context) -> str:
    if arguments.yes or arguments.json or not on_terminal():
        raise UsageError("Which container? Say: container-retire NAME")
    from ..containers.cluster_list import list_services

    offered = [short_name(each.name) for each in context.own_containers()]
    offered += [each.name for each in list_services(context)]
    if not offered:
        raise UsageError("You have no container. Make one with: container-deploy PROJECT")
    say("Your containers:")
    return offered[ask_choice("Which one?", offered)]
