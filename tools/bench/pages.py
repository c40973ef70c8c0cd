"""The sections of the page, the targets, and the plot."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import large
import packages
import together
from creating import BUILT, DOCKER, FLOWS, IMPORT_DOCKER, LABELLED, LEGACY
from images import BASE
from looking import DISK_USAGE
from report import compared, seconds, size, table, times, verdicts
from starting import HELP
from timing import Spread, ratio, spread
from updating import AIME_CREATE, UNCACHED

_SYSTEM = "python3 -c pass (the system's)"
_OWN = "python -c pass (.venv's)"
_HELP = ("mlc -h", "mlc --version", "mlc list --wrong (usage error)")
CREATE_LIMIT = 1.5
"""0.15 s for a create where importing the SDK takes 0.10 s."""


def sections(results: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the page's sections, each a heading and its text."""
    parts = [
        ("Targets", _targets(results)),
        ("Create", _create(results)),
        *([("Beside distrobox", _entering(results))] if "entering" in results else []),
        ("Disk", _disk(results)),
        ("Finding one of many containers", _look_ups(results)),
        ("Start-up", _start_up(results)),
        ("Requests to the engine", _calls(results)),
        ("image-update that adds one package", _update(results)),
        (f"{together.AT_ONCE} creates at a time", _together(results)),
        ("Large containers", _large(results)),
        ("A full engine", _full(results)),
    ]
    if "packages" in results:
        found = packages.section(results["packages"], results["quick"])
        parts.insert(-1, ("Images with Python packages", found))
    if "aime" in results:
        parts.insert(2, ("AIME's own mlc", compared(results["aime"], AIME_CREATE)))
    return parts


def _targets(results: dict[str, Any]) -> str:
    rows = _verdicts(results)
    met = sum(is_met for *_, is_met in rows)
    start = results["start-up"]
    python, taken = (spread(start[name]).median for name in (_SYSTEM, "create (name taken)"))
    imports = results["imports"]["create (name taken)"]
    return (
        f"{met} of {len(rows)} targets are met in this run.\n\n{verdicts(rows)}\n"
        "Where the time of a create goes: one that the engine refuses at the end, as the name is "
        f"taken, takes {taken:.3f} s. Starting Python takes {python:.3f} of it (`python3 -c "
        f"pass`), and importing {imports.modules} modules up to {imports.seconds:.3f}, among them "
        "the standard library's argparse, which every option needs; the requests take the rest. "
        "Docker's client is a compiled program that loads nothing: so the ratio to it is highest "
        "where there is least to do, and below 1 for a list of many containers. A unit test holds "
        "the number of modules.\n"
    )


def _verdicts(results: dict[str, Any]) -> list[tuple[str, str, str, bool]]:
    create = results["create"]
    sdk = create["python"][IMPORT_DOCKER]
    wheres = [where for where in create if where != "python"]
    rows = _against_docker(results)
    worst = max((ratio(create[where][LABELLED], sdk) for where in wheres), key=_median)
    rows.append(
        _verdict("create from a labelled image, compared with `import docker`", CREATE_LIMIT, worst)
    )
    first = create[wheres[0]][LABELLED]
    worst = max((ratio(create[where][LABELLED], first) for where in wheres), key=_median)
    rows.append(_verdict("the same, largest image compared with the smallest", 1.2, worst))
    flat = ratio(results["flatness"]["full"], results["flatness"]["empty"])
    many = results["many"]
    rows.append(_verdict(f"the same, {many} containers and images compared with none", 1.2, flat))
    start = results["start-up"]
    for base in (_OWN, _SYSTEM):
        worst = max((ratio(start[name], start[base]) for name in _HELP), key=_median)
        rows.append(_verdict(f"help, version, usage error, compared with `{base}`", 2, worst))
    worst = max((ratio(start[name], start[_SYSTEM]) for name in HELP), key=_median)
    rows.append(_verdict("-h of the slowest command, compared with the system's Python", 2, worst))
    lists = spread(start["list"]).median
    # A create that is refused at the end starts up like any other, without the engine's work.
    creates = spread(start["create (name taken)"]).median
    found = f"{lists - creates:+.3f} s"
    rows.append(("list, compared with create", "+0.050 s", found, lists - creates <= 0.05))
    built = max(
        (ratio(create[where][BUILT], create[where][LABELLED]) for where in wheres), key=_median
    )
    rows.append(_verdict("`legacy_flow = build`, compared with a labelled image", 1.2, built))
    return rows


