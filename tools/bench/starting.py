"""Part d: the start-up time of each command, and what it imports."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from engines import OwnEngine
from people import PYTHON, ROOT, Person
from timing import interleaved

from mlc_patched.cli import dispatch

PROGRAM = str(ROOT / "bin/docker/mlc-patched.py")
SYSTEM_PYTHON = "/usr/bin/python3"
HELP: dict[str, tuple[str, ...]] = {
    f"{name} -h": (name, "-h") for name in sorted({*dispatch.COMMANDS} - {"complete"})
}
"""The help of every command: its start-up alone."""
COMMANDS: dict[str, tuple[str, ...]] = {
    "mlc -h": ("-h",),
    "mlc --version": ("--version",),
    "mlc list --wrong (usage error)": ("list", "--wrong"),
    **HELP,
    "create --info": ("create", "--info"),
    "config": ("config",),
    "list": ("list",),
    "stats": ("stats",),
    "create (name taken)": ("create", "taken", "--image", "IMAGE", "-g", "none", "-s"),
    "open (no such)": ("open", "no-such", "-s"),
    "start (no such)": ("start", "no-such", "-s"),
    "exec (no such)": ("exec", "no-such", "--", "true"),
    "jobs (no such)": ("jobs", "no-such"),
    "logs (no such)": ("logs", "no-such"),
    "run (no such)": ("run", "no-such", "-g", "none", "--", "true"),
    "wait (no such)": ("wait", "no-such"),
    "jupyter (no such)": ("jupyter", "no-such"),
    "gpus (no GPU)": ("gpus",),
    "stop (no such)": ("stop", "no-such", "-s"),
    "remove (no such)": ("remove", "no-such", "-s"),
    "export (no such)": ("export", "no-such", "-s"),
    "import (no such)": ("import", "no-such.tar.gz", "-s"),
    "update-sys (no such)": ("update-sys", "-s"),
    "container-create (dry run)": ("container-create", "c", "--image", "IMAGE", "--dry-run"),
    "container-deploy (dry run)": ("container-deploy", "c", "--image", "IMAGE", "--dry-run"),
    "container-list": ("container-list",),
    **{
        f"container-{verb} (no such)": (f"container-{verb}", "no-such", "-s")
        for verb in ("start", "stop", "open", "attach", "remove")
    },
    "container-stats": ("container-stats",),
    "image-delete (no such)": ("image-delete", "no-such", "-y"),
    "container-retire (no such)": ("container-retire", "no-such", "-y"),
    "image-create (no such base)": ("image-create", "p", "--base", "no-such:1", "--dry-run", "-y"),
    "image-export (no such)": ("image-export", "no-such", "-y"),
    "image-list": ("image-list",),
    "image-push (no such)": ("image-push", "no-such", "-y"),
    "image-retire (no such)": ("image-retire", "no-such", "-y"),
    "image-update (no such)": ("image-update", "no-such", "-y"),
    "adopt (dry run)": ("adopt", "--all", "--dry-run"),
    "doctor": ("doctor",),
    "prune (dry run)": ("prune", "--dry-run"),
    "mlc-patch status": ("mlc-patch", "status"),
    "complete containers": ("complete", "containers"),
    "complete projects": ("complete", "projects"),
    "complete frameworks": ("complete", "frameworks"),
}
_LINE = re.compile(r"^import time:\s+(\d+) \|\s+\d+ \|\s*(\S+)$", re.M)
_STATUSES = (0, 1, 2)


@dataclass(frozen=True)
class Imports:
    """Imports of a command: number of modules, seconds, and whether the SDK is among them."""

    modules: int
    seconds: float
    sdk: bool


def parse_imports(text: str) -> Imports:
    """Evaluate the output of `-X importtime`."""
    found = _LINE.findall(text)
    names = {name for _, name in found}
    return Imports(len(found), sum(int(self) for self, _ in found) / 1e6, "docker" in names)


def imports(engine: OwnEngine, image: str, person: Person) -> dict[str, Imports]:
    """Return the imports of each command in the fastest of three runs."""
    found = {}
    for name, arguments in COMMANDS.items():
        argv = (PYTHON, "-IS", "-X", "importtime", PROGRAM, *_filled(arguments, image))
        runs = [
            parse_imports(person.run(*argv, address=engine.address, statuses=_STATUSES))
            for _ in range(3)
        ]
        found[name] = min(runs, key=lambda run: run.seconds)
    return found


def start_up(engine: OwnEngine, image: str, person: Person, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each command's process, and of Python alone."""
    cases: dict[str, Callable[[], object]] = {
        "python -c pass (.venv's)": lambda: person.run(PYTHON, "-c", "pass"),
        "python3 -c pass (the system's)": lambda: person.run(SYSTEM_PYTHON, "-c", "pass"),
        "python -c 'import docker'": lambda: person.run(PYTHON, "-c", "import docker"),
    }
    for name, arguments in COMMANDS.items():
        cases[name] = _case(person, _filled(arguments, image), engine)
    return interleaved(cases, rounds)


def _case(person: Person, arguments: tuple[str, ...], engine: OwnEngine) -> Callable[[], object]:
    return lambda: person.mlc(*arguments, address=engine.address, statuses=_STATUSES)


def _filled(arguments: tuple[str, ...], image: str) -> tuple[str, ...]:
    return tuple(image if word == "IMAGE" else word for word in arguments)
