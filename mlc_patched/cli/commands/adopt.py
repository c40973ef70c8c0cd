"""`mlc adopt`."""

from __future__ import annotations

import argparse

from ...errors import MlcError, UsageError
from ..dispatch import TYPE_CHECKING
from ..output import print_json, say
from ..parser import Parser, add_json, add_no_questions, add_option, add_positional, add_switch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...context import Context
    from ...maintenance.adopt import Candidate

EXAMPLES = (
    "mlc adopt my-project                 label the image it was made from",
    "mlc adopt --all --dry-run            what there is to adopt",
)


def add_arguments(command: Parser) -> None:
    add_positional(
        command, "container_names", "containers of yours", "containers", nargs="*", metavar="NAME"
    )
    add_switch(command, "--all", "all containers of yours")
    add_option(
        command, "--project", "PROJECT", "name of the image (default: the container's)", "projects"
    )
    add_switch(command, "-n --dry-run", "only say what would be done")
    add_json(command)
    add_no_questions(command)


def run(arguments: argparse.Namespace, context: Context) -> int:
    from ...maintenance.adopt import adopt, candidates, clear
    from ...units import size_in_words

    names = tuple(arguments.container_names)
    if bool(names) == arguments.all:
        raise UsageError(
            "Name containers or pass --all, not both." if names else "Which containers?",
            "Use: mlc adopt NAME… - or all of yours: mlc adopt --all",
        )
    if arguments.project is not None and len(names) != 1:
        raise UsageError("--project can be used with a single container only.")
    found = candidates(names, context, project=arguments.project)
    chosen = [each for each in found if not each.refusal]
    refused = [each for each in found if each.refusal]
    for each in refused:
        context.report.note(f"[{each.name}] not adopted: {each.refusal}.")
    if arguments.dry_run:
        return _dry_run(chosen, arguments.json)
    for each in refused:  # one that was killed may have been done but for what it leaves
        clear(each, context)
    done, failed = [], 0
    for each in chosen:
        try:
            done.append(adopt(each, context))
        except MlcError as error:
            failed += 1
            context.report.warn(f"[{each.name}] {error}")
    if arguments.json:
        return print_json("adopted", done) or bool(failed or (names and refused))
    for adopted in done:
        say(
            f"[{adopted.name}] {adopted.source} is now {adopted.image}, with the account "
            f"{adopted.username}; it takes {size_in_words(adopted.added)} more of the disk. "
            "A container of it is created without the account set-up and "
            f"a commit of {size_in_words(adopted.saved)}: mlc create NAME --image {adopted.image}"
        )
    if failed:
        raise _not_adopted(failed, len(chosen))
    if names and refused:
        raise _not_adopted(len(refused), len(found))
    if not done:
        say("Nothing to adopt.")
    return 0


def _not_adopted(failed: int, count: int) -> MlcError:
    if count == 1:
        return MlcError("The container was not adopted; see the message above.")
    return MlcError(f"{failed} of {count} containers were not adopted; see the messages above.")


def _dry_run(chosen: Sequence[Candidate], as_json: bool) -> int:
    plans = [
        {"name": each.name, "source": each.reference, "image": each.project.image}
        for each in chosen
    ]
    if as_json:
        return print_json("would_adopt", plans)
    for plan in plans:
        say(f"[{plan['name']}] would be adopted: {plan['source']} as {plan['image']}")
    if not plans:
        say("Nothing to adopt.")
    return 0
