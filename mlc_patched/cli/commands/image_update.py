"""The command lines of the image commands (docs/contracts.md, "DS01's commands")."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping

from ..images.presets import PRESETS
from .edge import command_parser


def parser(name: str) -> argparse.ArgumentParser:
    """Return the parser of one of the commands; `arguments.command` is its name."""
    made, add = _COMMANDS[name]
    summary, examples = made
    command = command_parser(name, summary, examples)
    command.set_defaults(command=name)
    add(command)
    return command


def _create(command: argparse.ArgumentParser) -> None:
    command.add_argument("project", nargs="?", metavar="PROJECT", help="name of the project")
    command.add_argument(
        "-f", "--framework", metavar="NAME", help="PyTorch, TensorFlow, JAX or another one"
    )
    command.add_argument(
        "-v", "--version", metavar="VERSION", help="version of the framework (default: the newest)"
    )
    base = command.add_mutually_exclusive_group()
    base.add_argument("--base", metavar="IMAGE", help="an image of your own choice to build on")
    base.add_argument(
        "--dockerfile", metavar="FILE", help="a Dockerfile of your own; gets the user-set-up block"
    )
    _words(command, "--preset", metavar="PRESET", help=f"of {', '.join(PRESETS)}")
    _words(command, "-p", "--packages", metavar="PACKAGE", help="Python packages, e.g. 'numpy<2'")
    _words(command, "--apt", metavar="PACKAGE", help="Debian packages, e.g. ffmpeg")
    command.add_argument(
        "-r", "--requirements", metavar="FILE", help="a requirements file; its packages are listed"
    )
    command.add_argument(
        "--no-build", action="store_true", help="write the Dockerfile and leave it at that"
    )
    command.add_argument(
        "--dry-run",
        action="store_true",
        help="print the Dockerfile and the build command, touch nothing",
    )
    command.add_argument(
        "--force", action="store_true", help="replace a project; its Dockerfile is kept as a backup"
    )
    _building(command)


def _update(command: argparse.ArgumentParser) -> None:
    command.add_argument("project", nargs="?", metavar="PROJECT", help="name of the project")
    _words(command, "--add", "-p", metavar="PACKAGE", help="Python packages to add")
    _words(command, "--remove", metavar="PACKAGE", help="packages to remove, Python's or Debian's")
    _words(command, "--apt", metavar="PACKAGE", help="Debian packages to add")
    command.add_argument("--edit", action="store_true", help="open the Dockerfile in $EDITOR first")
    command.add_argument(
        "--rollback", action="store_true", help="go back to the image before the last update"
    )
    command.add_argument(
        "--dry-run", action="store_true", help="show what would change in the Dockerfile"
    )
    _building(command)


def _list(command: argparse.ArgumentParser) -> None:
    command.add_argument("-a", "--all", action="store_true", help="images of all users")
    command.add_argument(
        "-d", "--detailed", action="store_true", help="with packages, labels, Dockerfile, layers"
    )
    command.add_argument(
        "--orphans",
        action="store_true",
        help="left-over images, committed or built for an account, that no container uses",
    )
    command.add_argument("--json", action="store_true", help="print JSON")


def _retire(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "projects", nargs="*", metavar="PROJECT", help="project, or PROJECT:TAG for one image of it"
    )
    command.add_argument(
        "--with-dockerfile", action="store_true", help="move the Dockerfile to a backup, too"
    )
    command.add_argument(
        "--orphans",
        action="store_true",
        help="remove your left-over images, committed or built for your account",
    )
    command.add_argument(
        "-f",
        "--force",
        action="store_true",
        help="do not ask (an image in use is never removed)",
    )
    command.add_argument("-y", "--yes", action="store_true", help="do not ask")
    command.add_argument("--json", action="store_true", help="print the result as JSON")


def _push(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "project", nargs="?", metavar="PROJECT", help="project, or PROJECT:TAG for one image of it"
    )
    command.add_argument(
        "registry",
        nargs="?",
        metavar="REGISTRY",
        help="HOST:PORT of the registry (default: DS01_REGISTRY, else the site's)",
    )
    command.add_argument("-y", "--yes", action="store_true", help="never ask")
    command.add_argument("--json", action="store_true", help="print the result as JSON")


def _building(command: argparse.ArgumentParser) -> None:
    command.add_argument("--pull", action="store_true", help="get the base anew first")
    command.add_argument("--no-cache", action="store_true", help="build every step anew")
    command.add_argument("-y", "--yes", action="store_true", help="never ask")
    command.add_argument("--json", action="store_true", help="print the result as JSON")


def _words(command: argparse.ArgumentParser, *flags: str, metavar: str, help: str) -> None:
    command.add_argument(*flags, nargs="+", action="extend", default=[], metavar=metavar, help=help)


_COMMANDS: Mapping[
    str, tuple[tuple[str, tuple[str, ...]], Callable[[argparse.ArgumentParser], None]]
] = {
    "image-create": (
        (
            "Make a project's permanent image, with your account in it.",
            (
                "image-create                                       asks what it needs",
                "image-create thesis -f PyTorch --preset data-science -y",
                "image-create thesis -f JAX -p flax optax -y",
                "image-create thesis --base ubuntu:24.04 -p pandas 'numpy<2' --apt ffmpeg -y",
                "image-create thesis --dockerfile ./Dockerfile      your own Dockerfile",
                "image-create thesis -f PyTorch --dry-run           only show the Dockerfile",
            ),
        ),
        _create,
    ),
    "image-update": (
        (
            "Build a project's image anew, after changes to its Dockerfile.",
            (
                "image-update thesis --add seaborn 'numpy<2'",
                "image-update thesis --remove scipy --apt ffmpeg",
                "image-update thesis --edit         in your editor",
                "image-update thesis                from the Dockerfile as it is",
                "image-update thesis --rollback     the image before the last update",
            ),
        ),
        _update,
    ),
    "image-list": (
        (
            "List the images of your projects.",
            (
                "image-list",
                "image-list -d              with packages, labels and layers",
                "image-list -a              of all users",
                "image-list --orphans       left-over committed images, with their size",
                "image-list --json          for scripts",
            ),
        ),
        _list,
    ),
    "image-push": (
        (
            "Send a project's image to the registry, from where other engines take it.",
            (
                "image-push thesis                        to the site's registry",
                "image-push thesis registry.lab.org:5000  to another one",
                "image-push thesis --json                 with the digest, for scripts",
            ),
        ),
        _push,
    ),
    "image-retire": (
        (
            "Remove images of projects; the Dockerfile stays, so they can be built again.",
            (
                "image-retire thesis",
                "image-retire thesis old-thesis -y",
                "image-retire thesis --with-dockerfile",
                "image-retire thesis:previous       only the image before the last update",
                "image-retire --orphans             committed images that no container uses",
            ),
        ),
        _retire,
    ),
}
