"""The command lines of the container commands (docs/contracts.md, "DS01's commands")."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from .edge import command_parser


def parser(name: str) -> argparse.ArgumentParser:
    """Return the parser of container-create, -deploy, -list or -retire."""
    description, examples, add = _COMMANDS[name]
    made = command_parser(name, description, examples)
    made.set_defaults(command=name)
    add(made)
    return made


def _deploy(command: argparse.ArgumentParser) -> None:
    _create(command)
    how = command.add_mutually_exclusive_group()
    how.add_argument(
        "--open", action="store_true", help="open a shell in it (what is done on a terminal)"
    )
    how.add_argument(
        "--background", action="store_true", help="leave it running (what is done elsewhere)"
    )
    cluster = command.add_argument_group("on a cluster (Docker Swarm)")
    cluster.add_argument(
        "--cluster",
        action="store_true",
        help="let Swarm find a node with free GPUs, or wait for one; from the pushed image",
    )
    cluster.add_argument("--node", metavar="NODE", help="only on the node of this name")
    cluster.add_argument(
        "--gpu-kind", metavar="KIND", help="only on nodes with this kind, e.g. a100 (label gpu)"
    )


def _create(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "name",
        nargs="?",
        metavar="NAME",
        help="name of the container, and of the project unless one is given",
    )
    source = command.add_mutually_exclusive_group()
    source.add_argument("--project", metavar="PROJECT", help="project whose image it is made from")
    source.add_argument("--image", metavar="IMAGE", help="make it from this image")
    source.add_argument(
        "-f", "--framework", metavar="NAME", help="make it from the catalog's image of a framework"
    )
    command.add_argument(
        "-v", "--version", metavar="VERSION", help="version of the framework (default: the newest)"
    )
    command.add_argument(
        "-w", "--workspace", metavar="DIR", help="becomes /workspace (default: ~/workspace)"
    )
    command.add_argument("-d", "--data", metavar="DIR", help="becomes /data")
    command.add_argument("-m", "--models", metavar="DIR", help="becomes /models")
    command.add_argument(
        "-g", "--gpus", metavar="GPUS", help="all, a number, device=ID[,ID], or none"
    )
    command.add_argument(
        "--cpu-only", action="store_const", const="none", dest="gpus", help="the same as -g none"
    )
    command.add_argument(
        "-arch",
        "--architecture",
        metavar="ARCH",
        help="GPU architecture; else MLC_ARCH, else yours",
    )
    command.add_argument(
        "--shm-size", metavar="SIZE", help="shared memory of its own, e.g. 16g, not the host's"
    )
    command.add_argument("--cpus", metavar="N", help="at most so many cores, e.g. 4 or 0.5")
    command.add_argument("--memory", metavar="SIZE", help="at most so much memory, e.g. 64g")
    command.add_argument("--pids-limit", metavar="N", help="at most so many processes")
    command.add_argument("--cgroup-parent", metavar="SLICE", help="cgroup or slice to put it under")
    command.add_argument("-y", "--yes", action="store_true", help="never ask")
    command.add_argument("--dry-run", action="store_true", help="show what would be done")
    command.add_argument("--json", action="store_true", help="print the result as JSON")


def _list(command: argparse.ArgumentParser) -> None:
    command.add_argument("-a", "--all", action="store_true", help="containers of all users")
    command.add_argument(
        "-d",
        "--detailed",
        action="store_true",
        help="with architecture, size, data and models directory, ids",
    )
    command.add_argument("--json", action="store_true", help="print JSON")


def _retire(command: argparse.ArgumentParser) -> None:
    command.add_argument("names", nargs="*", metavar="NAME", help="name of a container")
    command.add_argument(
        "--save",
        nargs="?",
        const="",
        metavar="TAG",
        help="save it as ds01-UID/PROJECT:TAG first (default: a tag of the date)",
    )
    command.add_argument(
        "-f", "--force", action="store_true", help="do not ask, not even before replacing an image"
    )
    command.add_argument("-y", "--yes", action="store_true", help="do not ask")
    command.add_argument("--json", action="store_true", help="print the result as JSON")


_Command = tuple[str, tuple[str, ...], Callable[[argparse.ArgumentParser], None]]
_COMMANDS: dict[str, _Command] = {
    "container-deploy": (
        "Make a container from your project's image, start it, and open a shell in it.",
        (
            "container-deploy thesis                       from the image of image-create thesis",
            "container-deploy thesis-2 --project thesis    another one from the same image",
            "container-deploy thesis --background -g 1 -w ~/thesis",
            "container-deploy --image aimehub/pytorch-2.8.0-cuda12.6.3",
            "container-deploy try -f Pytorch -v 2.8.0      from the catalog, without an image",
            "container-deploy thesis --dry-run             what would be done",
            "container-deploy thesis --cluster -g 1        on the cluster, queued for a GPU",
        ),
        _deploy,
    ),
    "container-create": (
        "Make a container from your project's image, and do not start it.",
        (
            "container-create thesis",
            "container-create thesis-2 --project thesis --cpus 8 --memory 64g",
            "container-create thesis --dry-run",
        ),
        _create,
    ),
    "container-list": (
        "List your containers, running or not.",
        (
            "container-list",
            "container-list -d          with directories and sizes",
            "container-list -a          of all users",
            "container-list --json      for scripts",
        ),
        _list,
    ),
    "container-retire": (
        "Stop and remove containers, saved as an image first where that is wanted.",
        (
            "container-retire thesis",
            "container-retire thesis --save            as ds01-UID/thesis:DATE",
            "container-retire thesis --save with-cuda  as ds01-UID/thesis:with-cuda",
            "container-retire thesis thesis-2 -y",
        ),
        _retire,
    ),
}
