"""The results of tests on engines: read from pytest's reports, stored in docs/engines.json, and
shown in docs/engines.md."""

from __future__ import annotations

import contextlib
import fcntl
import json
import sys
import xml.etree.ElementTree as Xml
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from support.markdown import wrapped  # noqa: E402
from support.worker import ONE_USER  # noqa: E402

from tools import engine_reasons  # noqa: E402

PAGE = ROOT / "docs/engines.md"
RESULTS = PAGE.with_suffix(".json")
SUITES = {
    "contract": ("tests/contract",),
    "life": ("tests/products/test_life.py",),
    "containers": ("tests/engine/containers",),
    "images": ("tests/engine/images",),
    "maintenance": ("tests/engine/maintenance",),
}
"""The columns, and the tests of each."""


@dataclass(frozen=True)
class Kind:
    """A row of the page: how the engine is named and started, and which suites run on it."""

    name: str
    store: str
    builders: str
    started: Callable[[], contextlib.AbstractContextManager[Any]]
    suites: tuple[str, ...] = tuple(SUITES)
    without: tuple[str, ...] = ()
    """Markers of tests that cannot run there."""

    @property
    def selection(self) -> tuple[str, ...]:
        """What pytest gets for the choice of tests."""
        return ("-m", " and not ".join(("real_engine", *self.without)))


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


def keep(row: str, number: str, suite: str, cell: Cell, rows: Mapping[str, Kind]) -> None:
    """Store the result of a suite, and rewrite the page; other runs may do so at the same time."""
    with RESULTS.open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        results = json.loads(file.read() or "{}")
        found = results.setdefault(row, {"version": number, "suites": {}})
        if found["version"] != number:
            found = results[row] = {"version": number, "suites": {}}
        found["suites"][suite] = asdict(cell)
        file.truncate(0)
        file.write(json.dumps(results, indent=2) + "\n")
        PAGE.write_text(page(results, rows), encoding="utf-8")


def page(results: Mapping[str, Mapping[str, Any]], rows: Mapping[str, Kind]) -> str:
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
    for row, kind in rows.items():
        if row not in results:
            continue
        cells = {suite: Cell(**cell) for suite, cell in ran(results, row).items()}
        passed = [str(cells.get(suite, "-")) if suite in kind.suites else "" for suite in SUITES]
        runs = sorted({f"{each.day}, {each.commit}" for each in cells.values()})
        about = [kind.name, results[row]["version"], kind.store, kind.builders]
        lines.append(f"| {' | '.join([*about, *passed, '; '.join(runs)])} |")
    missing = [
        f"{kind.name} ({row}{'' if row not in results else ': ' + ', '.join(lacking)})"
        for row, kind in rows.items()
        if (lacking := [each for each in kind.suites if each not in ran(results, row)])
    ]
    lines += [
        "",
        "`contract` is the suite that every engine has to pass, including the tests' fake one; "
        "`life` covers a container from the set-up of the account to its removal, with a shell, "
        "export and import, and a project's image; `containers`, `images` and `maintenance` are "
        "the tests of these commands. `-`: not run. An empty cell: not for this row, as the tests "
        "of images use every builder on every engine. A rootless engine's tests are its user's; "
        "those that need another user count as failed. By TLS and ssh an engine counts as another "
        "host's: without the tests of this host's directories, devices and GPUs; by ssh also "
        "without those under sudo or without the user's ssh settings, where "
        "mlc refuses to use root's keys. An engine with an oldest API refuses older clients, as "
        "Docker 29 does with all before 1.44.",
        "",
        *([f"Not run yet: {'; '.join(missing)}.", ""] if missing else ()),
    ]
    failures = [line for row in rows if row in results for line in _failures(row, results, rows)]
    about = (
        "Each line is a reason why tests fail, with their number; [engines.json](engines.json) "
        "names them."
    )
    shown = [about, *failures] if failures else ["None."]
    return wrapped("\n".join([*lines, "## Failures", "", *shown, "", NOTES]))


def _failures(
    row: str, results: Mapping[str, Mapping[str, Any]], rows: Mapping[str, Kind]
) -> Iterator[str]:
    """Yield a heading for an engine on which tests failed, and a line for each reason, with the
    number of tests. Where no reason is known, the line is what the tests said, and names them."""
    known: dict[str, int] = {}
    unknown: dict[str, list[str]] = {}
    for cell in ran(results, row).values():
        for name, said in cell["failed"].items():
            words = said[:200].replace("|", " ")
            found = engine_reasons.by_name(row, name) or engine_reasons.by_words(row, said)
            if found or words == ONE_USER:
                known[found or words] = known.get(found or words, 0) + 1
            else:
                # Without the module, so that lines stay short.
                unknown.setdefault(words, []).append(f"`{name.partition('::')[2] or name}`")
    if not known and not unknown:
        return
    yield from ("", f"### {rows[row].name} {results[row]['version']} ({rows[row].store} store)", "")
    for reason, count in sorted(known.items(), key=lambda each: -each[1]):
        yield f"- {reason}: {count} test{'s' if count > 1 else ''}"
    for words, tests in unknown.items():
        yield f"- {words}: {', '.join(tests)}"


def ran(results: Mapping[str, Mapping[str, Any]], row: str) -> Mapping[str, Any]:
    """Return the results of a row's suites."""
    found: Mapping[str, Any] = results.get(row, {}).get("suites", {})
    return found


NOTES = """\
## What some versions of Docker cannot do

- **A volume behind an absolute link**: some versions copy no file out of a container that has a
  volume at such a path, such as one below `/var/run` where that leads to `/run` ("path escapes from
  parent", in Debian's 28.5.2+dfsg4; moby/moby#52653 and #53258 report it for 29.5 and 29.7). The
  legacy flow copies files, so it refuses an image with such a volume, with the engine's words.

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
  needs ranges in `/etc/subuid` and `/etc/subgid`, and works for the service's own user only. These
  IDs are numbered from 1 inside, so there must be at least as many as the user's UID and GID: the
  usual 65536 are too few for a high UID, as of LDAP. The ranges must not include the UID itself.
  `memlock` stays at the user's own limit. With cgroups version 1, `--cpus`, `--memory` and
  `--pids-limit` have no effect; Podman reports that only in its log.
- **Volumes**: its API returns the files of a directory as root's. So what is in a container's
  volumes can be neither saved nor exported: both refuse if it differs from the image's, as does the
  legacy flow for an image with the home in a volume. `remove` keeps such volumes.
- **Images** get Podman's registry as a prefix of their names; they are shown as they were typed.
- **Builds** are Podman's own, through its API: no Docker client is needed, and settings with
  passwords are secrets of the build. After Ctrl-C the step that is running goes on to its end; no
  image is made, and what earlier steps made is removed by the next build of the project.
  A Dockerfile with build arguments of its own (`ARG`) is built without Podman's cache, which does
  not look at their values in `ENV` and `LABEL`.
- **Builds** add the label `io.buildah.version`, commits the variables `TERM` and `container`. The
  history of a built image names the proxy variables, without their values.

---
[Documentation](README.md) · [Remote engines](remote.md)
"""
