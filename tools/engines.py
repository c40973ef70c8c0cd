"""Run tests on every kind of engine, and write the results to docs/engines.md: `make engines`.

    .venv/bin/python tools/engines.py [ROW…]

As root. The results are stored in docs/engines.json, row by row. The engines are real ones on this
machine, started for the run: Docker through its socket, tcp with TLS, and ssh; Podman as root and
as a user. ROW (`docker`, `tls`, `ssh`, `podman`, `rootless`) limits the run to these rows; the
others stay on the page as they were.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as Xml
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from support import podman_service, remote_engine, worker  # noqa: E402
from support.markdown import wrapped  # noqa: E402
from support.users import new_user  # noqa: E402

PAGE = ROOT / "docs/engines.md"
RESULTS = PAGE.with_suffix(".json")
BASES = ("mlc-test/base:bookworm", "mlc-test/bare:bookworm")
ENGINE = "tests/engine/containers"
OWN_ALONE = ("contract", "life")
SECONDS = 300  # for one test: on some engines a test waits for something that never happens
SUITES = {
    "contract": ("tests/contract", "-k", "real"),
    "life": ("tests/products",),
    "list": (f"{ENGINE}/test_list.py",),
    "start": (f"{ENGINE}/test_start.py",),
    "stop": (f"{ENGINE}/test_stop.py",),
    "remove": (f"{ENGINE}/test_remove.py",),
}
"""The columns, and the tests of each."""


@dataclass(frozen=True)
class Row:
    """A running engine: the address for the tests (`socket`), and the variables for commands."""

    socket: str
    variables: dict[str, str]
    suites: tuple[str, ...] = tuple(SUITES)


@dataclass(frozen=True)
class Cell:
    """The result of one suite: the failed tests, with their reasons."""

    passed: int
    failed: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        total = self.passed + len(self.failed)
        return f"{total} of {total}" if not self.failed else f"**{self.passed} of {total}**"


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
def podman() -> Iterator[Row]:
    """Podman as root's service."""
    with podman_service.service(None) as address:
        remote_engine.copy_images(worker.engine_address(), address, *BASES)
        yield Row(address, {worker.COMMAND_ENGINE: address})


@contextlib.contextmanager
def rootless() -> Iterator[Row]:
    """Podman as a user's own service; the tests run as that user."""
    with (
        new_user("mlc-owner", 1007, 2007, ROOT, {}) as user,
        podman_service.service(user) as address,
    ):
        remote_engine.copy_images(worker.engine_address(), address, *BASES)
        variables = {worker.COMMAND_ENGINE: address, "MLC_TEST_OWNER": user.login}
        yield Row(address, variables, OWN_ALONE)


ROWS: dict[str, tuple[str, Callable[[], contextlib.AbstractContextManager[Row]]]] = {
    "docker": ("Docker, socket", docker),
    "tls": ("Docker, tcp with TLS", tls),
    "ssh": ("Docker, ssh", ssh),
    "podman": ("Podman, root", podman),
    "rootless": ("Podman, rootless", rootless),
}


