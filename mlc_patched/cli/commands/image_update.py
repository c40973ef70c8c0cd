"""`image-update`."""

from __future__ import annotations

import argparse

from ...errors import DeclinedError, MlcError, UsageError
from ..output import print_json, say
from ..parser import (
    TYPE_CHECKING,
    Parser,
    add_build_flags,
    add_json,
    add_positional,
    add_switch,
    add_words,
)

if TYPE_CHECKING:
    from ...context import Context
    from ...images.update import Change, ImageUpdated, ImageUpdateRequest

_MOST_SHOWN = 40
EXAMPLES = (
    "image-update thesis --add seaborn 'numpy<2'",
    "image-update thesis --remove scipy --apt ffmpeg",
    "image-update thesis --upgrade numpy     a newer version; all without a name",
    "image-update thesis --edit         in your editor",
    "image-update thesis                from the Dockerfile as it is",
    "image-update thesis --rollback     the image before the last update",
)


def add_arguments(command: Parser) -> None:
    add_positional(command, "project", "name of the project", "projects", metavar="PROJECT")
    add_words(command, "--add", "-p", metavar="PACKAGE", help="Python packages, wheels, URLs")
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
    command.add_argument(
        "--upgrade",
        nargs="*",
        metavar="PACKAGE",
        help="move these packages to newer versions, or all without a name; others stay",
    )
    add_switch(command, "--compact", "fold the appended steps into one, with the same versions")
    add_switch(command, "--rebuild", "rebuild from the Dockerfile as it is (the default)")
    add_switch(command, "--edit", "open the Dockerfile in $EDITOR first")
    add_switch(command, "--rollback", "go back to the image before the last update")
    add_switch(command, "--dry-run", "show what would change in the Dockerfile")
    add_build_flags(command)
    add_json(command)


def run(arguments: argparse.Namespace, context: Context) -> int:
    from ..prompts import choose_project

    name = arguments.project or choose_project(arguments, context, "update")
    try:
        return (_roll_back if arguments.rollback else _update)(name, arguments, context)
    except MlcError as error:  # also from code that does not know the project
        error.hint = error.hint.replace("image-update PROJECT", f"image-update {name}")
        raise


def _roll_back(name: str, arguments: argparse.Namespace, context: Context) -> int:
    from ...images.rollback import plan_rollback, roll_back

    for flag, value in (
        ("--add", arguments.add),
        ("-r", arguments.requirements),
        ("--apt", arguments.apt),
        ("--remove", arguments.remove),
        ("--upgrade", arguments.upgrade is not None),
        ("--compact", arguments.compact),
        ("--rebuild", arguments.rebuild),
        ("--edit", arguments.edit),
        ("--build-arg", arguments.build_arg),
        ("--pull", arguments.pull),
        ("--no-cache", arguments.no_cache),
    ):
        if value:
            raise UsageError(
                f"--rollback cannot be combined with {flag}: it goes back to an existing image."
            )
    if not arguments.dry_run:
        return _say_updated(roll_back(name, context), arguments, "is restored")
    planned = plan_rollback(name, context)
    if arguments.json:
        return print_json("planned", planned)
    if planned.diff:
        say(planned.diff)
    if planned.versions:
        say("\n".join(("Versions:", *_shown(planned.versions))))
    say(f"[{name}] {planned.image} would be {planned.image_id}, which is {planned.previous} now.")
    return 0


def _update(name: str, arguments: argparse.Namespace, context: Context) -> int:
    import contextlib

    from ...images.build.client import build_arguments
    from ...images.editor import EditEncodingError
    from ...images.project.files import ProjectFiles
    from ...images.publish import keep_rejected, kept_if_rejected
    from ...images.update import ImageUpdateRequest, plan_change, with_block
    from ...images.versions.pins import Upgrade
    from ...lean import replace

    request = ImageUpdateRequest(
        project=name,
        add=tuple(arguments.add),
        apt=tuple(arguments.apt),
        remove=tuple(arguments.remove),
        upgrade=Upgrade(arguments.upgrade == [], tuple(arguments.upgrade or ())),
        compact=arguments.compact,
        pull=arguments.pull,
        no_cache=arguments.no_cache,
        arguments=build_arguments(arguments.build_arg, context.environ),
        requirements=arguments.requirements,
    )
    change = plan_change(request, context)
    for package in change.changes.present:
        context.report.note(f"{package} is already in the Dockerfile.")
    if not arguments.edit:
        updated = _build(change, request, arguments, context)
        return 0 if updated is None else _say_updated(updated, arguments, "is ready")
    files = ProjectFiles(context.account, change.project)
    what, then = "Your edit", f"Continue with: image-update {name} --edit"
    try:
        text = _by_hand(change, request, context)
    except EditEncodingError as error:
        error.add_hint(keep_rejected(error.text, files, what=what, then=then))
        raise
    is_edited = text != change.before
    with contextlib.ExitStack() as stack:
        if is_edited:
            failures = (BaseException,)
            stack.enter_context(
                kept_if_rejected(
                    *(text, files, context.report), what=what, then=then, failures=failures
                )
            )
        change = replace(change, after=with_block(text, change.project))
        updated = _build(change, request, arguments, context)
    if updated is not None:
        return _say_updated(updated, arguments, "is ready")
    if is_edited:
        context.report.note(keep_rejected(text, files, what=what, then=then))
    return 0


