"""Run the tests on every kind of engine and write docs/engines.md of what passed: `make engines`.

    .venv/bin/python tools/engines.py [ROW…]

As root. What passed is kept in docs/engines.json, row by row. Each engine is a real one on this
machine, started for the run: Docker by its socket, by tcp with TLS and by ssh, Podman as root's and
as a user's own. A ROW (`docker`, `tls`, `ssh`, `podman`, `rootless`) limits the run to it; the
others stay in the page as they were.
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

import far_engine  # noqa: E402
import podman_service  # noqa: E402
import slots  # noqa: E402
from support.users import new_user  # noqa: E402

PAGE = ROOT / "docs/engines.md"
RESULTS = PAGE.with_suffix(".json")
BASES = ("mlc-test/base:bookworm", "mlc-test/bare:bookworm")
ENGINE = "tests/engine"
OWN_ALONE = ("contract", "life")
SECONDS = 300  # for one test: some wait for what an engine never does
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
    """An engine that answers: where the tests look (`socket`), and where the commands go."""

    socket: str
    variables: dict[str, str]
    suites: tuple[str, ...] = tuple(SUITES)


@dataclass(frozen=True)
class Cell:
    """What came of one suite: names of the tests that failed, with why."""

    passed: int
    failed: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        total = self.passed + len(self.failed)
        return f"{total} of {total}" if not self.failed else f"**{self.passed} of {total}**"


@contextlib.contextmanager
def docker() -> Iterator[Row]:
    """The tests' engine, by its socket."""
    address = slots.engine_address()
    yield Row(address, {slots.AT: address})


@contextlib.contextmanager
def tls() -> Iterator[Row]:
    """A dockerd that listens with TLS."""
    with far_engine.open_place() as place, far_engine.by_tls(place) as far:
        far_engine.copy_images(slots.engine_address(), far.socket, *BASES)
        yield Row(far.socket, {slots.AT: far.url, **far.environ})


@contextlib.contextmanager
def ssh() -> Iterator[Row]:
    """The tests' engine, by an sshd."""
    address = slots.engine_address()
    with far_engine.open_place() as place, far_engine.by_ssh(place, address) as far:
        yield Row(address, {slots.AT: far.url, "MLC_TEST_PATH": far.environ["PATH"]})


@contextlib.contextmanager
def podman() -> Iterator[Row]:
    """Podman as root's service."""
    with podman_service.service(None) as address:
        far_engine.copy_images(slots.engine_address(), address, *BASES)
        yield Row(address, {slots.AT: address})


@contextlib.contextmanager
def rootless() -> Iterator[Row]:
    """Podman as a user's own service; the tests are that user's."""
    login, ids = f"mlc-owner{slots.SLOT or ''}", (1007 + 10 * slots.SLOT, 2007 + 10 * slots.SLOT)
    with new_user(login, *ids, ROOT, {}) as user, podman_service.service(user) as address:
        far_engine.copy_images(slots.engine_address(), address, *BASES)
        yield Row(address, {slots.AT: address, "MLC_TEST_OWNER": login}, OWN_ALONE)


ROWS: dict[str, tuple[str, Callable[[], contextlib.AbstractContextManager[Row]]]] = {
    "docker": ("Docker, by its socket", docker),
    "tls": ("Docker, by tcp with TLS", tls),
    "ssh": ("Docker, by ssh", ssh),
    "podman": ("Podman, root's", podman),
    "rootless": ("Podman, a user's own (rootless)", rootless),
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
    """Return what the engine says it is."""
    return far_engine.call("docker", "-H", row.socket, "version", "--format", "{{.Server.Version}}")


def page(results: dict[str, dict[str, Any]]) -> str:
    """Return the page of what is in docs/engines.json."""
    lines = [
        "# Engines, and what passes on each",
        "",
        "Written by `make engines`, of real runs on real engines on one machine; nothing in the",
        "table is typed in. [Engines elsewhere](remote.md) says how to use them.",
        "",
        f"| engine | version | {' | '.join(SUITES)} | run on |",
        f"| --- | --- |{' --- |' * len(SUITES)} --- |",
    ]
    for row in ROWS:
        if row not in results:
            continue
        found = results[row]
        cells = {suite: Cell(**cell) for suite, cell in found["suites"].items()}
        told = " | ".join(str(cells.get(suite, "-")) for suite in SUITES)
        about = f"{found['version']} | {told} | {found['day']}"
        lines.append(f"| {ROWS[row][0]} | {about} |")
    lines += [
        "",
        "`contract` is the suite that every engine is held to, the tests' own one in memory",
        "included; `life` a container from the set-up of the account to its removal, with a shell,",
        "export and import, and a project's image built and deployed; the others are the tests of",
        "the command of mlc. `-`: not run: those use several users, and such an engine is one's.",
        "",
    ]
    failures = [
        f"- {ROWS[row][0]}, {suite}: `{name}`: {why[:200].replace('|', ' ')}"
        for row, found in results.items()
        for suite, cell in found["suites"].items()
        for name, why in cell["failed"].items()
    ]
    return "\n".join([*lines, "## What does not pass", "", *(failures or ["Nothing."]), "", NOTES])


NOTES = """\
## What Podman does otherwise

Podman is known by what it says of itself, and spoken to by its Docker-compatible API
(`podman system service`, `DOCKER_HOST=unix:///run/podman/podman.sock`, a user's own
`unix://$XDG_RUNTIME_DIR/podman/podman.sock`). Shells and builds need the docker client as well.

- **GPUs**: Podman 4.3 accepts Docker's GPU request on a host without any GPU, and starts the
  container without one, where Docker refuses. So it is not to be relied on, and `create` warns.
- **A directory that is missing** on the host of an engine elsewhere is made by Podman, as root's or
  the service's user's, even for a mount that Docker would refuse. `create` warns.
- **Rootless**: the service's user is root inside, and other UIDs are that user's subordinate ones.
  So a container that runs as an account is made with `--userns keep-id:uid=UID,gid=GID`
  (from Podman 4.3 on): inside it is the account, and files under `/workspace` are the user's.
  It needs ranges in `/etc/subuid` and `/etc/subgid`, and is for one user: the service's own.
  `memlock` stays at the user's own limit. With cgroups of version 1, `--cpus`, `--memory` and
  `--pids-limit` have no effect; Podman says so in its log alone.
- **Images** have Podman's registry put before their names; they are shown as they were typed.
- **Builds** add the label `io.buildah.version`, commits the variables `TERM` and `container`.

---
[The book](README.md) · [Engines elsewhere](remote.md)
"""


def main(wanted: list[str]) -> int:
    """Run the rows, all or those that were named."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: sys.exit(128 + number))  # engines are ended
    slots.use_own_engine()
    for name in wanted or ROWS:
        with ROWS[name][1]() as row:
            told, suites = version(row), {}
            for suite in row.suites:
                cell = run(row, suite)
                suites[suite] = asdict(cell)
                print(f"{ROWS[name][0]}, {told}: {suite}: {cell}", flush=True)
                for test, why in cell.failed.items():
                    print(f"    {test}: {why[:300]}", flush=True)
        keep(name, told, suites)
    return 0


def keep(row: str, told: str, suites: dict[str, Any]) -> None:
    """Keep what came of a row, and write the page anew."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    day = time.strftime("%Y-%m-%d", time.gmtime())
    results[row] = {"version": told, "day": day, "suites": suites}
    RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    PAGE.write_text(page(results), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
