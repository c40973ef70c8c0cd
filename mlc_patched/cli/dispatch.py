"""The table of commands; every other list of them, such as help and completion, is made of it.

To add a command, add a row here and `commands/MODULE.py` (see CONTRIBUTING.md).
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing itself takes 4 ms to import, a fifth of `mlc -h`
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from typing import Protocol

    from ..context import Context

    class Module(Protocol):
        """What a module in `commands/` has."""

        EXAMPLES: Sequence[str]

        def add_arguments(self, command: argparse.ArgumentParser) -> None:
            """Add the command's own flags and positionals to its parser."""

        def run(self, arguments: argparse.Namespace, context: Context) -> int:
            """Carry out the command and return its exit code; may raise MlcError."""


class Command:
    """A command of the command line.

    Args:
        name: what follows `mlc` on the command line.
        summary: what it does, in a line without a full stop.
        module: its module in `commands/`, where that is not called as the command is.
        own_program: it is a program of its own in bin/, such as `image-create`.
        is_aimes: AIME's mlc has it, too, so it exits as AIME's does.
        uses_engine: it takes the flags that choose an engine.
        is_listed: it is in the list of `mlc -h`.
        for_users: root, who cannot own containers, is refused.
        follows: for a container of a Slurm job, it runs on the job's node.
    """

    def __init__(
        self,
        name: str,
        summary: str,
        *,
        module: str = "",
        own_program: bool = False,
        is_aimes: bool = False,
        uses_engine: bool = True,
        is_listed: bool = True,
        for_users: bool = False,
        follows: bool = False,
    ) -> None:
        self.name = name
        self.summary = summary
        self.module = module or name.replace("-", "_")
        self.program = name if own_program else f"mlc {name}"
        self.uses_engine = uses_engine
        self.is_aimes = is_aimes
        self.is_listed = is_listed and not own_program
        self.for_users = for_users
        self.follows = follows

    def load(self) -> Module:
        """Import the command's module, which imports what carries it out only when run."""
        from importlib import import_module

        return import_module(f".commands.{self.module}", __package__)


_ALL = (
    Command("create", "create a container", is_aimes=True),
    Command("list", "list containers", is_aimes=True),
    Command("open", "open a shell in a container", is_aimes=True),
    Command("remove", "remove a container", is_aimes=True),
    Command("start", "start a container, or run a command in it", is_aimes=True, follows=True),
    Command("stats", "show what running containers use", is_aimes=True),
    Command("stop", "stop a container", is_aimes=True),
    Command("update-sys", "update this program with git", uses_engine=False, is_aimes=True),
    Command(
        "exec",
        "run a program in a container, with its arguments as they are",
        module="exec_",
        follows=True,
    ),
    Command(
        "jobs",
        "list the commands that run, or ran, in the background of a container",
        follows=True,
    ),
    Command(
        "run",
        "run a command in a container of its own, as a job of Slurm or here",
        for_users=True,
    ),
    Command("logs", "print the output of a command in the background", follows=True),
    Command("wait", "wait until a command in the background has ended", follows=True),
    Command("jupyter", "start JupyterLab in a container, and say how to open it", follows=True),
    Command("gpus", "show the GPUs, who has them, and which processes use them"),
    # AIME's mlc announces these two (docs/contracts.md, "AIME's commands").
    Command("export", "write a container to a file", is_aimes=True),
    Command("import", "make a container from an exported file", module="import_", is_aimes=True),
    Command("config", "show the settings in force and their origin", uses_engine=False),
    Command("adopt", "turn committed images of containers into labelled images"),
    Command("doctor", "check this machine, and say how to fix what is wrong"),
    Command("prune", "remove what killed commands and old containers left behind"),
    Command("complete", "print names for completion", uses_engine=False, is_listed=False),
    Command(
        "slurm-job", "run the job of this batch step of Slurm", is_listed=False, for_users=True
    ),
    Command("slurm-save", "save the container of a Slurm job on its node", is_listed=False),
    Command(
        "container-create",
        "create a container from your project's image, without starting it",
        own_program=True,
        for_users=True,
    ),
    Command(
        "container-deploy",
        "create a container from your project's image, start it, and open a shell in it",
        own_program=True,
        for_users=True,
    ),
    Command(
        "container-list",
        "list your containers, running or not",
        own_program=True,
        for_users=True,
    ),
    Command(
        "container-retire",
        "stop and remove containers, saving them as images first if you like",
        own_program=True,
        for_users=True,
    ),
    *(
        Command(
            f"container-{name}",
            summary,
            module=module,
            own_program=True,
            for_users=True,
            follows=module == "start",
        )
        for name, summary, module in (
            ("start", "start a container, or run a command in it", "start"),
            ("stop", "stop a container", "stop"),
            ("open", "open a shell in a container", "open"),
            ("attach", "open a shell in a container: container-open", "open"),
            ("remove", "remove a container", "remove"),
            ("stats", "show what running containers use", "stats"),
        )
    ),
    Command(
        "image-create",
        "build a project's permanent image, with your account in it",
        own_program=True,
    ),
    Command(
        "image-export",
        "write a project's image and a job that runs it where there is no Docker",
        own_program=True,
    ),
    Command("image-list", "list the images of your projects", own_program=True),
    Command(
        "image-push",
        "push a project's image to the registry, for other engines to pull",
        own_program=True,
    ),
    Command(
        "image-retire",
        "remove images of projects; the Dockerfile stays, so they can be built again",
        own_program=True,
    ),
    Command(
        "image-delete",
        "remove images of projects: image-retire",
        module="image_retire",
        own_program=True,
    ),
    Command(
        "image-update",
        "rebuild a project's image, after changes to its Dockerfile",
        own_program=True,
    ),
    Command(
        "mlc-patch",
        "make an AIME checkout run mlc-patched in place, or restore AIME's mlc",
        module="patch",
        own_program=True,
        uses_engine=False,
    ),
)
COMMANDS = {command.name: command for command in _ALL}
"""The commands by name, in the order of the help."""