def _build(
    change: Change, request: ImageUpdateRequest, arguments: argparse.Namespace, context: Context
) -> ImageUpdated | None:
    """Show a change, ask, and build it; return None for --dry-run."""
    import sys

    from ...images.build.request import BuildError
    from ...images.project.files import ProjectFiles
    from ...images.summary import summary_of
    from ...images.update import preview, update_image
    from ...images.versions.record import read_lock
    from ..prompts import ask_yes_no, may_ask

    # With --json, standard output is for the result alone.
    tell = context.report.note if arguments.json else say
    diff = change.diff()
    if arguments.edit and not diff:
        context.report.note("The Dockerfile is unchanged.")
    if diff:
        tell(diff)
    asks = may_ask(arguments, "yes")
    found = preview(change, request, context, pulls=asks and not arguments.dry_run)
    if versions := found.resolved.lines():
        tell("\n".join(("Versions:", *versions)))
    if asks or arguments.dry_run:
        lock = read_lock(ProjectFiles(context.account, change.project))
        summary = summary_of(
            *(change.after, change.project, context),
            last=lock.base if lock and not request.pull else None,
            is_fresh=request.no_cache,
            pull=request.pull and found.base is None,
            upgrade=request.upgrade,
            words=request.arguments,
        )
        tell("\n".join(summary.lines()))
    if arguments.dry_run:
        planned = {
            "project": request.project,
            "image": change.project.image,
            "diff": diff,
            "versions": versions,
        }
        if arguments.json:
            print_json("planned", planned)
        return None
    question = f"Build {change.project.image} now?"
    if asks and not ask_yes_no(question, default=True):
        raise DeclinedError("Nothing was done.")
    sys.stdout.flush()  # before the build's output, which goes to standard error
    try:
        return update_image(change, request, context, by_hand=arguments.edit, previewed=found)
    except BuildError as error:
        if not arguments.edit:
            error.add_hint(f"To try again: {_as_command(request)}")
        raise


def _as_command(request: ImageUpdateRequest) -> str:
    """Return the command line that asks for the same without a question."""
    import shlex

    argv = ["image-update", request.project]
    for flag, words in (
        ("--add", request.add),
        ("--apt", request.apt),
        ("--remove", request.remove),
        ("--build-arg", request.arguments),
        ("-r", (request.requirements or "",) if request.requirements else ()),
        ("--upgrade", request.upgrade.packages or request.upgrade.everything),
        ("--compact", request.compact),
        ("--pull", request.pull),
        ("--no-cache", request.no_cache),
    ):
        argv += [flag, *(words if isinstance(words, tuple) else ())] if words else []
    return shlex.join([*argv, "-y"])


def _by_hand(change: Change, request: ImageUpdateRequest, context: Context) -> str:
    """Return the Dockerfile as the user edits it, from a former edit that was not built, unless
    the Dockerfile was changed since then."""
    from ...images.editor import edited
    from ...images.project.files import REJECTED, ProjectFiles
    from ..prompts import on_terminal

    if not on_terminal() and not any(map(context.environ.get, ("VISUAL", "EDITOR"))):
        raise UsageError(
            "--edit needs a terminal.",
            "Without one, name a program that edits the file in the environment variable EDITOR.",
        )
    text, files = change.after, ProjectFiles(context.account, change.project)
    if files.is_older(REJECTED):
        kept = files.back_up_dockerfile(of=REJECTED, move=True)
        context.report.note(
            f"The Dockerfile was changed after your last edit that was not built: that is in {kept}"
            " now, and this edit starts from the Dockerfile."
        )
    elif change.rejected is not None:
        if any((request.add, request.apt, request.remove, request.requirements, request.compact)):
            raise UsageError(
                "--edit continues from your edit that was not built, so it cannot be combined with "
                "other changes of the Dockerfile.",
                f"Continue with: image-update {request.project} --edit\nTo drop that edit, remove "
                f"{files.dockerfile_path}{REJECTED}",
            )
        context.report.note(
            "Continuing from your edit that was not built. To drop it, remove "
            f"{files.dockerfile_path}{REJECTED}"
        )
        text = change.rejected
    return edited(text, change.project.dockerfile, context.account, context.environ)


def _say_updated(updated: ImageUpdated, arguments: argparse.Namespace, what: str) -> int:
    from ...images.dockerfile.compact import MOST
    from ...names.containers import short_name
    from ...units import size_in_words

    if arguments.json:
        return print_json("updated", updated)
    took = f", built and checked in {updated.seconds:.0f} s" if updated.seconds else ""
    say(f"[{updated.project}] {updated.image} {what}: {size_in_words(updated.size)}{took}.")
    if updated.changes:
        say("\n".join(("What changed against the last build:", *_shown(updated.changes))))
    if updated.appended > MOST:
        say(
            f"{updated.appended} appended steps with packages can be folded into fewer with: "
            f"image-update {updated.project} --compact"
        )
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
                f"container-retire {short}, then container-deploy {short} --project "
                f"{updated.project}"
            )
    say(f"Create a container from it: container-deploy {updated.project}")
    return 0


def _shown(changes: tuple[str, ...]) -> list[str]:
    rest = len(changes) - _MOST_SHOWN
    more = [f"  and {rest} more; see the lock beside the Dockerfile"] if rest > 0 else []
    return [*(f"  {line}" for line in changes[:_MOST_SHOWN]), *more]
