"""The site's own wrapper, named by DS01_MLC_WRAPPER, in place of ours.

It is called like `mlc-create-wrapper.sh`, and its exit code tells success or failure.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping

from ..errors import MlcError, UsageError, last_lines, shown
from ..host.account import Account
from ..host.files import is_root_for
from ..host.sudo import only_root_changes
from ..plan.request import CreateRequest
from ..report import Reporter

VARIABLE = "DS01_MLC_WRAPPER"


def path(environ: Mapping[str, str], account: Account) -> str | None:
    """Return the absolute path of the wrapper's program, None if none is set, or raise MlcError.

    While root works for the account, it must be a program that the account cannot replace.
    """
    named = environ.get(VARIABLE)
    if not named:
        return None
    if not named.startswith("/") or not os.access(named, os.X_OK):
        raise MlcError(
            f"{VARIABLE} is {shown(named)}, which is not the absolute path of a program.",
            f"Correct it, or remove it from the environment: unset {VARIABLE}",
        )
    if not is_root_for(account):
        return named
    resolved = os.path.realpath(named)
    if not only_root_changes(resolved, account):
        raise MlcError(
            f"{VARIABLE} is {shown(named)}, which root does not run: it is not root's alone.",
            "Run the command without sudo, or have root own the program and its directories.",
        )
    return resolved


def command(wrapper: str, request: CreateRequest) -> list[str]:
    """Return the command line for a request, in the wrapper's flags.

    Raises UsageError for what has no flag.
    """
    for flag, is_given in (("-arch", request.architecture), ("--wait", request.wait)):
        if is_given:
            raise UsageError(
                f"{flag} cannot be passed on to the site's {wrapper}.", "Leave it out."
            )
    argv = [wrapper, request.name, request.framework, request.version]
    for flag, value in (
        ("-w", request.workspace),
        ("-d", request.data),
        ("-m", request.models),
        ("--image", request.image),
        ("--gpus", None if request.gpus == "none" else request.gpus),
        ("--shm-size", request.shm_size),
        ("--cgroup-parent", request.cgroup_parent),
        ("--cpus", request.cpus),
        ("--memory", request.memory),
        ("--pids-limit", request.pids_limit),
    ):
        argv += [f"{flag}={value}"] if value is not None else []
    return [*argv, "--cpu-only"] if request.gpus == "none" else argv


def create(
    wrapper: str, request: CreateRequest, environ: Mapping[str, str], report: Reporter
) -> None:
    """Create a container through the wrapper; if it fails, raise MlcError with its last lines."""
    argv = command(wrapper, request)
    report.step(f"Creating {request.name} by {wrapper}")
    lines: list[str] = []
    try:
        with subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(environ),
            text=True,
            errors="replace",
        ) as process:
            try:
                for line in process.stdout or ():
                    lines.append(line.rstrip("\n"))
                    report.progress(line)
            except BaseException:
                process.terminate()
                process.wait()  # on Ctrl-C, Popen itself waits only a quarter of a second
                raise
    except OSError as error:
        raise MlcError(f"{wrapper} cannot be run: {error.strerror}") from error
    if process.returncode != 0:
        raise MlcError(
            f"{last_lines(lines)}\n{wrapper} could not create the container {request.name} "
            f"(exit status {process.returncode})."
        )
