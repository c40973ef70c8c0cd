"""`image-create`."""

from __future__ import annotations

import argparse

from ...errors import DeclinedError, MlcError, UsageError
from ...images.presets import PRESETS
from ..dispatch import TYPE_CHECKING
from ..output import print_json, print_names, say, show_fields
from ..parser import (
    Parser,
    add_build_flags,
    add_option,
    add_output_of_new,
    add_positional,
    add_switch,
    add_words,
)

if TYPE_CHECKING:
    from ...context import Context
    from ...images.create import ImageCreated, ImageCreateRequest, Prepared

EXAMPLES = (
    "image-create                                       asks what it needs",
    "image-create thesis -f PyTorch --preset data-science -y",
    "image-create thesis -f JAX -p flax optax -y",
    "image-create thesis --base ubuntu:24.04 -p pandas 'numpy<2' --apt ffmpeg -y",
    "image-create thesis -f PyTorch -r requirements.txt -y",
    "image-create thesis --dockerfile ./Dockerfile      your own Dockerfile",
    "image-create thesis --from ds01-1002/vision        the same as a colleague's image",
    "image-create thesis --from ./vision.lock           the same versions, from a lock",
    "image-create thesis --force -y                     rebuild it from its Dockerfile",
    "image-create thesis -f PyTorch --dry-run           only show the Dockerfile",
)


def add_arguments(command: Parser) -> None:
    add_positional(command, "project", "name of the project", "projects", metavar="PROJECT")
    add_option(
        command, "-f --framework", "NAME", "PyTorch, TensorFlow, JAX or another one", "frameworks"
    )
    add_option(
        command,
        "-v --version",
        "VERSION",
        "version of the framework (default: the newest)",
        "versions",
    )
    base = command.add_mutually_exclusive_group()
    add_option(base, "--base", "IMAGE", "the image to build on, of your choice", "images")
    add_option(
        base,
        "--from",
        "SOURCE",
        "a project, an image or a lock file to build the same as",
        "images",
        dest="source",
    )
    add_option(
        base, "--dockerfile", "FILE", "your own Dockerfile; the account block is added", "files"
    )
    add_words(
        command,
        "--preset",
        "-t",
        "--type",
        metavar="PRESET",
        help=f"of {', '.join(PRESETS)}",
        completes="presets",
    )
    add_words(
        command,
        "-p",
        "--packages",
        metavar="PACKAGE",
        help="Python packages, e.g. 'numpy<2', wheels and URLs",
    )
    add_words(
        command, "--apt", "-s", "--system", metavar="PACKAGE", help="Debian packages, e.g. ffmpeg"
    )
    add_switch(command, "--no-build", "only write the Dockerfile, do not build it")
    add_switch(command, "--dry-run", "print the Dockerfile and the build command, change nothing")
    add_switch(command, "--force", "replace a project, keeping its Dockerfile; alone: rebuild it")
    add_build_flags(command)
    add_output_of_new(command, "project")


def run(arguments: argparse.Namespace, context: Context) -> int:
    import sys

    from ...images.build.request import BuildError
    from ...images.create import create_image, from_own_dockerfile, prepare
    from ...images.existing import fitting
    from ..prompts import ask_yes_no, may_ask

    if arguments.exist_ok and arguments.force:
        raise UsageError("--exist-ok keeps what --force replaces: give one of them.")
    request = _request(arguments, context)
    asks = may_ask(arguments, "yes")
    if request.image.project:
        if asks and not arguments.dry_run and not arguments.exist_ok:
            _refuse_existing(request, context)
        if arguments.exist_ok and (found := fitting(request, context)) is not None:
            return _say_created(found, arguments)
    elif not asks:
        raise UsageError("Which project?", "Use: image-create PROJECT -f PyTorch -y")
    request = from_own_dockerfile(request, context)
    if asks:
        from ..image_wizard import complete

        request = complete(request, context)
    prepared = prepare(request, context)
    if arguments.dry_run:
        return _say_planned(request, prepared, arguments, context)
    if prepared.block_added:
        # With --json, standard output is for the result alone.
        tell = context.report.note if arguments.json or arguments.quiet else say
        tell("Your Dockerfile lacks the account block. This is added at its end:\n")
        tell(prepared.block_added)
    if asks:
        _summary(request, prepared, context)
        question = "Build it now?" if request.build else "Write the Dockerfile?"
        if not ask_yes_no(question, default=True):
            raise DeclinedError("Nothing was done.")
    sys.stdout.flush()  # before the build's output, which goes to standard error
    try:
        created = create_image(request, prepared, context)
    except MlcError as error:
        if asks or isinstance(error, BuildError):
            error.add_hint(f"To try again: {_as_command(request)}")
        raise
    return _say_created(created, arguments)


