"""Run tests on every kind of engine, and write the results to docs/engines.md: `make engines`.

    .venv/bin/python tools/engines.py [ROW[:SUITE,SUITE…]…]

As root. The results are stored in docs/engines.json, suite by suite. The engines are real ones on
this machine, started for the run: this machine's Docker through its socket, tcp with TLS, and ssh;
newer versions of Docker with either image store (tools/modern-engine.sh); Podman as root and as a
user, this machine's own and Debian sid's. ROW (`docker`, `docker28`, `podman` …, see ROWS) limits
the run to these rows, and SUITE to some of their suites; the others stay on the page as they were.
Several rows run at the same time if each run has another MLC_TEST_SLOT.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from support import podman_service, remote_engine, worker  # noqa: E402
from support.users import new_user  # noqa: E402

from tools.engine_results import SUITES, Cell, Kind, keep, read_report  # noqa: E402

BASES = ("mlc-test/base:bookworm", "mlc-test/bare:bookworm")
SECONDS = 300  # for one test: on some engines a test waits for something that never happens
BY_TLS = ("this_host",)
BY_SSH = (*BY_TLS, "not_by_ssh")
"""Markers of tests that cannot run on such an engine: see pyproject.toml."""
MODERN = ROOT / "tools/modern-engine.sh"
NUMBER = 142 + worker.NUMBER
"""The engine of tools/modern-engine.sh that is started for a row."""
MINIMUM_API = "1.44"
"""The oldest API version that Docker 29 accepts."""


@dataclass(frozen=True)
class Row:
    """A running engine: the address for the tests (`socket`), and the variables for commands.

    `prefix` is put before the command that runs the tests.
    """

    socket: str
    variables: Mapping[str, str]
    prefix: tuple[str, ...] = ()


@contextlib.contextmanager
def docker() -> Iterator[Row]:
    """The engine of the tests, through its socket."""
    address = worker.engine_address()
    yield Row(address, {worker.COMMAND_ENGINE: address})


@contextlib.contextmanager
def tls() -> Iterator[Row]:
    """A dockerd that listens with TLS."""
    with remote_engine.open_place() as place, remote_engine.by_tls(place) as far:
        remote_engine.copy_images(worker.engine_address(), far.socket, *BASES)
        yield Row(far.socket, {worker.COMMAND_ENGINE: far.url, **far.environ})


@contextlib.contextmanager
def ssh() -> Iterator[Row]:
    """The engine of the tests, through an sshd."""
    address = worker.engine_address()
    with remote_engine.open_place() as place, remote_engine.by_ssh(place, address) as far:
        yield Row(address, {worker.COMMAND_ENGINE: far.url, "MLC_TEST_PATH": far.environ["PATH"]})


@contextlib.contextmanager
def modern(
    suite: str, store: str, minimum_api: str = "", way: str = "socket", buildkit: str = ""
) -> Iterator[Row]:
    """A newer dockerd with the client and buildx of its version.

    Args:
        suite: the Debian suite that has it.
        store: `containerd` or `classic`.
        minimum_api: the oldest API version that it accepts; empty for its default.
        way: how commands reach it: `socket`, `tls` or `ssh`.
        buildkit: the value of DOCKER_BUILDKIT for commands; 0 selects the classic builder.
    """
    chosen = {"SUITE": suite, "STORE": store, "MIN_API": minimum_api, "DOCKER_BUILDKIT": buildkit}
    chosen = {name: value for name, value in chosen.items() if value}
    environ = {**os.environ, **chosen}
    environ.pop("DOCKER_HOST", None)
    environ.pop("DOCKER_BUILDKIT", None)
    prefix = (str(MODERN), "run")
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(remote_engine.open_place())
        if way == "tls":
            far = stack.enter_context(remote_engine.by_tls(place, MODERN, NUMBER, environ))
            yield Row(far.socket, {**chosen, worker.COMMAND_ENGINE: far.url, **far.environ}, prefix)
            return
        remote_engine.call(MODERN, "up", str(NUMBER), env=environ)
        stack.callback(remote_engine.call, MODERN, "down", str(NUMBER), env=environ)
        address = remote_engine.call(MODERN, "address", str(NUMBER), env=environ)
        if way == "ssh":
            far = stack.enter_context(remote_engine.by_ssh(place, address))
            chosen["MLC_TEST_PATH"] = far.environ["PATH"]
            yield Row(address, {**chosen, worker.COMMAND_ENGINE: far.url}, prefix)
        else:
            yield Row(address, {**chosen, worker.COMMAND_ENGINE: address}, prefix)


@contextlib.contextmanager
def podman(is_newer: bool = False) -> Iterator[Row]:
    """Podman as root's service: this machine's own, or Debian sid's."""
    programs = podman_service.newer() if is_newer else podman_service.OWN
    with podman_service.service(None, programs) as address:
        remote_engine.copy_images(worker.engine_address(), address, *BASES)
        yield Row(address, {worker.COMMAND_ENGINE: address})


