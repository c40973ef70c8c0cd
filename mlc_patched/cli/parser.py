"""The command line of mlc: AIME's commands and flags (contract 1), and ours (contract 3)."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence

from ..version import AIME_VERSION, CONTAINER_VERSION, __version__
from .dispatch import ADMIN
from .engine_arguments import add_engine_flags
from .parser import Parser

TYPE_CHECKING = False  # typing itself takes 4 ms to import, a fifth of `mlc -h`
if TYPE_CHECKING:
    from typing import Any

VERSION_TEXT = (
    f"mlc-patched {__version__} (AIME MLC {AIME_VERSION}, container version {CONTAINER_VERSION})"
)


class _Command(Parser):
    """A command whose flags may stand anywhere: `start NAME -d LINE`.

    By itself argparse gives up optional positionals as soon as a flag stands before them.
    """

    _is_intermixed = False

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """See argparse; which calls this very method, once for flags, once for the rest."""
        if self._is_intermixed:
            return super().parse_known_args(args, namespace)
        self._is_intermixed = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._is_intermixed = False


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Knows the terminal's width by itself: argparse imports shutil and all it needs for that."""

    def __init__(self, prog: str) -> None:
        try:
            columns = int(os.environ.get("COLUMNS") or os.get_terminal_size(1).columns)
        except (OSError, ValueError):
            columns = 80
        super().__init__(prog, width=max(columns - 2, 40))


class _Later:
    """A command whose parser is made when it is the one that was called: making that of every
    command takes as long as starting Python."""

    def __init__(self, *, prog: str, **about: Any) -> None:
        self._prog, self._about = prog, about

    def parse_known_args(self, args: Sequence[str], namespace: Any) -> tuple[Any, list[str]]:
        """See argparse, which calls this for the one."""
        return verb_parser(self._prog, **self._about).parse_known_args(args, namespace)


_LATER: Any = _Later  # argparse asks for no more of a parser than it has


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    top = Parser(
        prog="mlc",
        description="Named machine-learning containers on a shared GPU server.",
        epilog=_examples(
            "mlc create my-project Pytorch 2.8.0      a container from a catalog image",
            "mlc create my-project --image ds01-1001/my-project:latest",
            "mlc open my-project                      a shell in it",
            "mlc list -a                              what you have",
            "mlc remove my-project                    away with it",
        ),
        formatter_class=_Formatter,
    )
    top.add_argument("-v", "--version", action="version", version=VERSION_TEXT)
    add_engine_flags(top)
    commands = top.add_subparsers(dest="command", metavar="command", parser_class=_LATER)
    for name, (summary, add, *examples) in _COMMANDS.items():
        commands.add_parser(name, help=summary, summary=summary, add=add, examples=examples)
    for name, summary in ADMIN.items():
        commands.add_parser(name, help=summary)
    return top


def verb_parser(
    prog: str,
    summary: str,
    add: Callable[[argparse.ArgumentParser], object],
    examples: Sequence[str],
) -> argparse.ArgumentParser:
    """Return the parser of one verb.

    Args:
        prog: the words by which it is called, such as `mlc create`.
        summary: what it does.
        add: adds its arguments to a parser.
        examples: lines of the help.
    """
    command = _Command(
        prog=prog,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=_examples(*examples),
        formatter_class=_Formatter,
    )
    add(command)
    if add not in _WITHOUT_ENGINE:
        add_engine_flags(command)
    return command


def verbs() -> dict[str, argparse.ArgumentParser]:
    """Return the parser of each verb of mlc, for completion and manual pages."""
    return {
        name: verb_parser(f"mlc {name}", summary, add, examples)
        for name, (summary, add, *examples) in _COMMANDS.items()
    }


def _create(create: argparse.ArgumentParser) -> None:
    create.add_argument("container_name", nargs="?", help="name of the container")
    create.add_argument("framework", nargs="?", help="framework of the catalog, e.g. Pytorch")
    create.add_argument("version", nargs="?", help="version of the framework, e.g. 2.8.0")
    create.add_argument(
        "-i", "--info", action="store_true", help="show architectures, frameworks and versions"
    )
    _machine(create)
    create.add_argument(
        "--image", metavar="IMAGE", help="make it from this image instead of one of the catalog"
    )
    create.add_argument(
        "--shm-size", metavar="SIZE", help="shared memory of its own, e.g. 16g, not the host's"
    )
    create.add_argument("--cgroup-parent", metavar="SLICE", help="cgroup or slice to put it under")
    create.add_argument("--cpus", metavar="N", help="at most so many cores, e.g. 4 or 0.5")
    create.add_argument("--memory", metavar="SIZE", help="at most so much memory, e.g. 64g")
    create.add_argument("--pids-limit", metavar="N", help="at most so many processes")
    create.add_argument(
        "--ds01-label",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="a label for the container; may be repeated",
    )
    _script(create)


def _machine(command: argparse.ArgumentParser) -> None:
    """Add the flags about GPUs and directories that create and import share."""
    command.add_argument(
        "-arch",
        "--architecture",
        metavar="ARCH",
        help="GPU architecture; else MLC_ARCH, else yours",
    )
    command.add_argument(
        "-g",
        "--num_gpus",
        metavar="GPUS",
        help="all (the default), a number, device=ID[,ID], or none",
    )
    command.add_argument(
        "--cpu-only",
        action="store_const",
        const="none",
        dest="num_gpus",
        help="the same as -g none",
    )
    command.add_argument(
        "-w", "--workspace_dir", metavar="DIR", help="becomes /workspace (default: ~/workspace)"
    )
    command.add_argument("-d", "--data_dir", metavar="DIR", help="becomes /data")
    command.add_argument("-m", "--models_dir", metavar="DIR", help="becomes /models")


