"""Run tests on every kind of engine, and write the results to docs/engines.md: `make engines`.

    .venv/bin/python tools/engines.py [ROW[:SUITE,SUITE…]…]

As root. The results are stored in docs/engines.json, suite by suite. The engines are real ones on
this machine, started for the run: this machine's Docker through its socket, tcp with TLS, and ssh;
newer versions of Docker with either image store (tools/modern-engine.sh); Podman as root and as a
user. ROW (`docker`, `docker28`, `podman` …, see ROWS) limits the run to these rows, and SUITE to
some of their suites; the others stay on the page as they were.
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
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
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
SECONDS = 300  # for one test: on some engines a test waits for something that never happens
SUITES = {
    "contract": ("tests/contract", "-m", "real_engine"),
    "life": ("tests/products/test_life.py",),
    "containers": ("tests/engine/containers",),
    "images": ("tests/engine/images",),
    "maintenance": ("tests/engine/maintenance",),
}
"""The columns, and the tests of each."""
FOR_ONE_USER = ("contract", "life")
"""The suites that do not need several users."""
MODERN = ROOT / "tools/modern-engine.sh"
NUMBER = 142
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


@dataclass(frozen=True)
class Kind:
    """A row of the page: how the engine is named and started, and which suites run on it."""

    name: str
    store: str
    builders: str
    started: Callable[[], contextlib.AbstractContextManager[Row]]
    suites: tuple[str, ...] = tuple(SUITES)


@dataclass(frozen=True)
class Cell:
    """The result of one suite: the failed tests, with their reasons."""

    passed: int
    failed: Mapping[str, str] = field(default_factory=dict)
    day: str = ""
    commit: str = ""

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
        yield Row(address, {worker.COMMAND_ENGINE: address, "MLC_TEST_OWNER": user.login})


OWN, CONTAINERD = "its own", "containerd's"
ALL = "all that the clients have"
REMOTE = ("contract", "life", "containers")
NEWEST = partial(modern, "sid", "containerd", MINIMUM_API)
ROWS = {
    "docker": Kind("Docker", OWN, ALL, docker),
    "tls": Kind("Docker, tcp with TLS", OWN, ALL, tls, REMOTE),
    "ssh": Kind("Docker, ssh", OWN, ALL, ssh, REMOTE),
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
        ("life", "images"),
    ),
    "docker28-tls": Kind(
        f"Docker, tcp with TLS, oldest API {MINIMUM_API}",
        CONTAINERD,
        "buildx, classic",
        partial(NEWEST, "tls"),
        REMOTE,
    ),
    "docker28-ssh": Kind(
        f"Docker, ssh, oldest API {MINIMUM_API}",
        CONTAINERD,
        "buildx, classic",
        partial(NEWEST, "ssh"),
        REMOTE,
    ),
    "podman": Kind("Podman, root", OWN, "Podman's", podman),
    "rootless": Kind("Podman, rootless", OWN, "Podman's", rootless, FOR_ONE_USER),
}


def run(row: Row, suite: str) -> Cell:
    """Run one suite on an engine."""
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
            [*argv, *SUITES[suite]],
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


def read_report(text: str) -> Cell:
    """Read pytest's JUnit report. A test whose teardown fails as well is in it twice."""
    tests: set[tuple[str, str]] = set()
    failed: dict[tuple[str, str], str] = {}
    for case in Xml.fromstring(text).iter("testcase"):  # noqa: S314 - our own
        test = (case.get("classname", ""), case.get("name", ""))
        tests.add(test)
        for kind in ("failure", "error", "skipped"):
            if (found := case.find(kind)) is not None:
                why = (found.get("message") or "").strip().splitlines()
                failed.setdefault(test, why[0] if why else kind)
    return Cell(
        len(tests) - len(failed),
        {f"{module.rpartition('.')[2]}::{name}": why for (module, name), why in failed.items()},
    )


def version(row: Row) -> str:
    """Return the engine's version."""
    format_ = ("--format", "{{.Server.Version}}")
    environ = {**os.environ, **row.variables}
    return remote_engine.call(
        *(*row.prefix, "docker", "-H", row.socket, "version", *format_), env=environ
    )


