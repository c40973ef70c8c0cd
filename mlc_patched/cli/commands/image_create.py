"""The edge of image-create, -update and -push: arguments to requests, results to words."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace

from ..context import Context
from ..errors import DeclinedError, MlcError, UsageError
from ..host.files import read_text
from ..images.create import (
    ImageCreated,
    ImageCreateRequest,
    Prepared,
    create_image,
    planned_command,
    prepare,
    refuse_existing,
)
from ..images.dockerfile.installs import APT, PIP, packages_in
from ..images.packages import requirements_of
from ..images.project.files import ProjectFiles
from ..images.project.lock import working_on
from ..images.recipe import ImageRequest
from ..images.update import (
    Change,
    ImageUpdated,
    ImageUpdateRequest,
    plan_change,
    roll_back,
    update_image,
    with_block,
)
from ..names.containers import short_name
from ..names.projects import project_of
from .edge import print_json
from .image_arguments import parser as parser  # noqa: PLC0414 - part of the interface
from .image_edge import asked_project, may_ask
from .output import say, size_in_words
from .prompts import ask_yes_no


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Carry out one of the commands and return its exit code; may raise MlcError."""
    return _COMMANDS[arguments.command](arguments, context)


def _create(arguments: argparse.Namespace, context: Context) -> int:
    from .commands import image_wizard

    request = _create_request(arguments, context)
    asks = may_ask(arguments)
    if request.image.project:
        project = project_of(request.image.project, context.account)
        if asks and not arguments.dry_run:
            # Before the questions; and again after them, as it may be there by then.
            with working_on(project, context):
                refuse_existing(request, project, ProjectFiles(context.account, project), context)
    if asks:
        request = image_wizard.complete(request, context)
    elif not request.image.project:
        raise UsageError("Which project? Say: image-create PROJECT -f PyTorch -y")
    prepared = prepare(request, context)
    if arguments.dry_run:
        say(prepared.text.rstrip("\n"))
        say(f"\n# Build command:\n# {shlex.join(planned_command(request, prepared, context))}")
        return 0
    if prepared.block_added:
        # With --json, standard output is for the result alone.
        tell = context.report.note if arguments.json else say
        tell("Your Dockerfile lacks the user-set-up block. This is added at its end:\n")
        tell(prepared.block_added)
    if asks:
        _summary(prepared)
        question = "Build it now?" if request.build else "Write the Dockerfile?"
        if not ask_yes_no(question, default=True):
            raise DeclinedError("Nothing was done.")
    sys.stdout.flush()  # before what the build says, which goes to standard error
    try:
        created = create_image(request, prepared, context)
    except MlcError:
        if asks:
            context.report.note(f"The same once more: {_as_command(request)}")
        raise
    _tell_created(created, arguments)
    return 0


def _create_request(arguments: argparse.Namespace, context: Context) -> ImageCreateRequest:
    pip = list(arguments.packages)
    if arguments.requirements is not None:
        text = read_text(arguments.requirements, "requirements file", context.account)
        pip += requirements_of(text.removeprefix("\ufeff"), arguments.requirements)
    return ImageCreateRequest(
        image=ImageRequest(
            project=arguments.project or "",
            framework=arguments.framework,
            version=arguments.version,
            base=arguments.base,
            presets=tuple(arguments.preset),
            pip=tuple(pip),
            apt=tuple(arguments.apt),
        ),
        dockerfile=arguments.dockerfile,
        build=not arguments.no_build,
        force=arguments.force,
        pull=arguments.pull,
        no_cache=arguments.no_cache,
    )


def _summary(prepared: Prepared) -> None:
    say("")
    rows = [
        ("Project", prepared.project.name),
        ("Image", prepared.project.image),
        ("Framework", prepared.framework),
        ("Python packages", " ".join(packages_in(prepared.text, PIP)) or "none"),
        ("System packages", " ".join(packages_in(prepared.text, APT)) or "none"),
    ]
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        say(f"  {name:<{width}}  {value}")
    say("")