@contextlib.contextmanager
def rootless(is_newer: bool = False) -> Iterator[Row]:
    """Podman as a user's own service; the tests run as that user."""
    programs = podman_service.newer() if is_newer else podman_service.OWN
    with (
        new_user("mlc-owner", 1007, 2007, ROOT, {}) as user,
        podman_service.service(user, programs) as address,
    ):
        remote_engine.copy_images(worker.engine_address(), address, *BASES)
        yield Row(address, {worker.COMMAND_ENGINE: address, worker.OWNER: user.login})


OWN, CONTAINERD = "its own", "containerd's"
ALL = "all that the clients have"
NEWEST = partial(modern, "sid", "containerd", MINIMUM_API)
ROWS = {
    "docker": Kind("Docker", OWN, ALL, docker),
    "tls": Kind("Docker, tcp with TLS", OWN, ALL, tls, without=BY_TLS),
    "ssh": Kind("Docker, ssh", OWN, ALL, ssh, without=BY_SSH),
    "docker26": Kind("Docker", OWN, "buildx, classic", partial(modern, "trixie", "classic")),
    "docker26-containerd": Kind(
        "Docker", CONTAINERD, "buildx, classic", partial(modern, "trixie", "containerd")
    ),
    "docker28-classic": Kind("Docker", OWN, "buildx, classic", partial(modern, "sid", "classic")),
    "docker28": Kind(f"Docker, oldest API {MINIMUM_API}", CONTAINERD, "buildx, classic", NEWEST),
    "docker28-builder": Kind(
        f"Docker, oldest API {MINIMUM_API}",
        CONTAINERD,
        "classic only",
        partial(NEWEST, buildkit="0"),
        ("life",),  # the images' tests use every builder on every engine
    ),
    "docker28-tls": Kind(
        f"Docker, tcp with TLS, oldest API {MINIMUM_API}",
        CONTAINERD,
        "buildx, classic",
        partial(NEWEST, "tls"),
        without=BY_TLS,
    ),
    "docker28-ssh": Kind(
        f"Docker, ssh, oldest API {MINIMUM_API}",
        CONTAINERD,
        "buildx, classic",
        partial(NEWEST, "ssh"),
        without=BY_SSH,
    ),
    "podman": Kind("Podman, root", OWN, "Podman's", podman),
    "rootless": Kind("Podman, rootless", OWN, "Podman's", rootless),
    "podman5": Kind("Podman, root", OWN, "Podman's", partial(podman, is_newer=True)),
    "rootless5": Kind("Podman, rootless", OWN, "Podman's", partial(rootless, is_newer=True)),
}


def run(row: Row, suite: str, selection: Sequence[str]) -> Cell:
    """Run one suite on an engine; `selection` is for pytest."""
    with tempfile.TemporaryDirectory() as place:
        report = Path(place, "report.xml")
        environ = {**os.environ, **row.variables, "DOCKER_HOST": row.socket}
        argv = [
            *row.prefix,
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "--tb=line",
            f"--timeout={SECONDS}",
            f"--junitxml={report}",
        ]
        done = subprocess.run(
            [*argv, *SUITES[suite], *selection],
            cwd=ROOT,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        if not report.exists():
            sys.exit(done.stdout + done.stderr)
        cell = read_report(report.read_text(encoding="utf-8"))
    commit = remote_engine.call("git", "-C", ROOT, "rev-parse", "--short", "HEAD")
    return replace(cell, day=time.strftime("%Y-%m-%d", time.gmtime()), commit=commit)


def version(row: Row) -> str:
    """Return the engine's version."""
    format_ = ("--format", "{{.Server.Version}}")
    environ = {**os.environ, **row.variables}
    return remote_engine.call(
        *(*row.prefix, "docker", "-H", row.socket, "version", *format_), env=environ
    )


def run_row(choice: str) -> None:
    """Run a row (`ROW` or `ROW:SUITE,SUITE`), and keep the result."""
    name, _, suites = choice.partition(":")
    kind = ROWS[name]
    with kind.started() as row:
        number = version(row)
        for suite in suites.split(",") if suites else kind.suites:
            cell = run(row, suite, kind.selection)
            print(f"{name}, {kind.name} {number}: {suite}: {cell}", flush=True)
            for test, why in cell.failed.items():
                print(f"    {test}: {why[:300]}", flush=True)
            keep(name, number, suite, cell, ROWS)


def main(wanted: list[str]) -> int:
    """Run all rows, or the given ones."""
    for each in (signal.SIGTERM, signal.SIGHUP):
        # Unwind, so that the engines are stopped.
        signal.signal(each, lambda number, frame: sys.exit(128 + number))
    with worker.own_engine():
        for choice in wanted or ROWS:
            run_row(choice)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
