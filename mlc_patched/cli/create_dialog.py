"""The questions of `mlc create`, in the order and with the answers of AIME's."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from ..errors import DeclinedError, EngineError, InvalidValueError, MlcError
from ..lean import TYPE_CHECKING, replace
from ..names.containers import check_container_name
from ..plan.directories import DEFAULT_WORKSPACE, check
from .output import say
from .prompts import ask_choice, ask_text, ask_yes_no, may_ask

if TYPE_CHECKING:
    from ..context import Context
    from ..plan.request import CreateRequest


def complete(
    request: CreateRequest, arguments: argparse.Namespace, context: Context
) -> CreateRequest:
    """Return the request with everything that is missing asked for, and the whole confirmed.

    On a terminal, what is wrong on the command line is reported and asked for again. Without one,
    answers are read from a pipe or file, but only if something is missing: an empty text in the
    request.

    Raises InvalidValueError if nobody can be asked, and DeclinedError if the last answer was no.
    """
    named = {
        "a container name": request.name,
        "a framework": request.framework,
        "a version": request.version,
    }
    missing = [what for what, value in named.items() if not value]
    is_terminal = may_ask(arguments, "script")
    if missing and not may_ask(arguments, "script", piped=True):
        *others, last = missing
        raise InvalidValueError(
            f"Missing: {', '.join(others)}{' and ' if others else ''}{last}.",
            "Use: mlc create NAME FRAMEWORK VERSION - see what there is with: mlc create --info",
        )
    if not missing and not is_terminal:
        return request
    if request.image is None:
        request = _with_framework(request, context, retries=is_terminal)
    request = _with_name(request, context, retries=is_terminal)
    # docs/contracts.md, "Commands": directories are asked for if nothing at all was given.
    asks = len(missing) == len(named) and not arguments.yes
    request = _with_directories(request, context, asks=asks, retries=is_terminal)
    if arguments.yes:
        return request
    _show(request, context)
    what = request.image or f"{request.framework} {request.version}"
    if not ask_yes_no(f"Create the container {request.name} from {what}?", default=True):
        raise DeclinedError("Nothing was done.")
    return request


def _is_valid(check_it: Callable[[], object], *, retries: bool) -> bool:
    """Whether a check passes. If not, the failure is printed, or raised without `retries`."""
    try:
        check_it()
    except EngineError:
        raise
    except MlcError as error:
        if not retries:
            raise
        say(str(error))
        return False
    return True


def _with_framework(request: CreateRequest, context: Context, *, retries: bool) -> CreateRequest:
    catalog = context.catalog
    try:
        architecture = context.catalog_architecture(request.architecture, request.gpus)
    except InvalidValueError as error:
        if not retries:
            raise
        say(str(error))
        offered = catalog.architectures()
        print("Architectures:")
        architecture = offered[ask_choice("Which one?", offered)]
        request = replace(request, architecture=architecture)
    frameworks = catalog.frameworks(architecture)
    if not frameworks:
        return request  # create says which architectures the catalog has
    on = f" for {architecture}" if architecture else ""
    framework = request.framework
    if framework.casefold() not in [each.casefold() for each in frameworks]:
        if framework and not retries:
            return request
        if framework:
            print(f"There is no framework {framework!r}{on}.")
        print("Frameworks:")
        framework = frameworks[ask_choice("Which one?", frameworks)]
    versions, version = catalog.versions(framework, architecture), request.version
    if version not in versions:
        if version and not retries:
            return request
        if version:
            print(f"There is no {framework} {version}{on}.")
        print(f"Versions of {framework}, newest first:")
        version = versions[ask_choice("Which one?", versions, default=0)]
    return replace(request, framework=framework, version=version)


def _with_name(request: CreateRequest, context: Context, *, retries: bool) -> CreateRequest:
    def usable(name: str) -> None:
        check_container_name(name, context.account.uid)
        context.refuse_existing(name)

    if request.name and (not retries or _is_valid(lambda: usable(request.name), retries=True)):
        return request
    return replace(request, name=ask_text("Name of the container", check=usable))


def _with_directories(
    request: CreateRequest, context: Context, *, asks: bool, retries: bool
) -> CreateRequest:
    is_local = context.address.is_local

    def chosen(what: str, given: str | None, question: str, wanted: bool) -> str | None:
        """Return a usable path; `wanted` is the answer to the question after which it is asked."""

        def usable(path: str) -> str:
            return check(what, path, context.account, is_local=is_local)

        if given is not None:
            if not retries or _is_valid(lambda: usable(given), retries=True):
                return given
        elif not asks or ask_yes_no(question, default=not wanted) is not wanted:
            return None
        return ask_text(f"Path of the {what} directory", check=usable)

    # create makes the default workspace if it is missing
    workspace = None if request.workspace == DEFAULT_WORKSPACE else request.workspace
    keep = f"Keep the current workspace directory {DEFAULT_WORKSPACE}?"
    return replace(
        request,
        workspace=chosen("workspace", workspace, keep, wanted=False),
        data=chosen("data", request.data, "Mount a data directory?", wanted=True),
        models=chosen("models", request.models, "Mount a models directory?", wanted=True),
    )


def _show(request: CreateRequest, context: Context) -> None:
    """Print what will be created."""
    choice = context.gpu_choice(request.architecture, request.gpus)
    for name, value in (
        ("Container name", request.name),
        ("Framework", request.framework),
        ("Version", request.version),
        ("Image", request.image),
        ("Architecture", choice.architecture or "unknown"),
        ("Workspace", request.workspace or DEFAULT_WORKSPACE),
        ("Data", request.data or "none"),
        ("Models", request.models or "none"),
    ):
        if value:
            say(f"  {f'{name}:':<16} {value}")
