"""A pytest plugin for tests of promises (promises.py): the marker, the counters, and the page.

`make test` runs these tests at a small size; `make reliability` sets MLC_RELIABILITY=full to run
them in full, and MLC_RELIABILITY_PAGE to the page to write. Registered by conftest.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support.markdown import wrapped
from support.promises import COUNTS, PROMISES, Group

SIZE = "MLC_RELIABILITY"
PAGE = "MLC_RELIABILITY_PAGE"
MARKER = "promise"
_COUNT = "count"


def is_full() -> bool:
    """Whether tests run at their full size."""
    return os.environ.get(SIZE) == "full"


def sized(small: int, full: int) -> int:
    """Return one of two numbers of repetitions, by the size of the run."""
    return full if is_full() else small


Counted = Callable[..., None]
"""`counted("faults injected", 3)`."""


@pytest.fixture
def counted(request: pytest.FixtureRequest) -> Counted:
    """Count for the report what a test did: `counted("kills")`, `counted("races", 20)`."""

    def count(kind: str, number: int = 1) -> None:
        assert kind in COUNTS, f"{kind!r} is not in promises.COUNTS"
        # Properties are the only data of a test that reach the controller of several workers.
        request.node.user_properties.append((_COUNT, [kind, number]))

    return count


@dataclass
class Outcome:
    """How the cases of one test function ended."""

    ended: Counter[str] = field(default_factory=Counter)

    @property
    def held(self) -> bool:
        """Whether there were cases and all passed."""
        return set(self.ended) == {"passed"}

    def words(self) -> str:
        """Return the result as text for the page."""
        cases = sum(self.ended.values())
        if self.held:
            return f"passed ({cases} cases)" if cases > 1 else "passed"
        bad = ", ".join(f"{number} {how}" for how, number in sorted(self.ended.items()))
        return f"**FAILED**: {bad}"


class Reliability:
    """Collects the outcome of every test, and writes the page at the end of the run."""

    def __init__(self, page: str | None) -> None:
        """Start without outcomes; `page` is the file to write, if any."""
        self._page = page
        self._began = time.time()
        self._promised: dict[str, list[str]] = {}
        self._ended: dict[str, str] = {}
        self._counts: dict[str, list[tuple[str, int]]] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Refuse unknown promises, and record which promises a test holds."""
        for item in items:
            for mark in item.iter_markers(MARKER):
                if not mark.args or (unknown := set(mark.args) - set(PROMISES)):
                    raise pytest.UsageError(f"{item.nodeid}: no such promise: {unknown}")
                item.user_properties.extend((MARKER, each) for each in mark.args)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Record the outcome of a phase of a test; the worst one counts."""
        known = self._ended.get(report.nodeid, "passed")
        self._ended[report.nodeid] = report.outcome if known == "passed" else known
        properties = report.user_properties
        self._promised[report.nodeid] = [value for key, value in properties if key == MARKER]
        self._counts[report.nodeid] = [(*value,) for key, value in properties if key == _COUNT]

    def held(self) -> dict[str, dict[str, Outcome]]:
        """Return for each promise the outcomes of its tests, by path and function."""
        found: dict[str, dict[str, Outcome]] = {each: {} for each in PROMISES}
        for nodeid, promises in self._promised.items():
            test = nodeid.partition("[")[0]
            for promise in promises:
                found[promise].setdefault(test, Outcome()).ended[self._ended[nodeid]] += 1
        return found

    def counts(self) -> Counter[str]:
        """Return the counters, summed over all tests."""
        total: Counter[str] = Counter()
        for counted in self._counts.values():
            for kind, number in counted:
                total[kind] += number
        return total

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the page, and fail the run if a promise does not hold."""
        if self._page is None or hasattr(session.config, "workerinput"):
            return
        held = self.held()
        text = page(held, self.counts(), time.time() - self._began)
        Path(self._page).write_text(text, encoding="utf-8")
        if not all(map(is_held, held.values())):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the path of the page, and the promises that do not hold."""
        if self._page is not None:
            terminalreporter.write_line(f"reliability: {self._page}")
            for promise, tests in self.held().items():
                if not is_held(tests):
                    why = "FAILED" if tests else "has no test"
                    terminalreporter.write_line(f"reliability: {promise}: {why}")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker and the plugin."""
    config.addinivalue_line("markers", f"{MARKER}(id, ...): holds promises of promises.py")
    config.pluginmanager.register(Reliability(os.environ.get(PAGE)), "mlc-reliability-report")


def is_held(tests: dict[str, Outcome]) -> bool:
    """Whether a promise has tests and all of them passed."""
    return bool(tests) and all(each.held for each in tests.values())


def page(held: dict[str, dict[str, Outcome]], counts: Counter[str], seconds: float) -> str:
    """Return the page: the promises, their tests, and what the run did."""
    broken = [each for each, tests in held.items() if not is_held(tests)]
    state = (
        f"All {len(held)} promises held in this run."
        if not broken
        else f"**{len(broken)} of {len(held)} promises did not hold in this run: "
        f"{', '.join(broken)}.**"
    )
    lines = [
        "# Reliability",
        "",
        "What `mlc`, `image-*` and `container-*` guarantee when something goes wrong, and the "
        "tests that show it. Written by `make reliability` from the run described below.",
        "",
        state,
        "",
    ]
    for group in Group:
        lines += [f"## {group.value}", ""]
        for name, promise in PROMISES.items():
            if promise.group is group:
                lines += _promised(name, promise.sentence, held[name])
    lines += ["## What the run did", "", "| counted | times |", "| --- | ---: |"]
    lines += [f"| {kind} | {counts[kind]:,} |" for kind in COUNTS]
    lines += ["", "## The run", "", "| | |", "| --- | --- |"]
    lines += [f"| {name} | {value} |" for name, value in _machine(seconds)]
    return wrapped("\n".join([*lines, "", "---", _FOOTER, ""]))


_FOOTER = "[Documentation](README.md) · next: [Architecture](architecture.md)"


def _promised(name: str, sentence: str, tests: dict[str, Outcome]) -> list[str]:
    lines = [f"### {name}", "", sentence, ""]
    if not tests:
        return [*lines, "**FAILED**: no test in this run covers it.", ""]
    lines += ["| test | result |", "| --- | --- |"]
    for test, outcome in sorted(tests.items()):
        path, _, function = test.partition("::")
        lines.append(f"| [{path}](../{path}) `{function}` | {outcome.words()} |")
    return [*lines, ""]


def _machine(seconds: float) -> Iterable[tuple[str, str]]:
    cpu = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    memory = re.search(r"^MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text(), re.M)
    yield "date", time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    yield "commit", _said("git", "describe", "--always", "--dirty", "--exclude=*")
    yield "seconds", f"{seconds:.0f}"
    yield "CPU", f"{os.cpu_count()} x {cpu[1] if cpu else platform.machine()}"
    yield "memory", f"{int(memory[1]) / 1e6:.0f} GB" if memory else ""
    yield "system", f"Linux {platform.release()}, Python {platform.python_version()}"
    yield "Docker Engine", _said("docker", "version", "--format", "{{.Server.Version}}")


def _said(*argv: str) -> str:
    here = Path(__file__).parent
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=here)
    except FileNotFoundError:
        return "unknown"
    return done.stdout.strip() or "unknown"