def page(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the page for the results in docs/engines.json."""
    lines = [
        "# What works on which engine",
        "",
        "Written by `make engines`, from runs on real engines on one machine. "
        "[Remote engines](remote.md) says how to use them.",
        "",
        f"| engine | version | image store | builders | {' | '.join(SUITES)} | run on, commit |",
        f"| --- | --- | --- | --- |{' --- |' * len(SUITES)} --- |",
    ]
    for row, kind in ROWS.items():
        if row not in results:
            continue
        cells = {suite: Cell(**cell) for suite, cell in results[row]["suites"].items()}
        passed = [str(cells.get(suite, "-")) for suite in SUITES]
        runs = sorted({f"{each.day}, {each.commit}" for each in cells.values()})
        about = [kind.name, results[row]["version"], kind.store, kind.builders]
        lines.append(f"| {' | '.join([*about, *passed, '; '.join(runs)])} |")
    missing = [
        f"{kind.name} ({row}{'' if row not in results else ': ' + ', '.join(lacking)})"
        for row, kind in ROWS.items()
        if (lacking := [each for each in kind.suites if each not in ran(results, row)])
    ]
    lines += [
        "",
        "`contract` is the suite that every engine has to pass, including the tests' fake one; "
        "`life` covers a container from the set-up of the account to its removal, with a shell, "
        "export and import, and a project's image; `containers`, `images` and `maintenance` are "
        "the tests of these commands. `-`: not run. A rootless engine has one user, and the tests "
        "of commands use several.",
        "",
        f"Not run yet: {'; '.join(missing)}." if missing else "Everything was run.",
        "",
    ]
    failures = [
        f"- {ROWS[row].name} {found['version']} ({ROWS[row].store} store), {suite}: `{name}`: "
        f"{why[:200].replace('|', ' ')}"
        for row, found in results.items()
        for suite, cell in found["suites"].items()
        for name, why in cell["failed"].items()
    ]
    return wrapped("\n".join([*lines, "## Failures", "", *(failures or ["None."]), "", NOTES]))


def ran(results: Mapping[str, Mapping[str, Any]], row: str) -> Mapping[str, Any]:
    """Return the results of a row's suites."""
    found: Mapping[str, Any] = results.get(row, {}).get("suites", {})
    return found


NOTES = """\
## How Podman differs

mlc recognises Podman by its version information, and uses its Docker-compatible API
(`podman system service`, `DOCKER_HOST=unix:///run/podman/podman.sock`, a user's own
`unix://$XDG_RUNTIME_DIR/podman/podman.sock`). Shells also need the docker client.

- **GPUs** are CDI devices there: `-g all`, `-g 2` and `-g device=0` become `nvidia.com/gpu=all` and
  so on. Before version 5.4 Podman's API ignores every GPU request silently, and before version 6 it
  does not report its devices. So `create` tries the request on a container that cannot run, and
  refuses what Podman ignores or lacks.
- **Missing directories** on the host of a remote engine are created by Podman, owned by root or the
  service's user, even for a mount that Docker would refuse. `create` warns.
- **Rootless**: the service's user is root inside, and other UIDs are subordinate ids of that user.
  So a container with an account is created with `--userns keep-id:uid=UID,gid=GID` (Podman 4.3 or
  newer): inside, the user is the account, and files under `/workspace` belong to the user. This
  needs ranges in `/etc/subuid` and `/etc/subgid`, and works for the service's own user only.
  `memlock` stays at the user's own limit. With cgroups version 1, `--cpus`, `--memory` and
  `--pids-limit` have no effect; Podman reports that only in its log.
- **Volumes**: its API returns the files of a directory as root's. So what is in a container's
  volumes can be neither saved nor exported: both refuse, and `remove` keeps every volume that has
  files.
- **Images** get Podman's registry as a prefix of their names; they are shown as they were typed.
- **Builds** are Podman's own, through its API: no Docker client is needed, and settings with
  passwords are secrets of the build. After Ctrl-C the step that is running goes on to its end; no
  image is made, and what earlier steps made is removed by the next build of the project.
- **Builds** add the label `io.buildah.version`, commits the variables `TERM` and `container`. The
  history of a built image names the proxy variables, without their values.

---
[Documentation](README.md) · [Remote engines](remote.md)
"""


def main(wanted: list[str]) -> int:
    """Run all rows, or the given ones."""
    for each in (signal.SIGTERM, signal.SIGHUP):
        # Unwind, so that the engines are stopped.
        signal.signal(each, lambda number, frame: sys.exit(128 + number))
    worker.use_own_engine()
    for choice in wanted or ROWS:
        name, _, suites = choice.partition(":")
        kind = ROWS[name]
        with kind.started() as row:
            number = version(row)
            for suite in suites.split(",") if suites else kind.suites:
                cell = run(row, suite)
                print(f"{name}, {kind.name} {number}: {suite}: {cell}", flush=True)
                for test, why in cell.failed.items():
                    print(f"    {test}: {why[:300]}", flush=True)
                keep(name, number, suite, cell)
    return 0


def keep(row: str, number: str, suite: str, cell: Cell) -> None:
    """Store the result of a suite, and rewrite the page."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    found = results.setdefault(row, {"version": number, "suites": {}})
    if found["version"] != number:
        found = results[row] = {"version": number, "suites": {}}
    found["suites"][suite] = asdict(cell)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    PAGE.write_text(page(results), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