def _list(listing: argparse.ArgumentParser) -> None:
    for flags, text in (
        (("-a", "--all"), "show every column"),
        (("-au", "--all_users"), "containers of all users"),
        (("-arch", "--architecture"), "show the architecture"),
        (("-d", "--data"), "show the data directory"),
        (("-m", "--models"), "show the models directory"),
        (("-s", "--size"), "show what each has written"),
        (("-w", "--workspace"), "show the workspace"),
    ):
        listing.add_argument(*flags, action="store_true", help=text)
    listing.add_argument("--json", action="store_true", help="print JSON")


def _open(opening: argparse.ArgumentParser) -> None:
    _name(opening)
    _script(opening)


def _remove(removing: argparse.ArgumentParser) -> None:
    _name(removing)
    _force(removing)
    images = removing.add_mutually_exclusive_group()
    images.add_argument(
        "--keep-image", action="store_true", help="leave the image that was committed for it"
    )
    images.add_argument(
        "--remove-image",
        action="store_true",
        help="remove that image too (the default; an image you built is never removed)",
    )
    _script(removing)


def _start(starting: argparse.ArgumentParser) -> None:
    _name(starting)
    starting.add_argument(
        "execute_command", nargs="?", help="a line for the container's bash, quoted"
    )
    starting.add_argument(
        "-d", "--detach", action="store_true", help="do not wait for the command to end"
    )
    _script(starting)


def _stats(stats: argparse.ArgumentParser) -> None:
    stats.add_argument("-au", "--all_users", action="store_true", help="containers of all users")
    stats.add_argument("--json", action="store_true", help="print JSON")


def _stop(stopping: argparse.ArgumentParser) -> None:
    _name(stopping)
    _force(stopping)
    _script(stopping)


def _update(update: argparse.ArgumentParser) -> None:
    _force(update)
    update.add_argument("-Y", "--yes", action="store_true", help=argparse.SUPPRESS)


def _export(export: argparse.ArgumentParser) -> None:
    _name(export)
    export.add_argument("file", nargs="?", help="where to (default: NAME.mlc.tar)")
    export.add_argument("-f", "--force", action="store_true", help="replace a file that is there")
    _script(export)


def _import(importing: argparse.ArgumentParser) -> None:
    importing.add_argument("file", help="what mlc export wrote")
    importing.add_argument("container_name", nargs="?", help="name (default: as it was)")
    _machine(importing)
    _script(importing)


def _config(config: argparse.ArgumentParser) -> None:
    config.add_argument("--json", action="store_true", help="print JSON")


_WITHOUT_ENGINE = (_update, _config)


def _examples(*lines: str) -> str:
    return "examples:\n" + "\n".join(f"  {line}" for line in lines)


def _name(command: argparse.ArgumentParser) -> None:
    command.add_argument("container_name", nargs="?", help="name of the container")


def _force(command: argparse.ArgumentParser) -> None:
    command.add_argument("-f", "--force", action="store_true", help="do not ask")


def _script(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "-s", "--script", action="store_true", help="script mode: never ask anything"
    )
    command.add_argument(
        "-Y", "--yes", action="store_true", help="answer yes to every yes-or-no question"
    )


_COMMANDS: dict[str, tuple[Any, ...]] = {
    "create": (
        "create a container",
        _create,
        "mlc create my-project Pytorch 2.8.0 -w /data/me/project",
        "mlc create my-project Pytorch 2.8.0 -g 2 -s      two GPUs, no questions",
        "mlc create my-project --image ds01-1001/my-project:latest -g device=0,1",
        "mlc create --info                                what the catalog has",
    ),
    "list": (
        "list containers",
        _list,
        "mlc list            your containers",
        "mlc list -a         with sizes, directories and architecture",
        "mlc list -au        those of all users",
        "mlc list --json     for scripts",
    ),
    "open": ("open a shell in a container", _open, "mlc open my-project"),
    "remove": (
        "remove a container",
        _remove,
        "mlc remove my-project",
        "mlc remove my-project -f      without a question",
    ),
    "start": (
        "start a container, or run a command in it",
        _start,
        "mlc start my-project",
        "mlc start my-project 'python train.py --epochs 3'",
        "mlc start my-project -d 'python train.py'     and leave it to itself",
    ),
    "stats": ("show what running containers use", _stats, "mlc stats", "mlc stats --json"),
    "stop": ("stop a container", _stop, "mlc stop my-project -f"),
    "update-sys": ("update this program by git", _update, "sudo mlc update-sys"),
    "export": (
        "write a container into a file",
        _export,
        "mlc export my-project",
        "mlc export my-project /backup/my-project.mlc.tar",
    ),
    "import": (
        "make a container of an exported file",
        _import,
        "mlc import my-project.mlc.tar",
        "mlc import my-project.mlc.tar copy -w ~/copy",
    ),
    "config": (
        "show the settings in force and where each comes from",
        _config,
        "mlc config",
        "mlc config --json      for scripts",
    ),
}
"""Of each command what it does in a few words, what adds its arguments, and examples."""
