"""jupyter: JupyterLab in a container, and TensorBoard, as jobs on free ports."""

from __future__ import annotations

import contextlib
import os
import re
import time
from itertools import islice
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from ..context import Context
from ..engine.interface import Container
from ..errors import ConflictError, MlcError, NotFoundError, last_lines, shown
from ..lean import TYPE_CHECKING, dataclass
from ..names import labels
from ..names.containers import short_name
from ..plan.specify import WORKING_DIRECTORY
from ..undo import Undo
from .background import end_jobs, last_output, output_of, start_job
from .jobs import RUNNING, Job, jobs_of
from .shell import user_of
from .start import ensure_running

if TYPE_CHECKING:
    from typing import Any

LAB, BOARD = "jupyter", "tensorboard"
"""Kinds of the jobs."""
_PORT = 8888
_PORTS = 2**16
_LOOPBACK = "127.0.0.1"
_IPV4 = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_LOGDIR = "--logdir="
_START_SECONDS = 90
_IN_USERS_PATH = 'PATH="$HOME/.local/bin:$PATH"'
"""Where `pip install` puts programs of a user; not everything that runs in a container has it."""


@dataclass(frozen=True)
class Server:
    """A server that runs as a job of a container. The URL of JupyterLab has its token."""

    url: str
    port: int
    job: int


@dataclass(frozen=True)
class Jupyter:
    """JupyterLab, and TensorBoard if it runs; `ssh` is the command that makes both reachable."""

    name: str
    lab: Server
    tensorboard: Server | None
    was_running: bool
    ssh: str

    def as_json(self) -> dict[str, Any]:
        """Return the servers for `--json`."""
        board = None if self.tensorboard is None else vars(self.tensorboard)
        return {**vars(self), "lab": vars(self.lab), "tensorboard": board}


def jupyter(
    name: str,
    port: int | None = None,
    tensorboard: str | None = None,
    *,
    context: Context | None = None,
) -> Jupyter:
    """Start JupyterLab in a container, or find the one that runs in it.

    `port` is exactly that one, instead of a free one; `tensorboard` a directory in the container
    to start TensorBoard for. Raises NotFoundError if the container or the program is missing, and
    MlcError if TensorBoard runs for another directory, or, with the last lines of its output, if a
    server does not start.
    """
    context = context or Context()
    container = context.get(name)
    with context.lock(container.name), Undo(context.report) as undo:
        if not ensure_running(container, context):
            undo.add(f"The start of {name}", lambda: _stop_unless_used(container, context))
        container = context.get(name)
        jobs = {job.kind: job for job in _running_jobs(container, context)}
        if tensorboard is not None and BOARD in jobs:
            _refuse_other_directory(jobs[BOARD], tensorboard, name)
        running = {kind: _server(container, job, context) for kind, job in jobs.items()}
        for kind, program in ((LAB, "jupyter-lab"), (BOARD, "tensorboard")):
            if kind not in running and (kind == LAB or tensorboard is not None):
                _check_program(container, program, kind, context)
        was_running = LAB in running
        if not was_running:
            wanted = str(port or _PORT)
            flags = ["--no-browser", f"--ip={_address(container, context)}", f"--port={wanted}"]
            # Of the ports that follow it takes the first that is free; one that was given is meant.
            flags.append(f"--ServerApp.port_retries={0 if port else 100}")
            if context.account.is_root:
                flags.append("--allow-root")
            running[LAB] = _started(container, ("jupyter-lab", *flags), LAB, context)
            undo.add("JupyterLab", lambda: _end(container, LAB, context))
        if tensorboard is not None and BOARD not in running:
            flags = [f"{_LOGDIR}{tensorboard}", f"--host={_address(container, context)}"]
            running[BOARD] = _started(container, ("tensorboard", *flags), BOARD, context)
    servers = [running[LAB], *([running[BOARD]] if BOARD in running else [])]
    ports = " ".join(
        f"-L {each.port}:{urlsplit(each.url).hostname}:{each.port}" for each in servers
    )
    return Jupyter(
        name, servers[0], running.get(BOARD), was_running, f"ssh {ports} {_login(context)}"
    )


def stop_jupyter(name: str, *, context: Context | None = None) -> list[int]:
    """End JupyterLab and TensorBoard in a container; return the numbers of their jobs."""
    context = context or Context()
    container = context.get(name)
    jobs = _running_jobs(container, context)
    if jobs:
        context.report.step(f"Stopping {' and '.join(job.words[0] for job in jobs)}")
        end_jobs(container, jobs, context)
    return [job.number for job in jobs]


def _end(container: Container, kind: str, context: Context) -> None:
    jobs = [job for job in _running_jobs(container, context) if job.kind == kind]
    if jobs:
        end_jobs(container, jobs, context)


def _stop_unless_used(container: Container, context: Context) -> None:
    """Stop a container if only its first process runs: somebody may have opened a shell in it."""
    with contextlib.suppress(ConflictError, NotFoundError):  # it does not run any more
        if len(context.engine.processes(container.id)) <= 1:
            context.engine.stop(container.id)


