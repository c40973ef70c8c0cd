"""`mlc create`."""

from __future__ import annotations

import argparse

from ...errors import InvalidValueError, UsageError, shown
from ..output import print_json, print_names, say, table
from ..parser import (
    TYPE_CHECKING,
    Parser,
    add_limits,
    add_machine_flags,
    add_option,
    add_output_of_new,
    add_positional,
    add_script,
    add_switch,
    limits,
    machine,
)

if TYPE_CHECKING:
    from ...context import Context
    from ...plan.request import CreateRequest

EXAMPLES = (
    "mlc create my-project Pytorch 2.8.0 -w /data/me/project",
    "mlc create my-project Pytorch 2.8.0 -g 2 -s      two GPUs, no questions",
    "mlc create my-project --image ds01-1001/my-project:latest -g device=0,1",
    "mlc create --info                                what the catalog has",
)


FIRST_VERSION_ARCHITECTURE = "CUDA_ADA"
"""The only architecture of the catalogs of AIME's first version."""
_ABBREVIATIONS = {
    "--a": "architecture",
    "--d": "data",
    "--m": "models",
    "--n --nu --num": "gpus",
    "--w": "workspace",
}
"""Of AIME's flags: those that would be ambiguous here, as there are more flags."""


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
    add_output_of_new(command)
    add_script(command)
    for flags, name in _ABBREVIATIONS.items():
        command.add_argument(*flags.split(), dest=name, help=argparse.SUPPRESS)
    add_switch(command, "--i", argparse.SUPPRESS, dest="info")
    add_switch(command, "--s", argparse.SUPPRESS, dest="script")


def run(arguments: argparse.Namespace, context: Context) -> int:
    from ...containers.create import create
    from ...containers.existing import create_or_keep
    from ...patch.layout import is_first_version
    from ...plan.flow import Flow
    from ...plan.request import ARCHITECTURE_VARIABLE
    from ..create_dialog import complete

    if is_first_version(context.program):
        # It never asks, explains itself without arguments, and its catalog is for CUDA_ADA alone.
        if not arguments.container_name:
            from ..dispatch import COMMANDS
            from ..parser import command_parser

            command_parser(COMMANDS["create"]).print_help()
            return 0
        arguments.script = True
        arguments.architecture = arguments.architecture or context.environ.get(
            ARCHITECTURE_VARIABLE, FIRST_VERSION_ARCHITECTURE
        )
    arguments.script = arguments.script or arguments.exist_ok
    request = _request(arguments)
    if arguments.info:
        return _info(request, context, as_json=arguments.json)
    request = complete(request, arguments, context)
    created = (create_or_keep if arguments.exist_ok else create)(request, context)
    if arguments.quiet:
        return print_names([created.name])
    if arguments.json:
        return print_json("container", created)
    if created.existed:
        say(f"[{created.name}] exists already, from {created.image}.")
        return 0
    how = {
        Flow.IMAGE: "directly from",
        Flow.COMMIT: "with your account set up in",
        None: "from",
    }
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
        name=_text("name", arguments.container_name),
        framework=_text("framework", arguments.framework) or (CUSTOM if own else ""),
        version=_text("version", arguments.version) or (LATEST if own else ""),
        image=arguments.image,
        labels=dict(label(text) for text in arguments.ds01_label),
        **machine(arguments),
        **limits(arguments),
    )


def _text(what: str, value: str | None) -> str:
    # An empty text is a mistake, such as an unset variable; it must not be asked for instead.
    if value == "":
        raise InvalidValueError(f"The {what} is empty.", "Use: mlc create NAME FRAMEWORK VERSION")
    return value or ""


def label(text: str) -> tuple[str, str]:
    """Return key and value of a --ds01-label; raises UsageError if it is not KEY=VALUE in UTF-8."""
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


def _info(request: CreateRequest, context: Context, *, as_json: bool) -> int:
    catalog = context.catalog
    chosen = context.catalog_architecture(request.architecture, request.gpus)
    versions = {each: catalog.versions(each, chosen) for each in catalog.frameworks(chosen)}
    if as_json:
        found = {
            "architectures": catalog.architectures(),
            "architecture": chosen,
            "frameworks": versions,
        }
        return print_json("catalog", found)
    say(f"Architectures: {', '.join(catalog.architectures())}")
    say(f"Frameworks and versions for {chosen or 'any of them'}:")
    rows = [(framework, ", ".join(each)) for framework, each in versions.items()]
    table(("FRAMEWORK", "VERSIONS"), rows)
    return 0
