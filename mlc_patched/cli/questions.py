"""What is missing in a request is asked for on the terminal, and refused elsewhere."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import DeclinedError, UsageError
from ..names.containers import check_container_name, short_name
from .dispatch import MODULES
from .prompts import ask_choice, ask_text, ask_yes_no, on_terminal

if TYPE_CHECKING:
    from ..context import Context
    from ..plan.catalog import Catalog
    from ..plan.container import CreateRequest


def may_ask(arguments: argparse.Namespace) -> bool:
    """Whether questions may be asked: not in script mode, and only on a terminal."""
    return not getattr(arguments, "script", False) and on_terminal()


def container_name(arguments: argparse.Namespace, context: Context, running: bool | None) -> str:
    """Return the name of one of the caller's containers, asked for by a menu if missing.

    Args:
        arguments: the command line.
        context: who calls, and the engine.
        running: offer only those that run (True), that do not (False), or all (None).

    Raises:
        UsageError: it is missing and may not be asked for, or there is nothing to choose.
    """
    if arguments.container_name is not None:
        return str(arguments.container_name)
    if not may_ask(arguments):
        raise UsageError(f"Which container? Say: mlc {arguments.command} NAME")
    offered = [
        short_name(each.name)
        for each in context.own_containers()
        if running is None or each.is_running == running
    ]
    if not offered:
        kind = {None: "", True: "running ", False: "stopped "}[running]
        raise UsageError(f"You have no {kind}container. See what you have with: mlc list")
    print("Your containers:")
    return offered[ask_choice(f"Which one to {arguments.command}?", offered)]


def confirmed(arguments: argparse.Namespace, question: str, default: bool = False) -> None:
    """Ask a yes-or-no question unless a flag answers it; return only for yes.

    Raises:
        UsageError: it needs an answer and may not be asked.
        DeclinedError: the answer was no.
    """
    if any(getattr(arguments, flag, False) for flag in ("force", "yes", "script")):
        return
    if getattr(arguments, "json", False) or not on_terminal():
        if default:
            return
        flag = "-y" if arguments.command in MODULES else "-f"
        raise UsageError(f"{question} There is no terminal to ask on: say {flag} for yes.")
    if not ask_yes_no(question, default):
        raise DeclinedError("Nothing was done.")


def complete(
    request: CreateRequest, arguments: argparse.Namespace, context: Context
) -> CreateRequest:
    """Return a create request with nothing missing.

    Args:
        request: what the command line said; an empty text stands for what it did not say.
        arguments: the command line.
        context: who calls, the host and the catalog.

    Raises:
        UsageError: something is missing and may not be asked for.
    """
    missing = [
        what
        for what, value in (
            ("a container name", request.name),
            ("a framework", request.framework),
            ("a version", request.version),
        )
        if not value
    ]
    if missing and not may_ask(arguments):
        raise UsageError(
            f"Missing: {' and '.join(missing)}. "
            "Say: mlc create NAME FRAMEWORK VERSION - see what there is with: mlc create --info"
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
    catalog = context.catalog
    architecture = chosen_architecture(request, context, catalog)
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


def chosen_architecture(request: CreateRequest, context: Context, catalog: Catalog) -> str | None:
    """Return the architecture whose part of the catalog counts; None for the whole of it."""
    from ..host.gpus import CPU, choose
    from ..plan.container import ARCHITECTURE_VARIABLE

    said = request.architecture
    if said is None:
        said = context.environ.get(ARCHITECTURE_VARIABLE) or context.settings.architecture
    choice = choose(said, request.gpus, context.host, catalog.architectures())
    return None if choice.architecture == CPU else choice.architecture


def _check(name: str, context: Context) -> None:
    check_container_name(name, context.account.uid)
    if context.find(name) is not None:
        raise UsageError(f"You have a container {name!r} already.")


def _optional(question: str) -> str | None:
    answer = ask_text(f"{question}, or - for none", "-")
    return None if answer == "-" else answer