def _as_command(request: ImageCreateRequest) -> str:
    """Return the command line that asks for the same without a question."""
    image = request.image
    argv = ["image-create", image.project]
    for flag, value in (
        ("-f", image.framework),
        ("-v", image.version),
        ("--base", image.base),
        ("--dockerfile", request.dockerfile),
    ):
        argv += [flag, value] if value else []
    for flag, values in (("--preset", image.presets), ("-p", image.pip), ("--apt", image.apt)):
        argv += [flag, *values] if values else []
    argv += ["--force"] if request.force else []
    return shlex.join([*argv, "-y"])


def _tell_created(created: ImageCreated, arguments: argparse.Namespace) -> None:
    if arguments.json:
        print_json("created", created.as_json())
        return
    if created.backup:
        say(f"The former Dockerfile is {created.backup}")
    if created.image_id is None:
        say(f"Wrote {created.dockerfile}. Build it with: image-update {created.project}")
        return
    say(
        f"[{created.project}] {created.image} is ready: {size_in_words(created.size)}, "
        f"built and checked in {created.seconds:.0f} s.\n"
        f"Its Dockerfile: {created.dockerfile}\n"
        f"A container from it: mlc create {created.project} --image {created.image}"
    )


def _update(arguments: argparse.Namespace, context: Context) -> int:
    name = arguments.project or asked_project(arguments, context, "update")
    if arguments.rollback:
        if arguments.add or arguments.apt or arguments.remove or arguments.edit:
            raise UsageError("--rollback goes back to an image that is there; it takes no changes.")
        updated = roll_back(name, context)
        _tell_updated(updated, arguments, "is back")
        return 0
    request = ImageUpdateRequest(
        project=name,
        add=tuple(arguments.add),
        apt=tuple(arguments.apt),
        remove=tuple(arguments.remove),
        pull=arguments.pull,
        no_cache=arguments.no_cache,
    )
    change = plan_change(request, context)
    for package in change.changes.present:
        context.report.note(f"{package} is in the Dockerfile already.")
    if arguments.edit:
        change = _by_hand(change, context)
    if diff := change.diff():
        # With --json, standard output is for the result alone.
        (context.report.note if arguments.json else say)(diff)
    if arguments.dry_run:
        return 0
    if may_ask(arguments) and not ask_yes_no(f"Build {change.project.image} now?", default=True):
        raise DeclinedError("Nothing was done.")
    sys.stdout.flush()
    updated = update_image(change, request, context, by_hand=arguments.edit)
    _tell_updated(updated, arguments, "is ready")
    return 0


def _by_hand(change: Change, context: Context) -> Change:
    from ..images.editor import edited

    if change.rejected is not None:
        context.report.note("Going on from your edit whose build failed.")
    text = edited(
        change.after if change.rejected is None else change.rejected,
        change.project.dockerfile,
        context.account,
        context.environ,
    )
    return replace(change, after=with_block(text, change.project))


def _tell_updated(updated: ImageUpdated, arguments: argparse.Namespace, what: str) -> None:
    if arguments.json:
        print_json("updated", updated.as_json())
        return
    took = f", built and checked in {updated.seconds:.0f} s" if updated.seconds else ""
    say(f"[{updated.project}] {updated.image} {what}: {size_in_words(updated.size)}{took}.")
    if updated.previous:
        say(
            f"The image before is {updated.previous}; back to it with: "
            f"image-update {updated.project} --rollback"
        )
    if updated.containers:
        say("Containers that are still on the image before:")
        for container in updated.containers:
            short = short_name(container.tag)
            say(
                f"  {container.tag} ({container.state}): when you are done with it, "
                f"mlc remove {short} and mlc create {short} --image {updated.image}"
            )


def _push(arguments: argparse.Namespace, context: Context) -> int:
    from ..images.push import push_image

    name = arguments.project or asked_project(arguments, context, "push")
    pushed = push_image(name, arguments.registry, context)
    if arguments.json:
        print_json("pushed", pushed.as_json())
        return 0
    say(
        f"[{pushed.project}] {pushed.pushed} is in the registry "
        f"({size_in_words(pushed.size)} before compression).\n"
        f"Its digest: {pushed.digest}\n"
        f"A container from it on another engine: container-deploy {pushed.project}"
    )
    return 0


_COMMANDS: Mapping[str, Callable[[argparse.Namespace, Context], int]] = {
    "image-create": _create,
    "image-update": _update,
    "image-push": _push,
}
