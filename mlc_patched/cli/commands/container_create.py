"""`container-create`, and what it shares with `container-deploy`."""

from __future__ import annotations

import argparse

from ..output import print_json, print_names, say, show_fields
from ..parser import (
    TYPE_CHECKING,
    Parser,
    add_limits,
    add_machine_flags,
    add_option,
    add_output_of_new,
    add_positional,
    add_switch,
    add_yes,
    limits,
    machine,
)

if TYPE_CHECKING:
    from ...containers.deploy import Deployed, Preview
    from ...context import Context
    from ...plan.request import DeployRequest

EXAMPLES = (
    "container-create thesis",
    "container-create thesis-2 --project thesis --cpus 8 --memory 64g",
    "container-create thesis --dry-run",
)


def add_arguments(command: Parser) -> None:
    add_positional(
        command,
        "name",
        "name of the container, and of the project unless one is given",
        "projects",
        metavar="NAME",
    )
    source = command.add_mutually_exclusive_group()
    add_option(source, "--project", "PROJECT", "project whose image to use", "projects")
    add_option(source, "--image", "IMAGE", "image to use", "images")
    add_option(
        source, "-f --framework", "NAME", "use the catalog's image of this framework", "frameworks"
    )
    add_option(
        command,
        "-v --version",
        "VERSION",
        "version of the framework (default: the newest)",
        "versions",
    )
    add_machine_flags(command)
    add_limits(command)
    add_yes(command)
    add_switch(command, "--dry-run", "show what would be done")
    add_output_of_new(command)


def run(arguments: argparse.Namespace, context: Context) -> int:
    create(arguments, context, start=False)
    return 0


def create(arguments: argparse.Namespace, context: Context, *, start: bool) -> Deployed | None:
    """Create a container, and with `start` start it; with --dry-run only say how. Return it."""
    from ...containers.deploy import deploy, deploy_or_keep, preview
    from ...containers.source import resolve

    exist_ok = arguments.exist_ok
    request = resolve(
        request_of(arguments, context),
        context,
        is_dry_run=arguments.dry_run,
        exist_ok=exist_ok,
        command="container-deploy" if start else "container-create",
    )
    if arguments.dry_run:
        planned = preview(request, context)
        if arguments.json:
            print_json("planned", planned)
        elif arguments.quiet:
            print_names([planned.name])
        else:
            _say_planned(planned, start)
        return None
    deployed = (deploy_or_keep if exist_ok else deploy)(request, context, start=start)
    if arguments.json:
        print_json("container", deployed)
    elif arguments.quiet:
        print_names([deployed.name])
    else:
        _say_created(deployed)
    return deployed


def request_of(arguments: argparse.Namespace, context: Context) -> DeployRequest:
    """Return what the command line asks for; which project is asked for if it says nothing."""
    from ...plan.request import CreateRequest, DeployRequest

    project = arguments.project
    sources = (arguments.name, project, arguments.image, arguments.framework)
    if all(each is None for each in sources):
        project = choose_project(arguments, context)
    return DeployRequest(
        name=arguments.name,
        project=project,
        image=arguments.image,
        framework=arguments.framework,
        version=arguments.version,
        options=CreateRequest(name="", **machine(arguments), **limits(arguments)),
    )


def choose_project(arguments: argparse.Namespace, context: Context) -> str | None:
    """Return one of the user's projects, chosen from a menu; None if nobody can be asked."""
    from ...containers.source import own_projects
    from ...errors import NotFoundError
    from ..prompts import ask_choice, may_ask

    if not may_ask(arguments, "yes"):
        return None
    projects = own_projects(context)
    if not projects:
        raise NotFoundError("You have no images yet.", "Create one with: image-create")
    say("Your projects:")
    return projects[ask_choice("Which one?", projects, default=0)]


def _say_created(deployed: Deployed) -> None:
    from ...plan.assign import in_words

    how = {"image": "directly from", "commit": "with your account set up in", None: "from"}
    was = "was there already and is " if deployed.existed else ""
    say(f"[{deployed.name}] {was}{deployed.state}, {how[deployed.flow]} {deployed.image}.")
    get_in = ("Get in", f"mlc open {deployed.name}")
    if deployed.state != "running":
        get_in = (
            "Start",
            f"mlc start {deployed.name}, or with a shell: mlc open {deployed.name}",
        )
    show_fields(
        [
            get_in,
            (
                "VS Code",
                f"Dev Containers: Attach to Running Container… > {deployed.tag}, "
                "on this host by Remote-SSH; then open /workspace",
            ),
            ("Mounted", f"/workspace is {deployed.workspace}"),
            ("", f"/data is {deployed.data}" if deployed.data else ""),
            ("", f"/models is {deployed.models}" if deployed.models else ""),
            ("GPUs", in_words(deployed.devices) if deployed.devices else deployed.gpus or ""),
            ("Retire", f"container-retire {deployed.name} [--save]"),
        ]
    )


def _say_planned(planned: Preview, start: bool) -> None:
    import shlex

    from ...plan.limits import NANO
    from ...units import size_in_words

    for text in planned.notes:
        say(text)
    then = " and start" if start else ""
    say(f"Would create{then}: {planned.name} ({planned.tag}) from {planned.image}")
    cpus = planned.nano_cpus / NANO if planned.nano_cpus else None
    fields = [
        ("Account", {"image": "in the image: one step"}.get(planned.flow, planned.flow)),
        ("/workspace", planned.workspace),
        ("/data", planned.data),
        ("/models", planned.models),
        ("GPUs", f"{planned.gpus} ({planned.architecture})"),
        ("Devices", " ".join(planned.devices)),
        ("Privileged", "yes" if planned.privileged else "no"),
        ("Network", planned.network),
        ("Memory", size_in_words(planned.memory) if planned.memory else ""),
        ("Shared", size_in_words(planned.shm_size) if planned.shm_size else ""),
        ("CPUs", f"{cpus:g}" if cpus else ""),
        ("Processes", str(planned.pids_limit or "")),
        ("Cgroup", planned.cgroup_parent or ""),
        ("Wrapper", shlex.join(planned.wrapper)),
    ]
    show_fields(fields)