def _against_docker(results: dict[str, Any]) -> list[tuple[str, str, str, bool]]:
    """Return the verdicts on commands of which Docker's client has an equivalent."""
    create = [each for where, each in results["create"].items() if where != "python"]
    worst = max((ratio(each[LABELLED], each[DOCKER]) for each in create), key=_median)
    rows = [_verdict("create from a labelled image, compared with `docker create`", 2.5, worst)]
    at_once = {name: [run["seconds"] for run in runs] for name, runs in results["together"].items()}
    what = f"{together.AT_ONCE} creates at a time, compared with `docker create`"
    rows.append(_verdict(what, 3.5, ratio(at_once[LABELLED], at_once[DOCKER])))
    for count, limit in ((1, 2.5), (results["most"], 1.5)):
        looked = results["look-ups"][count]
        many = f"{count} container{'s' * (count > 1)}"
        what = f"list, {many} on the engine, compared with `docker ps -a`"
        rows.append(_verdict(what, limit, ratio(looked["mlc list"], looked["docker ps -a"])))
    measured = results["sizes on disk"][results["most"]]
    what = f"image-list, as many containers, compared with `{DISK_USAGE}`"
    rows.append(_verdict(what, 2, ratio(measured["image-list"], measured[DISK_USAGE])))
    taken = spread(measured["mlc doctor"]).median
    rows.append(("doctor, as many containers", "3 s", f"{taken:.2f} s", taken <= 3))
    for ours, theirs in ((large.EXPORT, large.DOCKER_EXPORT), (large.SAVE, large.COMMIT)):
        found = ratio(results["large"][ours], results["large"][theirs])
        rows.append(_verdict(f"{ours}, compared with `{theirs}`", 1.2, found))
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
    fast = table(("", "seconds", f"compared with `{IMPORT_DOCKER}`", f"with `{DOCKER}`"), rows)
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
    labelled = [spread(each[LABELLED]).median for where, each in slow.items() if where != "python"]
    legacy = [spread(each[LEGACY]).median for where, each in slow.items() if where != "python"]
    return (
        "A create from a labelled image takes as long from a large image as from a small one, and "
        "as long for a high UID. Seconds of the whole process, run by an ordinary user; the bases "
        f"contain sudo and git ({sizes}). `docker create` creates the same container.\n\n{fast}\n"
        f"The legacy flow takes {min(legacy):.2f} to {max(legacy):.2f} s where a labelled image "
        f"takes {min(labelled):.2f} to {max(labelled):.2f}, measured in rounds of their own:\n\n"
        f"{old}\n"
        f"The first create with `legacy_flow = build`, which builds, once per user and image: "
        f"{seconds(builds)} s.\n"
    )


