"""`container-retire`."""

from __future__ import annotations

import argparse

from ..output import say
from ..parser import (
    TYPE_CHECKING,
    Parser,
    add_force,
    add_json,
    add_missing_ok,
    add_option,
    add_positional,
    add_yes,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...containers.retire import Retired, Retirement
    from ...containers.retire_cluster import ServiceRetirement
    from ...context import Context

EXAMPLES = (
    "container-retire thesis",
    "container-retire thesis --save            as ds01-UID/thesis:DATE",
    "container-retire thesis --save with-cuda  as ds01-UID/thesis:with-cuda",
    "container-retire thesis thesis-2 -y",
)


def add_arguments(command: Parser) -> None:
    add_positional(command, "names", "name of a container", "containers", nargs="*", metavar="NAME")
    add_option(
        command,
        "--save",
        "TAG",
        "save it as ds01-UID/PROJECT:TAG first (default: a tag of the date)",
        nargs="?",
        const="",
    )
    add_force(command, "do not ask, not even before replacing an image")
    add_missing_ok(command)
    add_yes(command)
    add_json(command)


def run(arguments: argparse.Namespace, context: Context) -> int:
    from ...containers.retire import exists, plan_retirements, retire
    from ..several import for_each, note_kept

    names, tag = list(dict.fromkeys(arguments.names)), arguments.save
    if not names and tag:
        names, tag = [tag], ""  # container-retire --save NAME
    if not names:
        names = [_choose(arguments, context)]
    missing = [name for name in names if arguments.missing_ok and not exists(name, context)]
    plans = plan_retirements([name for name in names if name not in missing], tag, context)
    _confirm(plans, arguments, context)
    planned = {plan.name: plan for plan in plans}

    def act(name: str) -> Retired:
        retired = retire(planned[name], context)
        if arguments.json:
            note_kept(retired, context)
        return retired

    def show(retired: Retired) -> None:
        _say_retired(retired)
        note_kept(retired, context)

    return for_each(
        [*planned], act, show, arguments, context, "retired", missing=missing, stops=True
    )


def _confirm(
    plans: Sequence[Retirement | ServiceRetirement],
    arguments: argparse.Namespace,
    context: Context,
) -> None:
    """Ask before an image is replaced, and before a container is removed."""
    from ...containers.processes import say_what_ends
    from ...containers.retire import Retirement
    from ..prompts import confirm

    for plan in plans:
        if plan.replaces:
            question = f"The image {plan.image} already exists. Replace it?"
            confirm(arguments, question, flag="-y")
    for plan in plans:
        if isinstance(plan, Retirement) and not (arguments.force or arguments.yes):
            say_what_ends(plan.container, context)
        if plan.image is None:
            question = f"Remove {plan.name}? Everything installed in it will be lost."
        else:
            question = f"Save {plan.name} as {plan.image} and remove it?"
        confirm(arguments, question, flag="-y")


def _say_retired(retired: Retired) -> None:
    from ...units import size_in_words

    image = f", and with it the image {retired.image_removed}" if retired.image_removed else ""
    if retired.saved is None:
        say(f"[{retired.name}] removed{image}.")
        return
    saved = retired.saved
    say(
        f"[{retired.name}] saved as {saved.image} ({size_in_words(saved.size)}) and removed{image}."
    )
    say("Changes compared with the image it was created from:")
    for line in saved.summary.lines():
        say(f"  {line}")
    say(f"Create containers from it: container-deploy {retired.name} --image {saved.image}")


def _choose(arguments: argparse.Namespace, context: Context) -> str:
    from ...errors import NotFoundError, UsageError
    from ...names.containers import short_name
    from ..prompts import ask_choice, may_ask

    if not may_ask(arguments, "yes"):
        raise UsageError("Which container?", "Use: container-retire NAME")
    from ...containers.list import list_services

    offered = [short_name(each.name) for each in context.containers()]
    offered += [each.name for each in list_services(context)]
    if not offered:
        raise NotFoundError("You have no container.", "Create one with: container-deploy PROJECT")
    say("Your containers:")
    return offered[ask_choice("Which one?", offered)]
