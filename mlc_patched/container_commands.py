"""The edge of the container commands: arguments to requests, results to words."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable
from typing import Any

from .commands.container_deploy import (
    Deployed,
    Rehearsed,
    deploy,
    rehearse,
)
from .console import say, size_in_words
from .container_arguments import parser as parser  # noqa: PLC0414 - part of the interface
from .context import Context
from .deploy_source import DeployRequest, own_projects, refuse_root, resolve
from .edge import Column, below_home, print_json, show
from .errors import UsageError
from .labels import NOT_GIVEN
from .limits import NANO
from .names import short_name
from .plan import CreateRequest
from .prompts import ask_choice, on_terminal
from .questions import confirmed

HOW = {"image": "straight from", "commit": "with your account set up in", NOT_GIVEN: "from"}


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Carry out one of the commands and return its exit code; may raise MlcError."""
    return _COMMANDS[arguments.command](arguments, context)


def _deploy(arguments: argparse.Namespace, context: Context) -> int:
    is_started = arguments.command == "container-deploy"
    refuse_root(context.account)
    if is_started and (arguments.cluster or arguments.node or arguments.gpu_kind):
        from .cluster_edge import run as run_on_cluster

        return run_on_cluster(_deploy_request(arguments, context), arguments, context)
    request = resolve(_deploy_request(arguments, context), context, is_rehearsal=arguments.dry_run)
    if arguments.dry_run:
        rehearsed = rehearse(request, context)
        if arguments.json:
            return print_json("planned", rehearsed.as_json())
        _tell_rehearsed(rehearsed, is_started)
        return 0
    opens = is_started and not arguments.background and (arguments.open or on_terminal())
    opens = opens and not arguments.json
    deployed = deploy(request, context, start=is_started)
    if arguments.json:
        return print_json("container", deployed.as_json())
    _tell(deployed)
    if not opens:
        return 0
    sys.stdout.flush()
    from .commands.open_shell import open_shell

    opened = open_shell(deployed.name, context)
    left = f"left running: {opened.left_running}" if opened.left_running else "stopped"
    say(f"[{opened.name}] {left}. Open it again with: mlc open {opened.name}")
    return opened.exit_status


def _deploy_request(arguments: argparse.Namespace, context: Context) -> DeployRequest:
    project = arguments.project
    if not any((arguments.name, project, arguments.image, arguments.framework)):
        project = _asked_project(arguments, context)
    return DeployRequest(
        name=arguments.name,
        project=project,
        image=arguments.image,
        framework=arguments.framework,
        version=arguments.version,
        options=CreateRequest(
            name="",
            architecture=arguments.architecture,
            gpus=arguments.gpus,
            workspace=arguments.workspace,
            data=arguments.data,
            models=arguments.models,
            shm_size=arguments.shm_size,
            cgroup_parent=arguments.cgroup_parent,
            cpus=arguments.cpus,
            memory=arguments.memory,
            pids_limit=arguments.pids_limit,
        ),
    )


def _asked_project(arguments: argparse.Namespace, context: Context) -> str | None:
    """Return one of the user's projects, asked for; None where it cannot be."""
    if arguments.yes or arguments.json or not on_terminal():
        return None
    projects = own_projects(context)
    if not projects:
        raise UsageError("You have no image yet. Make one with: image-create")
    say("Your projects:")
    return projects[ask_choice("Which one?", projects, default=0)]


def _tell(deployed: Deployed) -> None:
    say(f"[{deployed.name}] {deployed.state}, {HOW[deployed.flow]} {deployed.image}.")
    folder = "/workspace"
    lines = [
        ("Get in", f"mlc open {deployed.name}"),
        (
            "VS Code",
            f"Dev Containers: Attach to Running Container… > {deployed.tag}, "
            f"on this host by Remote-SSH; then open {folder}",
        ),
        ("Mounted", f"{folder} is {deployed.workspace}"),
        ("", f"/data is {deployed.data}" if deployed.data != NOT_GIVEN else ""),
        ("", f"/models is {deployed.models}" if deployed.models != NOT_GIVEN else ""),
        ("GPUs", deployed.gpus),
        ("Retire", f"container-retire {deployed.name} [--save]"),
    ]
    if deployed.state != "running":
        lines[0] = (
            "Start",
            f"mlc start {deployed.name}, or with a shell: mlc open {deployed.name}",
        )
    _rows(lines)


