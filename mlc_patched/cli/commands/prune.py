"""The administrators' commands, adopt, doctor and prune: what carries them out, and their words."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ..context import Context
from ..errors import MlcError, UsageError
from .edge import print_json
from .output import say, size_in_words, table
from .questions import confirmed

if TYPE_CHECKING:
    from ..maintenance.adopt import Candidate
    from ..maintenance.checks import Finding

HOUR = 3600


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Carry one of the commands out and return its exit code."""
    return _RUN[arguments.command](arguments, context)


def _adopt(arguments: argparse.Namespace, context: Context) -> int:
    from ..maintenance.adopt import adopt, candidates, clear

    names = tuple(arguments.container_names)
    if bool(names) == arguments.all:
        raise UsageError(
            "Which containers? Say: mlc adopt NAME… - or all of yours: mlc adopt --all"
        )
    if arguments.project is not None and len(names) != 1:
        raise UsageError("--project names the image of a single container.")
    found = candidates(names, context, project=arguments.project)
    chosen = [each for each in found if not each.refusal]
    refused = [each for each in found if each.refusal]
    for each in refused:
        context.report.note(f"[{each.name}] not adopted: {each.refusal}.")
    if arguments.dry_run:
        return _adopt_dry_run(chosen, arguments.json)
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
        return print_json("adopted", [each.as_json() for each in done]) or bool(failed)
    for adopted in done:
        say(
            f"[{adopted.name}] {adopted.source} is {adopted.image} now, with the account "
            f"{adopted.username}; it takes {size_in_words(adopted.added)} more of the disk. "
            f"The next container of it is one engine call, and saves the set-up and a commit of "
            f"{size_in_words(adopted.saved)}: mlc create NAME --image {adopted.image}"
        )
    if failed:
        raise MlcError(f"{failed} of {len(chosen)} were not adopted; why is told above.")
    if names and refused:
        raise MlcError(f"{len(refused)} of {len(found)} were not adopted; why is told above.")
    if not done and not arguments.json:
        say("Nothing to adopt.")
    return 0


def _adopt_dry_run(chosen: list[Candidate], as_json: bool) -> int:
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


def _prune(arguments: argparse.Namespace, context: Context) -> int:
    from ..maintenance.prune import find, prune

    found = find(
        context,
        all_users=arguments.all_users,
        previous=arguments.previous,
        unused=arguments.unused,
        aime=arguments.aime,
        older_than=arguments.older_than * HOUR,
    )
    if found.unlabelled:
        context.report.note(
            f"{found.unlabelled} committed images without labels, as AIME's mlc makes them, are "
            "not used by any container. See them with: mlc prune --aime --dry-run"
        )
    if not arguments.json and found.items:
        rows = [
            (each.kind.value, each.name, str(each.uid), size_in_words(each.frees))
            for each in found.items
        ]
        table(("LEFT OVER", "NAME", "UID", "FREES ALONE"), rows)
        say(f"All together: {size_in_words(found.frees)} of disk, shared layers counted once.")
    if arguments.dry_run or not found.items:
        if arguments.json:
            return print_json(
                "left_over", [each.as_json() for each in found.items], frees=found.frees
            )
        if not found.items:
            say("Nothing is left over.")
        return 0
    confirmed(arguments, f"Remove these {len(found.items)}?", False)
    pruned = prune(found, context)
    for kept in pruned.kept:
        context.report.note(f"Kept: {kept}")
    if arguments.json:
        return print_json(
            "removed", list(pruned.removed), kept=list(pruned.kept), frees=found.frees
        )
    say(f"{len(pruned.removed)} removed.")
    return 0


def _doctor(arguments: argparse.Namespace, context: Context) -> int:
    from ..maintenance.checks import Health
    from ..maintenance.doctor import doctor, repair

    findings = doctor(context)
    repairs = [each for each in findings if each.repair is not None]
    if arguments.json and not arguments.repair:
        print_json("findings", [each.as_json() for each in findings])
    elif not arguments.json:
        _page(findings)
    if arguments.repair:
        if repairs:
            for each in repairs:
                context.report.note(f"Would mend {each.name}: {each.repair_words}")
            confirmed(arguments, f"Mend these {len(repairs)}?", True)
            repair(repairs, context)
            findings = doctor(context)
        if arguments.json:
            print_json("findings", [each.as_json() for each in findings])
        elif repairs:
            say("After mending:")
            _page(findings)
        else:
            context.report.note("There is nothing that can be mended without you.")
    return int(any(each.health is Health.BROKEN for each in findings))


def _page(findings: list[Finding]) -> None:
    for each in findings:
        say(f"{each.health.value:8} {each.name}: {each.text}")
        if each.remedy:
            say(f"{'':8}   mend it with: {each.remedy}")


_RUN = {"adopt": _adopt, "doctor": _doctor, "prune": _prune}