def run(row: Row, suite: str) -> Cell:
    """Run one suite on an engine."""
    with tempfile.TemporaryDirectory() as place:
        report = Path(place, "report.xml")
        environ = {**os.environ, **row.variables, "DOCKER_HOST": row.socket}
        argv = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "--tb=line",
            f"--timeout={SECONDS}",
            f"--junitxml={report}",
        ]
        done = subprocess.run(
            [*argv, *SUITES[suite]],
            cwd=ROOT,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        if not report.exists():
            sys.exit(done.stdout + done.stderr)
        cases = list(Xml.parse(report).getroot().iter("testcase"))  # noqa: S314 - our own
    failed = {}
    for case in cases:
        for kind in ("failure", "error", "skipped"):
            if (found := case.find(kind)) is not None:
                why = (found.get("message") or "").strip().splitlines()
                failed[case.get("name", "")] = why[0] if why else kind
    return Cell(len(cases) - len(failed), failed)


def version(row: Row) -> str:
    """Return the engine's version."""
    return remote_engine.call(
        "docker", "-H", row.socket, "version", "--format", "{{.Server.Version}}"
    )


def page(results: dict[str, dict[str, Any]]) -> str:
    """Return the page for the results in docs/engines.json."""
    lines = [
        "# What works on which engine",
        "",
        "Written by `make engines`, from runs on real engines on one machine. "
        "[Remote engines](remote.md) says how to use them.",
        "",
        f"| engine | version | {' | '.join(SUITES)} | run on |",
        f"| --- | --- |{' --- |' * len(SUITES)} --- |",
    ]
    for row in ROWS:
        if row not in results:
            continue
        found = results[row]
        cells = {suite: Cell(**cell) for suite, cell in found["suites"].items()}
        passed = " | ".join(str(cells.get(suite, "-")) for suite in SUITES)
        about = f"{found['version']} | {passed} | {found['day']}"
        lines.append(f"| {ROWS[row][0]} | {about} |")
    lines += [
        "",
        "`contract` is the suite that every engine has to pass, including the tests' fake one; "
        "`life` covers a container from the set-up of the account to its removal, with a shell, "
        "export and import, and a project's image; the others are the tests of that `mlc` "
        "command. `-`: not run, because these tests use several users and such an engine has one.",
        "",
    ]
    failures = [
        f"- {ROWS[row][0]}, {suite}: `{name}`: {why[:200].replace('|', ' ')}"
        for row, found in results.items()
        for suite, cell in found["suites"].items()
        for name, why in cell["failed"].items()
    ]
    return wrapped("\n".join([*lines, "## Failures", "", *(failures or ["None."]), "", NOTES]))


NOTES = """\
## How Podman differs

mlc recognises Podman by its version information, and uses its Docker-compatible API
(`podman system service`, `DOCKER_HOST=unix:///run/podman/podman.sock`, a user's own
`unix://$XDG_RUNTIME_DIR/podman/podman.sock`). Shells also need the docker client.

- **GPUs**: Podman 4.3 accepts Docker's GPU request on a host without any GPU, and starts the
  container without one, where Docker refuses. The request is not reliable, so `create` warns.
- **Missing directories** on the host of a remote engine are created by Podman, owned by root or the
  service's user, even for a mount that Docker would refuse. `create` warns.
- **Rootless**: the service's user is root inside, and other UIDs are subordinate ids of that user.
  So a container with an account is created with `--userns keep-id:uid=UID,gid=GID` (Podman 4.3 or
  newer): inside, the user is the account, and files under `/workspace` belong to the user. This
  needs ranges in `/etc/subuid` and `/etc/subgid`, and works for the service's own user only.
  `memlock` stays at the user's own limit. With cgroups version 1, `--cpus`, `--memory` and
  `--pids-limit` have no effect; Podman reports that only in its log.
- **Images** get Podman's registry as a prefix of their names; they are shown as they were typed.
- **Builds** are Podman's own, through its API: no Docker client is needed, and settings with
  passwords are secrets of the build. After Ctrl-C the step that is running goes on to its end; no
  image is made, and what earlier steps made is removed by the next build of the project.
- **Builds** add the label `io.buildah.version`, commits the variables `TERM` and `container`.

---
[Documentation](README.md) · [Remote engines](remote.md)
"""


def main(wanted: list[str]) -> int:
    """Run all rows, or the given ones."""
    for each in (signal.SIGTERM, signal.SIGHUP):
        # Unwind, so that the engines are stopped.
        signal.signal(each, lambda number, frame: sys.exit(128 + number))
    worker.use_own_engine()
    for name in wanted or ROWS:
        with ROWS[name][1]() as row:
            number, suites = version(row), {}
            for suite in row.suites:
                cell = run(row, suite)
                suites[suite] = asdict(cell)
                print(f"{ROWS[name][0]}, {number}: {suite}: {cell}", flush=True)
                for test, why in cell.failed.items():
                    print(f"    {test}: {why[:300]}", flush=True)
        keep(name, number, suites)
    return 0


def keep(row: str, number: str, suites: dict[str, Any]) -> None:
    """Store the results of a row, and rewrite the page."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    day = time.strftime("%Y-%m-%d", time.gmtime())
    results[row] = {"version": number, "day": day, "suites": suites}
    RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    PAGE.write_text(page(results), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
