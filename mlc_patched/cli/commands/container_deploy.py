"""The edge of container-create and container-deploy: arguments to requests, results to words."""

from __future__ import annotations

import argparse
import shlex
import sys

from ...containers.deploy import (
    Deployed,
    Rehearsed,
    deploy,
    rehearse,
)
from ...containers.source import DeployRequest, own_projects, resolve
from ...context import Context
from ...errors import UsageError
from ...host.account import refuse_root
from ...names.labels import NOT_GIVEN
from ...plan.container import CreateRequest
from ...plan.limits import NANO
from ..container_arguments import parser as parser  # noqa: PLC0414 - part of the interface
from ..edge import print_json
from ..output import say, size_in_words
from ..prompts import ask_choice, on_terminal

HOW = {"image": "directly from", "commit": "with your account set up in", NOT_GIVEN: "from"}


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Carry one of the two out and return its exit code; may raise MlcError."""
    return _deploy(arguments, context)


def _deploy(arguments: argparse.Namespace, context: Context) -> int:
    is_started = arguments.command == "container-deploy"
    refuse_root(context.account)
    if is_started and (arguments.cluster or arguments.node or arguments.gpu_kind):
        from ..cluster_edge import run as run_on_cluster

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
    from ...containers.open import open_shell

    opened = open_shell(deployed.name, context)
    left = f"left running: {opened.left_running}" if opened.left_running else "stopped"
    say(f"[{opened.name}] {left}. Open it again with: mlc open {opened.name}")
    return opened.exit_status


def _deploy_request(arguments: argparse.Namespace, context: Context) -> DeployRequest:
    project = arguments.project
    sources = (arguments.name, project, arguments.image, arguments.framework)
    if all(each is None for each in sources):
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