def _entering(results: dict[str, Any]) -> str:
    found = results["entering"]
    rows = [
        (step, *(seconds(spread(by_name[name])) for name in by_name))
        for step, by_name in found.items()
    ]
    return (
        "distrobox makes a container quickly, and sets it up when it is first entered: it installs "
        "packages and adds the account, in each container again. An image with the account has "
        "all of that. Seconds of the whole process, on an engine with a network, from "
        f"`{BASE}`: `mlc create`, then `mlc start NAME true` twice; `distrobox create`, then "
        f"`distrobox enter` for `true` twice.\n\n"
        f"{table(('', *next(iter(found.values()))), rows)}"
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
        "A container of a labelled image uses as much disk space as one of `docker create`; the "
        "legacy flow adds an image for each. Growth of the engine's data directory, for containers "
        f"of the small base, which contains sudo and git:\n\n{table(headings, rows)}\n"
        "An account adds some kilobytes to an image that has sudo and git, where AIME's steps add "
        "their package lists every time. Growth in the engine's image size. AIME's steps are "
        "reproduced here (its package lists stay in the image). AIME's mlc and our legacy flow "
        "add this for every container, `legacy_flow = build` once for each "
        f"user and image:\n\n{table(('bytes', *ways), added)}\n"
        "Seconds of one create with each of them, and of one run of AIME's steps with commit "
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
    headings = ("the caller's containers", *map(str, count))
    listed = [spread(by_name["mlc list"]).median for by_name in found.values()]
    return (
        f"`mlc list` takes {listed[0]:.2f} s with {count[0]} container and {listed[-1]:.2f} s with "
        f"{count[-1]}, as the engine has to describe each. Seconds of the whole process; `open` "
        "and `remove` are given a name that does not exist, so that they only start up and look it "
        f"up.\n\n{table(headings, rows)}\n"
        "The more containers there are, the less it matters which program asks. Compared with "
        f"`docker ps -a` in the same rounds:\n\n{table(headings, growth)}\n"
        "`doctor` takes longest, as it checks every container's mounts and devices. Commands for "
        f"which the engine measures its disk usage (two rounds):\n\n{table(headings, measured)}\n"
        "Looking up one container does not ask about the others. Bytes of the engine's answer:\n\n"
        f"{table(headings, answers)}"
    )


def _start_up(results: dict[str, Any]) -> str:
    start, imports = results["start-up"], results["imports"]
    rows = []
    helps = {name: values for name, values in start.items() if name in HELP}
    slowest = max(helps, key=lambda name: spread(helps[name]).median)
    for name, values in start.items():
        if name in helps and name != slowest:
            continue
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
    medians = [spread(values).median for values in helps.values()]
    return (
        f"The help of a command takes {min(medians):.3f} to {max(medians):.3f} s, twice what "
        f"Python needs to start; of the {len(helps)}, the slowest is in the table. Whole processes "
        "on an engine with two containers. The number of modules and the seconds of importing them "
        "are from `-X importtime`, which itself slows imports down; "
        f"`SDK`: whether `docker` was imported.\n\n{table(headings, rows)}"
    )


def _calls(results: dict[str, Any]) -> str:
    rows = []
    for name, calls in results["calls"].items():
        kinds = Counter(calls)
        words = [f"{call} ({times} times)" if times > 1 else call for call, times in kinds.items()]
        rows.append((name, f"{len(calls)}", f"`{'`, `'.join(words)}`" if words else ""))
    counted = table(("", "requests", "which"), rows)
    return (
        "The number of requests does not depend on the number of containers, except for those that "
        "run. The ping at the start of every command is not in the table. Commands in a container "
        "and builds go through Docker's client or the SDK; their requests are counted, too."
        f"\n\n{counted}"
    )


def _update(results: dict[str, Any]) -> str:
    return (
        "A package is added in a step of its own, and the steps before it stay cached. The "
        "Dockerfile has one Debian and one Python package; this is with the classic builder.\n\n"
        f"{compared(results['update'], UNCACHED)}"
    )


def _together(results: dict[str, Any]) -> str:
    found = results["together"]
    seconds_of = {name: [run["seconds"] for run in runs] for name, runs in found.items()}
    rows = [
        (
            name,
            seconds(spread(seconds_of[name])),
            times(ratio(seconds_of[name], seconds_of[DOCKER])),
            seconds(spread([run["p95"] for run in runs])),
            f"{sum(run['failed'] for run in runs):g}",
        )
        for name, runs in found.items()
    ]
    headings = (
        "",
        "seconds, all together",
        "with `docker create`",
        "95th percentile of one",
        "failed",
    )
    failed = sum(run["failed"] for runs in found.values() for run in runs)
    return (
        f"On {os.cpu_count()} processors, creates at the same time wait for each other as those of "
        f"`docker create` do; {failed:g} failed. "
        f"{results['creates at once']} containers, {together.AT_ONCE} commands at a time; in the "
        f"last row {2 * together.AT_ONCE} other commands look at images and containers at the "
        f"same time.\n\n{table(headings, rows)}"
    )


def _large(results: dict[str, Any]) -> str:
    found = results["large"]
    exported = {name: found[name] for name in (large.EXPORT, large.DOCKER_EXPORT)}
    saved = {name: found[name] for name in (large.SAVE, large.COMMIT)}
    return (
        "Exporting and saving take as long as Docker's own commands. "
        f"A container in which a file of {size(results['size of a large container'])} was "
        f"written.\n\n{compared(exported, large.DOCKER_EXPORT)}\n{compared(saved, large.COMMIT)}"
    )


def _full(results: dict[str, Any]) -> str:
    most, many = results["most"], results["many"]
    empty, full = results["start empty"], results["start full"]
    rows = [
        (
            "time until the engine answers",
            f"{empty['seconds']:.2f} s",
            f"{full['seconds']:.2f} s",
        ),
        ("memory of dockerd after a start", size(empty["memory"]), size(full["memory"])),
    ]
    headings = ("", "no containers", f"{most} containers, {many} images")
    return (
        "The engine itself starts more slowly the more containers it has.\n\n"
        f"{table(headings, rows)}\n"
        f"Each created container uses {size(results['disk of a container'])} of disk space.\n"
    )
