"""Each command of mlc: arguments to request, request to result, result to words."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..context import Context
from ..errors import UsageError, shown
from . import questions
from .edge import below_home, print_json, show
from .output import say, size_in_words, table

if TYPE_CHECKING:
    from ..plan.container import CreateRequest
    from .edge import Column


def _create(arguments: argparse.Namespace, context: Context) -> int:
    from ..containers.create import create
    from ..plan.flow import Flow

    request = _create_request(arguments)
    if arguments.info:
        return _info(request, context)
    request = questions.complete(request, arguments, context)
    what = request.image or f"{request.framework} {request.version}"
    if questions.may_ask(arguments):
        questions.confirmed(arguments, f"Create the container {request.name} from {what}?", True)
    created = create(request, context)
    how = {Flow.IMAGE: "directly from", Flow.COMMIT: "with your account set up in"}
    say(
        f"[{created.name}] ready, {how[created.flow]} {created.image}. "
        f"Open it with: mlc open {created.name}"
    )
    return 0


def _create_request(arguments: argparse.Namespace) -> CreateRequest:
    from ..plan.container import CUSTOM, LATEST, CreateRequest

    own = arguments.image is not None
    return CreateRequest(
        name=_text(arguments.container_name),
        framework=_text(arguments.framework) or (CUSTOM if own else ""),
        version=_text(arguments.version) or (LATEST if own else ""),
        image=arguments.image,
        architecture=arguments.architecture,
        gpus=arguments.num_gpus,
        workspace=arguments.workspace_dir,
        data=arguments.data_dir,
        models=arguments.models_dir,
        shm_size=arguments.shm_size,
        cgroup_parent=arguments.cgroup_parent,
        labels=dict(_label(text) for text in arguments.ds01_label),
        cpus=arguments.cpus,
        memory=arguments.memory,
        pids_limit=arguments.pids_limit,
    )


def _text(value: str | None) -> str:
    # What was given as an empty text is not the same as what was not given.
    if value == "":
        raise UsageError("A name is empty. Say: mlc create NAME FRAMEWORK VERSION")
    return value or ""


def _label(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise UsageError(
            f"--ds01-label {shown(text)} is not understood. Say: --ds01-label KEY=VALUE"
        )
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError(
            f"--ds01-label {shown(text)} is no UTF-8, which Docker cannot be told."
        ) from None
    return key, value


def _info(request: CreateRequest, context: Context) -> int:
    catalog = context.catalog
    chosen = questions.chosen_architecture(request, context, catalog)
    say(f"Architectures: {', '.join(catalog.architectures())}")
    say(f"Frameworks and versions for {chosen or 'any of them'}:")
    rows = [
        (framework, ", ".join(catalog.versions(framework, chosen)))
        for framework in catalog.frameworks(chosen)
    ]
    table(("FRAMEWORK", "VERSIONS"), rows)
    return 0


def _list(arguments: argparse.Namespace, context: Context) -> int:
    from ..containers.list import list_containers

    sizes = arguments.size or arguments.all
    found = list_containers(context, all_users=arguments.all_users, sizes=sizes)
    if arguments.json:
        return print_json("containers", [each.as_json() for each in found])

    def short(path: str) -> str:
        return below_home(path, context.account.home)

    everything = arguments.all
    columns: list[Column] = [
        ("CONTAINER", True, lambda each: f"[{each.name}]"),
        ("FRAMEWORK", True, lambda each: each.framework),
        ("STATUS", True, lambda each: each.status),
        ("USER", everything or arguments.all_users, lambda each: each.user),
        ("SIZE", sizes, lambda each: size_in_words(each.size)),
        ("ARCHITECTURE", everything or arguments.architecture, lambda each: each.architecture),
        ("WORKSPACE", everything or arguments.workspace, lambda each: short(each.workspace)),
        ("DATA", everything or arguments.data, lambda each: short(each.data)),
        ("MODELS", everything or arguments.models, lambda each: short(each.models)),
    ]
    show(columns, found)
    if not found:
        context.report.note("No containers. Make one with: mlc create")
    return 0


def _open(arguments: argparse.Namespace, context: Context) -> int:
    from ..containers.open import open_shell

    opened = open_shell(questions.container_name(arguments, context, None), context)
    if opened.left_running:
        say(f"[{opened.name}] left running: {opened.left_running}.")
    else:
        say(f"[{opened.name}] stopped.")
    return opened.exit_status


def _start(arguments: argparse.Namespace, context: Context) -> int:
    from ..containers.start import start

    name = questions.container_name(arguments, context, None)
    command = (arguments.execute_command,) if arguments.execute_command else ()
    if arguments.detach and not command:
        arguments.detach = False  # a container without a command is always left to itself
    started = start(name, context, command, detach=arguments.detach)
    if not command:
        state = "is running already" if started.was_running else "started"
        say(f"[{name}] {state}. Open a shell with: mlc open {name}")
    elif arguments.detach:
        say(f"[{name}] the command runs in the background. Look with: mlc stats")
    return started.exit_status


def _stop(arguments: argparse.Namespace, context: Context) -> int:
    from ..containers.stop import stop

    name = questions.container_name(arguments, context, True)
    context.get(name)  # nothing is asked about a container that is not there
    questions.confirmed(arguments, f"Stop the container {name}? What runs in it ends.", False)
    stopped = stop(name, context)
    say(f"[{name}] {'stopped' if stopped.was_running else 'was not running'}.")
    return 0


def _remove(arguments: argparse.Namespace, context: Context) -> int:
    from ..containers.remove import remove

    name = questions.container_name(arguments, context, False)
    context.get(name)  # as in stop
    questions.confirmed(
        arguments, f"Remove the container {name}? What was installed in it is lost.", False
    )
    removed = remove(name, context, keep_image=arguments.keep_image)
    image = f", and with it the image {removed.image_removed}" if removed.image_removed else ""
    say(f"[{name}] removed{image}.")
    if removed.image_kept:
        context.report.note(removed.image_kept)
    return 0


def _stats(arguments: argparse.Namespace, context: Context) -> int:
    from ..containers.stats import stats

    measured = stats(context, all_users=arguments.all_users)
    if arguments.json:
        return print_json("containers", [each.as_json() for each in measured])
    table(
        ("CONTAINER", "CPU %", "MEMORY / LIMIT", "MEMORY %", "PIDS"),
        [
            (
                f"[{each.name}]",
                f"{each.usage.cpu_percent:.2f}%",
                f"{size_in_words(each.usage.memory)} / {size_in_words(each.usage.memory_limit)}",
                f"{each.usage.memory_percent:.2f}%",
                str(each.usage.processes),
            )
            for each in measured
        ],
    )
    if not measured:
        context.report.note("No container is running.")
    return 0


def _update_sys(arguments: argparse.Namespace, context: Context) -> int:
    from ..patch.update import update_sys

    def confirm(changes: tuple[str, ...]) -> None:
        say("New commits:")
        for change in changes:
            say(f"  {change}")
        questions.confirmed(arguments, "Update now?", False)

    updated = update_sys(context.program or Path(__file__), context.report, confirm)
    if count := len(updated.changes):
        say(f"{updated.checkout}: updated, {count} new commit{'s'[: count != 1]}.")
    else:
        say(f"{updated.checkout} is up to date.")
    return 0


def _export(arguments: argparse.Namespace, context: Context) -> int:
    from ..containers.export import export

    name = questions.container_name(arguments, context, None)
    exported = export(name, context, arguments.file, force=arguments.force)
    say(f"[{name}] exported to {exported.file} ({size_in_words(exported.size)}).")
    return 0


def _import(arguments: argparse.Namespace, context: Context) -> int:
    from ..containers.import_ import ImportRequest, import_

    created = import_(
        ImportRequest(
            arguments.file,
            arguments.container_name,
            arguments.architecture,
            arguments.num_gpus,
            arguments.workspace_dir,
            arguments.data_dir,
            arguments.models_dir,
        ),
        context,
    )
    say(f"[{created.name}] ready. Open it with: mlc open {created.name}")
    return 0


def _config(arguments: argparse.Namespace, context: Context) -> int:
    from ..maintenance.config import config

    found = config(context)
    if arguments.json:
        return print_json("settings", [each.as_json() for each in found])
    table(
        ("SETTING", "VALUE", "FROM"),
        [(each.setting, each.value or "-", each.origin) for each in found],
    )
    return 0


VERBS: dict[str, Callable[[argparse.Namespace, Context], int]] = {
    "create": _create,
    "list": _list,
    "open": _open,
    "start": _start,
    "stop": _stop,
    "remove": _remove,
    "stats": _stats,
    "update-sys": _update_sys,
    "export": _export,
    "import": _import,
    "config": _config,
}
