"""What the results say: the sections of the page, the verdicts, and what is plotted."""

from __future__ import annotations

from collections import Counter
from typing import Any

from creating import BUILT, DOCKER, FLOWS, IMPORT_DOCKER, LABELLED, LEGACY
from plot import Group
from report import compared, seconds, size, table, times, verdicts
from starting import HELP
from timing import Spread, ratio, spread
from updating import UNCACHED

_SYSTEM = "python3 -c pass (the system's)"
_OWN = "python -c pass (.venv's)"
_HELP = ("mlc -h", "mlc --version", "mlc list --wrong (usage error)")
CREATE_LIMIT = 1.5
"""The issue's 0.15 s for a create where importing the SDK takes 0.10 s."""


def sections(results: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the page's sections, each a heading and its text."""
    parts = [
        ("What was aimed at", verdicts(_verdicts(results))),
        ("Create", _create(results)),
        ("Disk", _disk(results)),
        ("Look-ups among many containers", _look_ups(results)),
        ("Start-up", _start_up(results)),
        ("What a command asks of the engine", _calls(results)),
        ("image-update that adds one package", _update(results)),
        ("A full engine", _full(results)),
    ]
    if "aime" in results:
        parts.insert(2, ("AIME's own mlc", compared(results["aime"], "AIME's mlc create")))
    return parts


def picture(results: dict[str, Any]) -> tuple[str, list[Group]]:
    """Return the plot's title and its groups of bars."""
    groups = [
        Group(where, [(flow, spread(values)) for flow, values in flows.items()])
        for where, flows in results["create, all flows"].items()
    ]
    return "Seconds of a create, whole process (logarithmic)", groups


def _verdicts(results: dict[str, Any]) -> list[tuple[str, str, str, bool]]:
    create = results["create"]
    sdk = create["python"][IMPORT_DOCKER]
    wheres = [where for where in create if where != "python"]
    rows = []
    worst = max((ratio(create[where][LABELLED], sdk) for where in wheres), key=_median)
    rows.append(
        _verdict("create from a labelled image, against `import docker`", CREATE_LIMIT, worst)
    )
    first = create[wheres[0]][LABELLED]
    worst = max((ratio(create[where][LABELLED], first) for where in wheres), key=_median)
    rows.append(_verdict("the same, largest image against the smallest", 1.2, worst))
    flat = ratio(results["flatness"]["full"], results["flatness"]["empty"])
    many = results["many"]
    rows.append(_verdict(f"the same, {many} containers and images against none", 1.2, flat))
    start = results["start-up"]
    for base in (_OWN, _SYSTEM):
        worst = max((ratio(start[name], start[base]) for name in _HELP), key=_median)
        rows.append(_verdict(f"help, version, usage error against `{base}`", 2, worst))
    worst = max((ratio(start[name], start[_SYSTEM]) for name in HELP), key=_median)
    rows.append(_verdict("-h of every command, the slowest, against the system's Python", 2, worst))
    lists = spread(start["list"]).median
    # A create that is refused at the end starts up as any; what the engine makes is not in it.
    creates = spread(start["create (name taken)"]).median
    found = f"{lists - creates:+.3f} s"
    rows.append(("list's process against create's", "+0.050 s", found, lists - creates <= 0.05))
    built = max(
        (ratio(create[where][BUILT], create[where][LABELLED]) for where in wheres), key=_median
    )
    rows.append(_verdict("`legacy_flow = build` against a labelled image", 1.2, built))
    return rows


def _verdict(what: str, limit: float, found: Spread) -> tuple[str, str, str, bool]:
    return what, f"{limit:g}x", times(found), found.median <= limit


def _median(figures: Spread) -> float:
    return figures.median


def _create(results: dict[str, Any]) -> str:
    create, slow = results["create"], results["create, all flows"]
    rows = [
        (name, seconds(spread(values)), times(ratio(values, create["python"][IMPORT_DOCKER])), "")
        for name, values in create["python"].items()
    ]
    for where, flows in create.items():
        if where == "python":
            continue
        for flow, values in flows.items():
            rows.append(
                (
                    f"{where}: {flow}",
                    seconds(spread(values)),
                    times(ratio(values, create["python"][IMPORT_DOCKER])),
                    times(ratio(values, flows[DOCKER])),
                )
            )
    fast = table(("", "seconds", f"against `{IMPORT_DOCKER}`", f"against `{DOCKER}`"), rows)
    rows = [
        (
            where,
            *(seconds(spread(flows[flow])) for flow in FLOWS),
            times(ratio(flows[LEGACY], flows[LABELLED])),
        )
        for where, flows in slow.items()
        if where != "python"
    ]
    old = table(("", *FLOWS, "legacy flow against labelled"), rows)
    sizes = ", ".join(f"{words} is {size(count)}" for words, count in results["sizes"].items())
    builds = spread(results["first builds"])
    return (
        "The whole process, from the shell's call to its end, of an ordinary user; the bases "
        f"hold sudo and git ({sizes}). `docker create` makes the same container.\n\n{fast}\n"
        f"With the legacy flow, which takes its time, in an interleaving of its own:\n\n{old}\n"
        f"The first create with `legacy_flow = build`, which builds, once per user and image: "
        f"{seconds(builds)} s.\n"
    )


def _disk(results: dict[str, Any]) -> str:
    counts = list(next(iter(results["disk"].values())))
    rows = [
        (
            flow,
            *(size(by_count[count]) for count in counts),
            size(by_count[counts[-1]] / counts[-1]),
        )
        for flow, by_count in results["disk"].items()
    ]
    headings = ("containers", *map(str, counts), f"each of {counts[-1]}")
    ways = list(next(iter(results["bytes"].values())))
    added = [
        (base, *(size(by_way[way].size) for way in ways))
        for base, by_way in results["bytes"].items()
    ]
    taken = [
        (base, *(f"{by_way[way].seconds:.2f}" for way in ways if by_way[way].seconds is not None))
        for base, by_way in results["bytes"].items()
    ]
    return (
        "Bytes that the engine's data root grew by, for containers of the small base, which "
        f"has sudo and git:\n\n{table(headings, rows)}\n"
        "What one account adds to an image, as the engine counts an image's size. AIME's steps "
        "are reproduced here (its package lists stay in the image). AIME's "
        "mlc and our legacy flow add that for every container, `legacy_flow = build` once for each "
        f"user and image:\n\n{table(('bytes', *ways), added)}\n"
        "The seconds of one create by each of them, and of one run of AIME's steps with commit "
        f"and create, each measured once:\n\n{table(('seconds', *ways[1:]), taken)}"
    )


def _look_ups(results: dict[str, Any]) -> str:
    found = results["look-ups"]
    names = list(next(iter(found.values())))
    rows = [
        (name, *(seconds(spread(by_name[name])) for by_name in found.values())) for name in names
    ]
    count = list(found)
    growth = [
        (
            name,
            *(times(ratio(by_name[name], by_name["docker ps -a"])) for by_name in found.values()),
        )
        for name in names
    ]
    measured = [
        (name, *(seconds(spread(by_name[name])) for by_name in results["sizes on disk"].values()))
        for name in next(iter(results["sizes on disk"].values()))
    ]
    answers = [
        (name, *(size(by_name[name]) for by_name in results["answers"].values()))
        for name in next(iter(results["answers"].values()))
    ]
    headings = ("containers, all the caller's", *map(str, count))
    return (
        "Seconds of the whole process; `open` and `remove` are of a name that is not there, so "
        f"that they are start-up and look-up.\n\n{table(headings, rows)}\n"
        f"Against `docker ps -a` of the same rounds:\n\n{table(headings, growth)}\n"
        "Commands for which the engine measures what is on disk (two rounds):\n\n"
        f"{table(headings, measured)}\n"
        f"Bytes of the engine's answer:\n\n{table(headings, answers)}"
    )


def _start_up(results: dict[str, Any]) -> str:
    start, imports = results["start-up"], results["imports"]
    rows = []
    for name, values in start.items():
        found = imports.get(name)
        rows.append(
            (
                f"`{name}`",
                seconds(spread(values)),
                times(ratio(values, start[_OWN])),
                times(ratio(values, start[_SYSTEM])),
                f"{found.modules}" if found else "",
                f"{found.seconds:.3f}" if found else "",
                ("yes" if found.sdk else "no") if found else "",
            )
        )
    headings = ("", "seconds", "x .venv's Python", "x the system's", "modules", "importing", "SDK")
    return (
        "Whole processes on an engine with two containers. The modules and the seconds of "
        "importing them are `-X importtime`'s, which itself slows imports down; "
        f"`SDK`: whether `docker` was imported.\n\n{table(headings, rows)}"
    )


def _calls(results: dict[str, Any]) -> str:
    rows = []
    for name, calls in results["calls"].items():
        kinds = Counter(calls)
        words = [f"{call} ({times} times)" if times > 1 else call for call, times in kinds.items()]
        rows.append((name, f"{len(calls)}", f"`{'`, `'.join(words)}`" if words else ""))
    return (
        "Besides the ping that every command begins with. Commands run in a container, and "
        "builds, go through Docker's client or the SDK, whose requests are counted here, "
        f"too.\n\n{table(('', 'requests', 'which'), rows)}"
    )


def _update(results: dict[str, Any]) -> str:
    rows = [
        (name, f"{results['steps'][name][0]}", f"{results['steps'][name][1]}")
        for name in results["update"]
    ]
    return (
        "A Dockerfile with one Debian and one Python package gets another Python package, by "
        f"the classic builder.\n\n{compared(results['update'], UNCACHED)}\n"
        f"{table(('', 'steps run anew', 'from the cache'), rows)}"
    )


def _full(results: dict[str, Any]) -> str:
    most, many = results["most"], results["many"]
    empty, full = results["start empty"], results["start full"]
    rows = [
        (
            "the engine answers after a start",
            f"{empty['seconds']:.2f} s",
            f"{full['seconds']:.2f} s",
        ),
        ("dockerd's memory after a start", size(empty["memory"]), size(full["memory"])),
    ]
    headings = ("", "no containers", f"{most} containers, {many} images")
    return (
        f"{table(headings, rows)}\n"
        f"Each created container takes {size(results['disk of a container'])} of disk.\n"
    )
