"""The figures that matter most, for README.md: a table and a plot, from docs/benchmarks.json."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import entering
import packages
from creating import DOCKER, LABELLED, LEGACY
from plot import Group
from report import between, table
from support.markdown import wrapped
from timing import Spread, spread
from together import AT_ONCE
from updating import AIME_CREATE

BEGIN = "<!-- Written by `make bench`. -->"
END = "<!-- The end of what `make bench` writes. -->"


def renewed(page: str, results: dict[str, Any]) -> str:
    """Return README.md with the figures between its two marks replaced.

    Args:
        page: the text of README.md.
        results: the content of benchmarks.json.

    Raises:
        ValueError: a mark is missing.
    """
    return between(page, BEGIN, wrapped(figures(results)), END)


def figures(results: dict[str, Any]) -> str:
    """Return the table: our seconds, and those of what does the same."""
    looked, machine = results["look-ups"]["1"], results["machine"]
    at_once = {name: [run["seconds"] for run in runs] for name, runs in results["together"].items()}
    create = _smallest(results["create"])
    count = results["creates at once"]
    rows = [
        _row("create a container from your image", create[LABELLED], create[DOCKER], f"`{DOCKER}`"),
        _row("list your containers", looked["mlc list"], looked["docker ps -a"], "`docker ps -a`"),
        _row(
            f"{count} creates, {AT_ONCE} at a time",
            at_once[LABELLED],
            at_once[DOCKER],
            f"`{DOCKER}`",
        ),
    ]
    ways = results["packages"]["BuildKit"]["ways"]
    ours, theirs = ways[packages.OURS], ways[packages.PIP]
    many = packages.FEW if results["quick"] else packages.PACKAGES
    what = f"`image-create` with {len(many)} Python packages"
    rows.append(_row(what, [ours["cold"]], [theirs["cold"]], packages.PIP))
    rows.append(
        _row("`image-update --add` one more", [ours["more"]], [theirs["more"]], packages.PIP)
    )
    return (
        f"{table(('', 'mlc-patched', 'compared with'), rows)}\n"
        f"Medians of one run of `make bench` ({machine['date'][:10]}, {machine['CPU']}, Docker "
        f"{machine['Docker Engine']}). [docs/benchmarks.md](docs/benchmarks.md) has all of it, the "
        "spread and the targets that are not met.\n"
    )


def groups(results: dict[str, Any]) -> list[Group]:
    """Return the bars of the plot."""
    create = _smallest(results["create, all flows"])
    one = [(name, spread(create[name])) for name in (DOCKER, LABELLED, LEGACY)]
    if "aime" in results:
        one.append((AIME_CREATE, spread(results["aime"][AIME_CREATE])))
    if "entering" in results:
        steps = [results["entering"][step][entering.DISTROBOX] for step in entering.STEPS[:2]]
        one.append(("distrobox create", spread(steps[0])))
        both = [sum(parts) for parts in zip(*steps, strict=True)]
        one.append(("distrobox create, first enter", spread(both)))
    found = [Group("a container", one)]
    ways = results["packages"]["BuildKit"]["ways"]
    for words, command, part in (
        ("eight Python packages", "image-create", "cold"),
        ("one package more", "image-update", "more"),
    ):
        bars = {name: spread([way[part]]) for name, way in ways.items()}
        found.append(Group(words, [(command, bars.pop(packages.OURS)), *bars.items()]))
    return found


def _smallest(create: dict[str, Any]) -> dict[str, list[float]]:
    """Return the flows for the smallest image and the first user."""
    return next(flows for where, flows in create.items() if where != "python")


def _row(what: str, ours: Sequence[float], theirs: Sequence[float], name: str) -> tuple[str, ...]:
    return what, _seconds(spread(ours)), f"{name}: {_seconds(spread(theirs))}"


def _seconds(figures: Spread) -> str:
    return f"{figures.median:.2g} s" if figures.median < 10 else f"{figures.median:.0f} s"
