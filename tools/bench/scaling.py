"""Update the measured figures in docs/scaling.md from docs/benchmarks.json."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Any

from report import between, size, table
from support.markdown import wrapped

BEGIN = "<!-- Written by `make bench`, from benchmarks.json. -->"
END = "<!-- The end of what `make bench` writes. -->"
FAR = 10_000
_GROWTH = 1.2
"""Less growth between the last two counts is regarded as none."""


def renewed(page: str, results: dict[str, Any]) -> str:
    """Return docs/scaling.md with the figures between its two marks replaced.

    Args:
        page: the text of docs/scaling.md.
        results: the content of benchmarks.json.

    Raises:
        ValueError: a mark is missing.
    """
    return between(page, BEGIN, figures(results), END)


def figures(results: dict[str, Any]) -> str:
    """Return the table and the other figures of the page."""
    counts = list(results["look-ups"])
    shown = [counts[0], *counts[-2:]]
    empty, full = results["start empty"], results["start full"]
    each = results["disk of a container"]

    def row(words: str, by_count: dict[str, float], unit: Callable[[float], str]) -> list[str]:
        far = _far(by_count, shown[-2:])
        cells = [unit(by_count[count]) for count in shown]
        return [words, *cells, "no growth seen" if far is None else f"≈ {unit(far)}"]

    def looked(name: str, part: str = "look-ups") -> dict[str, float]:
        return {count: median(results[part][count][name]) for count in shown}

    rows = [
        row("create and remove, whole process", looked("create and remove"), _seconds),
        row("looking up one container", looked("the look-up alone"), _seconds),
        row("`mlc open NAME`, where there is no such container", looked("mlc open NAME"), _seconds),
        row("`mlc list`, all containers the caller's", looked("mlc list"), _seconds),
        row(
            "size of the engine's answer to that list",
            {count: results["answers"][count]["mlc list"] for count in shown},
            size,
        ),
        row("`image-list`", looked("image-list", "sizes on disk"), _seconds),
        row("`docker ps -a`, for comparison", looked("docker ps -a"), _seconds),
        row("disk for containers", {count: each * int(count) for count in shown}, size),
    ]
    last = shown[-1]
    rows += [
        _start(
            "time until dockerd answers",
            empty["seconds"],
            full["seconds"],
            last,
            _seconds,
        ),
        _start("memory of dockerd", empty["memory"], full["memory"], last, size),
    ]
    headings = ("", *(f"{int(count):,}" for count in shown), f"{FAR:,}")
    flat = _ratio(results["flatness"]["full"], results["flatness"]["empty"])
    many = results["many"]
    disk = "".join(f"- {flow}: {_each(by_count)}\n" for flow, by_count in results["disk"].items())
    machine = results["machine"]
    return wrapped(
        f"Measured on {machine['date']}, at commit {machine['commit']}.\n\n"
        f"{table(headings, rows)}\n"
        f"With {many:,} containers and {many:,} images, create took {flat:.2f}x the time of create "
        f"on an empty engine. Disk space per container, by flow:\n\n{disk}"
    )


def _start(
    words: str, empty: float, full: float, count: str, unit: Callable[[float], str]
) -> list[str]:
    far = empty + (full - empty) / int(count) * FAR
    return [words, f"{unit(empty)} (none)", "", unit(full), f"≈ {unit(far)}"]


def _far(by_count: dict[str, float], last_two: list[str]) -> float | None:
    """Extrapolate linearly from the last two counts; None if there is no growth."""
    (near, far), (first, second) = last_two, (by_count[count] for count in last_two)
    if second < _GROWTH * first:
        return None
    return second + (second - first) / (int(far) - int(near)) * (FAR - int(far))


def _seconds(value: float) -> str:
    return f"{value:.3f} s" if value < 1 else f"{value:.1f} s"


def _ratio(values: list[float], others: list[float]) -> float:
    return float(median(a / b for a, b in zip(values, others, strict=True)))


def _each(by_count: dict[str, float]) -> str:
    most = max(by_count, key=int)
    return size(by_count[most] / int(most))
