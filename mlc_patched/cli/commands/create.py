"""`mlc create`."""

from __future__ import annotations

import argparse

from ...errors import UsageError, shown
from ..output import say, table
from ..parser import (
    Parser,
    add_limits,
    add_machine_flags,
    add_option,
    add_positional,
    add_script,
    add_switch,
    limits,
    machine,
)

TYPE_CHECKING = False  # typing itself takes 4 ms to import, a fifth of `mlc -h`
if TYPE_CHECKING:
    from ...context import Context
    from ...plan.request import CreateRequest

EXAMPLES = (
    "mlc create my-project Pytorch 2.8.0 -w /data/me/project",
    "mlc create my-project Pytorch 2.8.0 -g 2 -s      two GPUs, no questions",
    "mlc create my-project --image ds01-1001/my-project:latest -g device=0,1",
    "mlc create --info                                what the catalog has",
)


def add_arguments(command: Parser) -> None:
    add_positional(command, "container_name", "name of the container")
    add_positional(command, "framework", "framework of the catalog, e.g. Pytorch", "frameworks")
    add_positional(command, "version", "version of the framework, e.g. 2.8.0", "versions")
    add_switch(command, "-i --info", "show architectures, frameworks and versions")
    add_machine_flags(command, aime=True)
    add_option(
        command, "--image", "IMAGE", "create it from this image, not one of the catalog", "images"
    )
    add_limits(command)
    command.add_argument(
        "--ds01-label",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="a label for the container; may be repeated",
    )
    add_script(command)


def run(arguments: argparse.Namespace, context: Context) -> int:
    from ...containers.create import create
    from ...plan.flow import Flow
    from ..prompts import confirm, may_ask

    request = _request(arguments)
    if arguments.info:
        return _info(request, context)
    request = complete(request, arguments, context)
    what = request.image or f"{request.framework} {request.version}"
    if may_ask(arguments, "script"):
        confirm(arguments, f"Create the container {request.name} from {what}?", default=True)
    created = create(request, context)
    how = {Flow.IMAGE: "directly from", Flow.COMMIT: "with your account set up in"}
    say(
        f"[{created.name}] ready, {how[created.flow]} {created.image}. "
        f"Open it with: mlc open {created.name}"
    )
    return 0


def _request(arguments: argparse.Namespace) -> CreateRequest:
    from ...names.projects import LATEST
    from ...plan.request import CUSTOM, CreateRequest

    own = arguments.image is not None
    return CreateRequest(
        name=_text(arguments.container_name),
        framework=_text(arguments.framework) or (CUSTOM if own else ""),
        version=_text(arguments.version) or (LATEST if own else ""),
        image=arguments.image,
        labels=dict(label(text) for text in arguments.ds01_label),
        **machine(arguments),
        **limits(arguments),
    )


def _text(value: str | None) -> str:
    # An empty text is a mistake, such as an unset variable; it must not be asked for instead.
    if value == "":
        raise UsageError("The name is empty.", "Use: mlc create NAME FRAMEWORK VERSION")
    return value or ""


def label(text: str) -> tuple[str, str]:
    """Return key and value of a --ds01-label.

    Raises:
        UsageError: it is not KEY=VALUE, or not UTF-8.
    """
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise UsageError(
            f"--ds01-label {shown(text)} is not understood.", "Use: --ds01-label KEY=VALUE"
        )
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError(
            f"--ds01-label {shown(text)} is not UTF-8, which Docker requires."
        ) from None
    return key, value


def _info(request: CreateRequest, context: Context) -> int:
    catalog = context.catalog
    chosen = context.catalog_architecture(request.architecture, request.gpus)
    say(f"Architectures: {', '.join(catalog.architectures())}")
    say(f"Frameworks and versions for {chosen or 'any of them'}:")
    rows = [
        (framework, ", ".join(catalog.versions(framework, chosen)))
        for framework in catalog.frameworks(chosen)
    ]
    table(("FRAMEWORK", "VERSIONS"), rows)
    return 0


def complete(
    request: CreateRequest, arguments: argparse.Namespace, context: Context
) -> CreateRequest:
    """Return the request with what is missing in it asked for.

    Args:
        request: an empty text stands for what the command line did not say.
        arguments: with `script`.
        context: with the host and the catalog.

    Raises:
        UsageError: something is missing and may not be asked for.
    """
    from dataclasses import replace

    from ..prompts import ask_text, may_ask

    missing = [
        what
        for what, value in (
            ("a container name", request.name),
            ("a framework", request.framework),
            ("a version", request.version),
        )
        if not value
    ]
    if missing and not may_ask(arguments, "script"):
        raise UsageError(
            f"Missing: {' and '.join(missing)}.",
            "Use: mlc create NAME FRAMEWORK VERSION - see what there is with: mlc create --info",
        )
    nothing_said = len(missing) == 3  # docs/contracts.md: then ask for the directories, too
    if not request.framework or not request.version:
        request = _from_menu(request, context)
    if not request.name:
        name = ask_text("Name of the container", check=lambda name: _check(name, context))
        request = replace(request, name=name)
    if nothing_said:
        request = replace(
            request,
            workspace=request.workspace or ask_text("Workspace directory", "~/workspace"),
            data=request.data or _optional("Data directory"),
            models=request.models or _optional("Models directory"),
        )
    return request


def _from_menu(request: CreateRequest, context: Context) -> CreateRequest:
    from dataclasses import replace

    from ..prompts import ask_choice

    catalog = context.catalog
    architecture = context.catalog_architecture(request.architecture, request.gpus)
    framework = request.framework
    if not framework:
        frameworks = catalog.frameworks(architecture)
        print("Frameworks:")
        framework = frameworks[ask_choice("Which one?", frameworks)]
    versions = catalog.versions(framework, architecture)
    if request.version or not versions:
        return replace(request, framework=framework)  # create says what is wrong with it
    print(f"Versions of {framework}, newest first:")
    version = versions[ask_choice("Which one?", versions, default=0)]
    return replace(request, framework=framework, version=version)


def _check(name: str, context: Context) -> None:
    from ...names.containers import check_container_name

    check_container_name(name, context.account.uid)
    if context.find(name) is not None:
        raise UsageError(f"You already have a container {name!r}.")


def _optional(question: str) -> str | None:
    from ..prompts import ask_text

    answer = ask_text(f"{question}, or - for none", "-")
    return None if answer == "-" else answer