def _tell_rehearsed(rehearsed: Rehearsed, is_started: bool) -> None:
    for text in rehearsed.notes:
        say(text)
    then = ", started" if is_started else ""
    say(f"Would be made{then}: {rehearsed.name} ({rehearsed.tag}) from {rehearsed.image}")
    cpus = rehearsed.nano_cpus / NANO if rehearsed.nano_cpus else None
    lines = [
        ("Account", {"image": "in the image: one step"}.get(rehearsed.flow, rehearsed.flow)),
        ("/workspace", rehearsed.workspace),
        ("/data", rehearsed.data),
        ("/models", rehearsed.models),
        ("GPUs", f"{rehearsed.gpus} ({rehearsed.architecture})"),
        ("Devices", " ".join(rehearsed.devices)),
        ("Privileged", "yes" if rehearsed.privileged else "no"),
        ("Network", rehearsed.network),
        ("Memory", size_in_words(rehearsed.memory) if rehearsed.memory else ""),
        ("Shared", size_in_words(rehearsed.shm_size) if rehearsed.shm_size else ""),
        ("CPUs", f"{cpus:g}" if cpus else ""),
        ("Processes", str(rehearsed.pids_limit or "")),
        ("Cgroup", rehearsed.cgroup_parent or ""),
        ("Wrapper", shlex.join(rehearsed.wrapper)),
    ]
    _rows([(name, value) for name, value in lines if value != NOT_GIVEN])


def _rows(lines: list[tuple[str, str]]) -> None:
    width = max(len(name) for name, _ in lines)
    for name, value in lines:
        if value:
            say(f"  {name:<{width}}  {value}")


def _list(arguments: argparse.Namespace, context: Context) -> int:
    from .commands.container_list import ListedContainer, list_containers

    found = list_containers(context, all_users=arguments.all, sizes=arguments.detailed)
    if arguments.json:
        return print_json("containers", [each.as_json() for each in found])

    def short(path: str) -> str:
        return below_home(path, context.account.home)

    def image(each: ListedContainer) -> str:
        return f"{each.image} (image updated since)" if each.is_outdated else each.image

    columns: list[Column] = [
        ("CONTAINER", True, lambda each: f"[{each.name}]"),
        ("USER", arguments.all, lambda each: each.user),
        ("PROJECT", True, lambda each: each.project),
        ("IMAGE", True, image),
        ("NODE", any(each.node != NOT_GIVEN for each in found), lambda each: each.node),
        ("STATUS", True, lambda each: each.status),
        ("GPU", True, lambda each: each.gpus),
        ("CREATED", True, lambda each: each.created[:16].replace("T", " ")),
        ("WORKSPACE", True, lambda each: short(each.workspace)),
        ("DATA", arguments.detailed, lambda each: short(each.data)),
        ("MODELS", arguments.detailed, lambda each: short(each.models)),
        ("ARCHITECTURE", arguments.detailed, lambda each: each.architecture),
        ("SIZE", arguments.detailed, lambda each: size_in_words(each.size)),
        ("ID", arguments.detailed, lambda each: each.id[:12]),
    ]
    show(columns, found)
    if not found:
        context.report.note("No containers. Make one with: container-deploy PROJECT")
    for each in found:
        if each.is_outdated and each.user == context.account.login:
            context.report.note(
                f"[{each.name}] has the {each.image} of before its update. For the new one: "
                f"container-retire {each.name}, then container-deploy {each.name} "
                f"--project {each.project}"
            )
    return 0


def _retire(arguments: argparse.Namespace, context: Context) -> int:
    from .commands.container_retire import Retired, plan_retirements, retire

    refuse_root(context.account)
    names, tag = list(arguments.names), arguments.save
    if not names and tag:
        names, tag = [tag], ""  # container-retire --save NAME
    if not names:
        names = [_asked_container(arguments, context)]
    plans = plan_retirements(names, tag, context)
    for plan in plans:
        if plan.replaces:
            confirmed(arguments, f"There is an image {plan.image} already. Replace it?")
    for plan in plans:
        if plan.image is None:
            confirmed(arguments, f"Remove {plan.name}? What was installed in it is lost.")
        else:
            confirmed(arguments, f"Save {plan.name} as {plan.image} and remove it?")
    retired: list[Retired] = []
    for plan in plans:
        done = retire(plan, context)
        retired.append(done)
        if not arguments.json:
            _tell_retired(done)
        if done.image_kept:
            context.report.note(done.image_kept)
    return print_json("retired", [each.as_json() for each in retired]) if arguments.json else 0


def _tell_retired(retired: Any) -> None:
    image = f", and with it the image {retired.image_removed}" if retired.image_removed else ""
    if retired.saved is None:
        say(f"[{retired.name}] removed{image}.")
        return
    saved = retired.saved
    say(
        f"[{retired.name}] saved as {saved.image} ({size_in_words(saved.size)}) and removed{image}."
    )
    say("Changed against the image it was made from:")
    for line in saved.summary.lines():
        say(f"  {line}")
    say(f"Containers from it: container-deploy {retired.name} --image {saved.image}")


def _asked_container(arguments: argparse.Namespace, context: Context) -> str:
    if arguments.yes or arguments.json or not on_terminal():
        raise UsageError("Which container? Say: container-retire NAME")
    offered = [short_name(each.name) for each in context.own_containers()]
    if not offered:
        raise UsageError("You have no container. Make one with: container-deploy PROJECT")
    say("Your containers:")
    return offered[ask_choice("Which one?", offered)]


_COMMANDS: dict[str, Callable[[argparse.Namespace, Context], int]] = {
    "container-create": _deploy,
    "container-deploy": _deploy,
    "container-list": _list,
    "container-retire": _retire,
}
