"""Format docs/benchmarks.md from the measurements of one run."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from people import ROOT
from timing import Spread, ratio, spread

sys.path.append(str(ROOT / "tests"))

from support.markdown import wrapped


def machine() -> dict[str, str]:
    """Describe the machine and the software on it."""
    cpu = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    memory = re.search(r"^MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text(), re.M)
    engine = _said("docker", "version", "--format", "{{.Server.Version}}")
    return {
        "commit": _said("git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude=*"),
        "date": _said("date", "--utc", "+%Y-%m-%d %H:%M UTC"),
        "CPU": f"{os.cpu_count()} x {cpu[1] if cpu else platform.machine()}",
        "memory": f"{int(memory[1]) / 1e6:.0f} GB" if memory else "",
        "system": f"{_system()}, Linux {platform.release()}",
        "disk": _said("findmnt", "-n", "--output", "FSTYPE,SOURCE", "--target", "/var/tmp"),
        "Docker Engine": f"{engine}, {_said('docker', 'info', '--format', '{{.Driver}}')}",
        "Python": _said(str(ROOT / ".venv/bin/python"), "--version"),
        "load before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }


def seconds(figures: Spread) -> str:
    """Return a median with its quartiles."""
    return f"{figures.median:.3f} ({figures.low:.3f}–{figures.high:.3f})"


def times(figures: Spread) -> str:
    """Return a ratio with its quartiles."""
    return f"{figures.median:.2f}x ({figures.low:.2f}–{figures.high:.2f})"


def size(count: float) -> str:
    """Return a number of bytes with a suitable unit."""
    for unit in ("B", "kB", "MB"):
        if abs(count) < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.4g} GB"


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [headings, ["---"] + ["---:"] * (len(headings) - 1), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def compared(measured: dict[str, list[float]], baseline: str) -> str:
    """Return a table that compares all cases with one of them."""
    rows = [
        (name, seconds(spread(values)), times(ratio(values, measured[baseline])))
        for name, values in measured.items()
    ]
    return table(("", "seconds: median (quartiles)", f"against `{baseline}`"), rows)


def verdicts(rows: Sequence[tuple[str, str, str, bool]]) -> str:
    """Return the table of targets, and whether they were met in this run."""
    return table(
        ("target", "limit", "measured", "met"),
        [
            (what, limit, found, "yes" if is_met else "**no**")
            for what, limit, found, is_met in rows
        ],
    )


def document(parts: Sequence[tuple[str, str]], about: dict[str, str], notes: str) -> str:
    """Return the whole page."""
    facts = table(("machine", ""), list(about.items()))
    body = "\n".join(f"## {heading}\n\n{text}" for heading, text in parts)
    return wrapped(
        "# Benchmarks\n\n"
        "Written by `make bench`: all figures are from one run, on the machine below. The cases of "
        "a table were run alternately, round after round. Figures are medians, with the quartiles "
        "in brackets; ratios are calculated within a round. The raw seconds are in "
        "[benchmarks.json](benchmarks.json).\n\n"
        f"![the same work by several programs](benchmarks.svg)\n\n{notes}\n{facts}\n{body}\n---\n"
        "[Documentation](README.md) · next: [Scaling](scaling.md)\n"
    )


def between(page: str, begin: str, text: str, end: str) -> str:
    """Return a page with what is between two marks replaced by a text.

    Raises:
        ValueError: a mark is missing.
    """
    before, has_begin, rest = page.partition(begin)
    _, has_end, after = rest.partition(end)
    if not (has_begin and has_end):
        raise ValueError(f"one of the marks {begin} and {end} is missing")
    return f"{before}{begin}\n\n{text}\n{end}{after}"


def plain(values: Any) -> Any:
    """Return results as types that JSON has."""
    if is_dataclass(values) and not isinstance(values, type):
        return plain(asdict(values))
    if isinstance(values, dict):
        return {str(key): plain(value) for key, value in values.items()}
    if isinstance(values, (list, tuple)):
        return [plain(value) for value in values]
    return round(values, 6) if isinstance(values, float) else values


def _said(*argv: str) -> str:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    except OSError:
        return "unknown"
    return done.stdout.strip() or "unknown"


def _system() -> str:
    text = Path("/etc/os-release").read_text()
    found = re.search(r'^PRETTY_NAME="?([^"\n]*)', text, re.M)
    return found[1] if found else platform.system()
