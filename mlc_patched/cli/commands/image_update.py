"""`image-update`."""

from __future__ import annotations

import argparse

from ...errors import DeclinedError, UsageError
from ..output import print_json, say
from ..parser import TYPE_CHECKING, Parser, add_build_flags, add_positional, add_switch, add_words

if TYPE_CHECKING:
    from ...context import Context
    from ...images.update import Change, ImageUpdated, ImageUpdateRequest

EXAMPLES = (
    "image-update thesis --add seaborn 'numpy<2'",
    "image-update thesis --remove scipy --apt ffmpeg",
    "image-update thesis --edit         in your editor",
    "image-update thesis                from the Dockerfile as it is",
    "image-update thesis --rollback     the image before the last update",
)


def add_arguments(command: Parser) -> None:
    add_positional(command, "project", "name of the project", "projects", metavar="PROJECT")
    add_words(command, "--add", "-p", metavar="PACKAGE", help="Python packages to add")
    add_words(
        command, "--remove", metavar="PACKAGE", help="packages to remove, Python's or Debian's"
    )
    add_words(
        command,
        "--apt",
        "--add-system",
        "-s",
        "--system",
        metavar="PACKAGE",
        help="Debian packages to add",
    )
    add_switch(command, "--rebuild", "rebuild from the Dockerfile as it is (the default)")
    add_switch(command, "--edit", "open the Dockerfile in $EDITOR first")
    add_switch(command, "--rollback", "go back to the image before the last update")
    add_switch(command, "--dry-run", "show what would change in the Dockerfile")
    add_build_flags(command)


def run(arguments: argparse.Namespace, context: Context) -> int:
    import sys

    from ...images.build.client import build_arguments
    from ...images.build.image import BuildError
    from ...images.update import ImageUpdateRequest, plan_change, roll_back, update_image
    from ..prompts import ask_yes_no, choose_project, may_ask

    name = arguments.project or choose_project(arguments, context, "update")
    if arguments.rollback:
        if arguments.add or arguments.apt or arguments.remove or arguments.edit:
            raise UsageError(
                "--rollback cannot be combined with changes: it goes back to an existing image."
            )
        return _say_updated(roll_back(name, context), arguments, "is restored")
    request = ImageUpdateRequest(
        project=name,
        add=tuple(arguments.add),
        apt=tuple(arguments.apt),
        remove=tuple(arguments.remove),
        pull=arguments.pull,
        no_cache=arguments.no_cache,
        arguments=build_arguments(arguments.build_arg, context.environ),
    )
    change = plan_change(request, context)
    for package in change.changes.present:
        context.report.note(f"{package} is already in the Dockerfile.")
    if arguments.edit:
        change = _by_hand(change, context)
    diff = change.diff()
    if arguments.edit and not diff:
        context.report.note("The Dockerfile is unchanged.")
    if diff:
        # With --json, standard output is for the result alone.
        (context.report.note if arguments.json else say)(diff)
    if arguments.dry_run:
        return 0
    question = f"Build {change.project.image} now?"
    if may_ask(arguments, "yes") and not ask_yes_no(question, default=True):
        raise DeclinedError("Nothing was done.")
    sys.stdout.flush()  # before the build's output, which goes to standard error
    try:
        updated = update_image(change, request, context, by_hand=arguments.edit)
    except BuildError as error:
        if not arguments.edit:
            error.add_hint(f"To try again: {_as_command(request)}")
        raise
    return _say_updated(updated, arguments, "is ready")


def _as_command(request: ImageUpdateRequest) -> str:
    """Return the command line that asks for the same without a question."""
    import shlex

    argv = ["image-update", request.project]
    for flag, words in (
        ("--add", request.add),
        ("--apt", request.apt),
        ("--remove", request.remove),
        ("--build-arg", request.arguments),
        ("--pull", request.pull),
        ("--no-cache", request.no_cache),
    ):
        argv += [flag, *(words if isinstance(words, tuple) else ())] if words else []
    return shlex.join([*argv, "-y"])


def _by_hand(change: Change, context: Context) -> Change:
    from dataclasses import replace

    from ...images.editor import edited
    from ...images.update import with_block

    if change.rejected is not None:
        context.report.note("Continuing from your edit whose build failed.")
    text = edited(
        change.after if change.rejected is None else change.rejected,
        change.project.dockerfile,
        context.account,
        context.environ,
    )
    return replace(change, after=with_block(text, change.project))


def _say_updated(updated: ImageUpdated, arguments: argparse.Namespace, what: str) -> int:
    from ...names.containers import short_name
    from ...units import size_in_words

    if arguments.json:
        return print_json("updated", updated)
    took = f", built and checked in {updated.seconds:.0f} s" if updated.seconds else ""
    say(f"[{updated.project}] {updated.image} {what}: {size_in_words(updated.size)}{took}.")
    if updated.previous:
        say(
            f"The previous image is {updated.previous}; go back to it with: "
            f"image-update {updated.project} --rollback"
        )
    if updated.containers:
        say("Containers that still use the previous image:")
        for container in updated.containers:
            short = short_name(container.tag)
            say(
                f"  {container.tag} ({container.state}): when you are done with it, "
                f"mlc remove {short} and mlc create {short} --image {updated.image}"
            )
    say(f"Create a container from it: container-deploy {updated.project}")
    return 0