def _request(arguments: argparse.Namespace, context: Context) -> ImageCreateRequest:
    from ...images.build.client import build_arguments
    from ...images.create import ImageCreateRequest
    from ...images.recipe import ImageRequest

    return ImageCreateRequest(
        image=ImageRequest(
            project=arguments.project or "",
            framework=arguments.framework,
            version=arguments.version,
            base=arguments.base,
            presets=tuple(arguments.preset),
            pip=tuple(arguments.packages),
            apt=tuple(arguments.apt),
        ),
        dockerfile=arguments.dockerfile,
        source=arguments.source,
        build=not arguments.no_build,
        force=arguments.force,
        pull=arguments.pull,
        no_cache=arguments.no_cache,
        requirements=arguments.requirements,
        arguments=build_arguments(arguments.build_arg, context.environ),
    )


def _refuse_existing(request: ImageCreateRequest, context: Context) -> None:
    """Refuse a project that exists before any question; create_image looks again later."""
    from ...images.create import refuse_existing
    from ...images.project.files import ProjectFiles
    from ...images.project.lock import working_on
    from ...names.projects import project_of

    project = project_of(request.image.project, context.account)
    with working_on(project, context):
        refuse_existing(request, project, ProjectFiles(context.account, project), context)


def _say_planned(
    request: ImageCreateRequest,
    prepared: Prepared,
    arguments: argparse.Namespace,
    context: Context,
) -> int:
    import shlex

    from ...images.create import planned_command

    if arguments.quiet:
        return print_names([prepared.project.name])
    command = planned_command(request, prepared, context)
    if arguments.json:
        project = prepared.project
        plan = {"project": project.name, "image": project.image, "dockerfile": prepared.text}
        return print_json("planned", {**plan, "command": command})
    say(prepared.text.rstrip("\n"))
    say("")
    for line in _steps(request, prepared, context):
        say(f"# {line}")
    say(f"\n# Build command:\n# {shlex.join(command)}")
    return 0


def _summary(request: ImageCreateRequest, prepared: Prepared, context: Context) -> None:
    from ...images.dockerfile.installs import APT, PIP, packages_in

    say("")
    show_fields(
        [
            ("Project", prepared.project.name),
            ("Image", prepared.project.image),
            ("Framework", prepared.framework),
            ("Python packages", " ".join(packages_in(prepared.text, PIP)) or "none"),
            ("System packages", " ".join(packages_in(prepared.text, APT)) or "none"),
        ]
    )
    say("\n".join(_steps(request, prepared, context)))
    say("")


def _steps(request: ImageCreateRequest, prepared: Prepared, context: Context) -> list[str]:
    from ...images.summary import summary_of

    return summary_of(
        prepared.text,
        prepared.project,
        context,
        last=prepared.lock.base if prepared.lock else None,
        is_fresh=request.no_cache,
        pull=request.pull,
        words=request.arguments,
    ).lines()


def _as_command(request: ImageCreateRequest) -> str:
    """Return the command line that asks for the same without a question."""
    import shlex

    image = request.image
    argv = ["image-create", image.project]
    for flag, value in (
        ("-f", image.framework),
        ("-v", image.version),
        ("--base", image.base),
        ("--from", request.source),
        ("--dockerfile", request.dockerfile),
        ("-r", request.requirements),
    ):
        argv += [flag, value] if value else []
    for flag, values in (
        ("--preset", image.presets),
        ("-p", image.pip),
        ("--apt", image.apt),
        ("--build-arg", request.arguments),
    ):
        argv += [flag, *values] if values else []
    for flag, is_set in (
        ("--no-build", not request.build),
        ("--force", request.force),
        ("--pull", request.pull),
        ("--no-cache", request.no_cache),
    ):
        argv += [flag] if is_set else []
    return shlex.join([*argv, "-y"])


def _say_created(created: ImageCreated, arguments: argparse.Namespace) -> int:
    from ...units import size_in_words

    if arguments.json:
        return print_json("created", created)
    if arguments.quiet:
        return print_names([created.project])
    if created.existed:
        say(f"[{created.project}] exists already: {created.image}, from {created.dockerfile}.")
        return 0
    if created.backup:
        say(f"The previous Dockerfile is now {created.backup}")
    if created.image_id is None:
        say(f"Wrote {created.dockerfile}. Build it with: image-update {created.project}")
        return 0
    say(
        f"[{created.project}] {created.image} is ready: {size_in_words(created.size)}, "
        f"built and checked in {created.seconds:.0f} s.\n"
        f"Its Dockerfile: {created.dockerfile}\n"
        f"Create a container from it: container-deploy {created.project}"
    )
    return 0