def _running_jobs(container: Container, context: Context) -> list[Job]:
    found = jobs_of(container, context)
    return [job for job in found if job.kind in (LAB, BOARD) and job.state == RUNNING]


def _refuse_other_directory(board: Job, wanted: str, name: str) -> None:
    """Raise MlcError if TensorBoard runs for another directory than the wanted one."""
    shows = board.words[-1].removeprefix(_LOGDIR)
    if PurePosixPath(WORKING_DIRECTORY, shows) != PurePosixPath(WORKING_DIRECTORY, wanted):
        raise MlcError(
            f"TensorBoard in {name} shows {shows}.",
            f"End it, and JupyterLab, first with: mlc jupyter {name} --stop",
        )


def _check_program(container: Container, program: str, kind: str, context: Context) -> None:
    look = ("/bin/sh", "-c", f'{_IN_USERS_PATH}; command -v "$0"', program)
    status, _ = context.engine.exec_run(container.id, look, user_of(context))
    if status:
        raise _missing(container, program, kind)


def _started(container: Container, command: tuple[str, ...], kind: str, context: Context) -> Server:
    """Start a server, and return where it is once it listens."""
    context.report.step(f"Starting {command[0]}")
    run = ("/bin/sh", "-c", f'{_IN_USERS_PATH} exec "$0" "$@"', *command)
    # The other flags are our business, and a user knows the port by the URL.
    words = [word for word in command if not word.startswith("--") or word.startswith(_LOGDIR)]
    job = start_job(container, run, context, kind=kind, words=words)
    try:
        return _server(container, job, context)
    except BaseException:
        end_jobs(container, [job], context)
        raise


def _server(container: Container, job: Job, context: Context) -> Server:
    """Wait until a server says in its output where it listens."""
    deadline = time.monotonic() + _START_SECONDS
    while True:
        found = _url(container, job, context)
        if found is not None:
            return Server(found, urlsplit(found).port or 0, job.number)
        now = next((each for each in jobs_of(container, context) if each.number == job.number), job)
        if now.state != RUNNING or time.monotonic() > deadline:
            break
        context.report.progress(f"waiting for {job.words[0]}")
        time.sleep(0.5)
    output = last_output(container, job, 30, context).decode(errors="replace")
    why = f"ended: {now.status}" if now.state != RUNNING else "does not say where it listens"
    name = short_name(container.name)
    raise MlcError(
        f"{last_lines(output.splitlines())}\n{job.words[0]} {why}.",
        f"All of its output: mlc logs {name} --job {job.number}",
    )


def _url(container: Container, job: Job, context: Context) -> str | None:
    try:
        output = b"".join(islice(output_of(container, job, context), 1))
    except NotFoundError:
        return None
    host = re.escape(_address(container, context))
    found = re.finditer(rf"http://{host}:([0-9]{{1,5}})/\S*", output.decode(errors="replace"))
    return next((match[0] for match in found if int(match[1]) < _PORTS), None)


def _address(container: Container, context: Context) -> str:
    """Return the address to listen on: only this host, or only the container, can reach it.
    Raises MlcError if the container does not say an IPv4 address."""
    if container.network == "host":
        return _LOOPBACK
    status, said = context.engine.exec_run(container.id, ("hostname", "-i"), user_of(context))
    name = short_name(container.name)
    if status:
        raise MlcError(
            f"The address of {name} cannot be found: hostname -i failed there (exit status "
            f"{status}: {shown(said.strip())}).",
            f"See why with: mlc exec {name} -- hostname -i",
        )
    words = said.split() or [_LOOPBACK]
    # It becomes part of a command for the user's own shell, and an image's program has said it.
    if found := next(filter(_IPV4.fullmatch, words), None):
        return found
    raise MlcError(
        f"{name} has no IPv4 address: hostname -i printed {shown(said.strip())} there.",
        f"See why with: mlc exec {name} -- hostname -i",
    )


def _missing(container: Container, program: str, kind: str) -> NotFoundError:
    name = short_name(container.name)
    package = "jupyterlab" if kind == LAB else kind
    here = f"with: mlc exec {name} -- pip install {package}"
    project = container.labels.get(labels.PROJECT)
    if not project:
        return NotFoundError(f"There is no {program} in {name}.", f"Add it {here}")
    return NotFoundError(
        f"There is no {program} in {name}.",
        f"Add it to its image with: image-update {project} --add {package} - or only to this "
        f"container {here}",
    )


def _login(context: Context) -> str:
    """Return the user and host to give to ssh."""
    if context.address.is_local:
        host = os.uname().nodename
        connection = context.environ.get("SSH_CONNECTION", "").split()
        if "." not in host and len(connection) == 4:
            host = connection[2]  # the address by which the user reaches this server
        return f"{context.account.login}@{host}"
    parts = urlsplit(context.address.url)
    return f"{parts.username or context.account.login}@{parts.hostname}"
