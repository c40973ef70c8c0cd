"""make bench: measure everything in one run.

Writes docs/benchmarks.{md,json,svg} and the figures in docs/scaling.md and README.md.

.venv/bin/python tools/bench/run.py [--quick] [--output DIR] [--place DIR]

As root. Starts two separate engines, in their own network namespaces, and removes their files
afterwards; image-update and whatever needs a package source run on the machine's own engine.
MLC_BENCH_AIME=DIR adds AIME's own `mlc`, from a copy of that checkout; with Debian's package
distrobox installed, its create and enter are measured, too.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import counting
import creating
import entering
import headline
import large
import looking
import packages
import pages
import scaling
import starting
import together
import updating
from creating import Sized
from engines import OwnEngine, own_engine
from images import GIGABYTE, SMALL, copy, docker, enlarge, fill_images, make_small
from people import ROOT, Person, people
from plot import svg
from report import document, machine, plain

UIDS = (1001, 1722830498)
OUTSIDE = 64321
"""A user for the machine's own engine, where the other UIDs may be in use."""


def main() -> None:
    """Measure, and write the results."""
    arguments = _parser().parse_args()
    if os.geteuid() != 0:
        sys.exit("make bench starts engines and runs commands as several users: run it as root.")
    started = time.monotonic()
    about = machine()
    results = measure(arguments.quick, arguments.place)
    about["the run took"] = f"{(time.monotonic() - started) / 60:.1f} minutes"
    notes = "**A quick trial run: few rounds, small images.**\n" if arguments.quick else ""
    arguments.output.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"version": 1, "machine": about, **plain(results)}, indent=1)
    (arguments.output / "benchmarks.json").write_text(f"{text}\n")
    growth = scaling.renewed((ROOT / "docs/scaling.md").read_text(), json.loads(text))
    (arguments.output / "scaling.md").write_text(growth)
    page = document(pages.sections(results), about, notes)
    (arguments.output / "benchmarks.md").write_text(page)
    (arguments.output / "benchmarks.svg").write_text(
        svg("Seconds of the whole process (logarithmic)", headline.groups(json.loads(text)))
    )
    readme = headline.renewed((ROOT / "README.md").read_text(), json.loads(text))
    place = ROOT if arguments.output == ROOT / "docs" else arguments.output
    (place / "README.md").write_text(readme)
    print(page)


def measure(quick: bool, place: Path) -> dict[str, Any]:
    """Measure everything, and return the results by part."""
    many, most = (100, 200) if quick else (1000, 2000)
    results: dict[str, Any] = {"quick": quick, "many": many, "most": most}
    with ExitStack() as stack:
        *persons, outside = stack.enter_context(people(*UIDS, OUTSIDE))
        step("making the small image")
        make_small()
        stack.callback(docker, "rmi", SMALL)
        _with_network(results, outside, quick)
        if shutil.which("distrobox"):
            step("k: distrobox")
            results["entering"] = entering.seconds(place, outside, 1 if quick else 3)
        step("two separate engines")
        first, second = (stack.enter_context(own_engine(place)) for _ in range(2))
        for engine in (first, second):
            copy(engine, SMALL)
        sized = _creates(results, first, persons, quick)
        sized.own.update(creating.prepare(first, SMALL, sized.words, [outside]).own)
        _many(results, first, second, sized, outside, quick)
    return results


def _with_network(results: dict[str, Any], person: Person, quick: bool) -> None:
    """Measure on the machine's own engine what needs a package source."""
    step("e: image-update")
    results["update"] = updating.update(person, 1 if quick else 3)
    step("bytes added to a base without sudo and git")
    results["bytes"] = updating.bytes_added(person)
    step("i: images with Python packages")
    results["packages"] = packages.measure(quick)
    step("h: requests to the engine")
    results["calls"] = counting.calls(person)
    if checkout := os.environ.get("MLC_BENCH_AIME"):
        step("AIME's own mlc")
        results["aime"] = updating.aime_creates(person, Path(checkout), 1 if quick else 5)


def _creates(
    results: dict[str, Any], engine: OwnEngine, persons: list[Person], quick: bool
) -> Sized:
    """Measure parts a, b and d; return the smallest base."""
    rounds, sizes = (3, (0.2, 1)) if quick else (11, (0.2, 2, 8))
    sized = []
    results["sizes"] = {}
    for size in sizes:
        step(f"an image of {size:g} GB")
        base = SMALL if size == sizes[0] else f"mlc-bench/of-{size:g}-gb:latest"
        if base != SMALL:
            enlarge(engine, round(size * GIGABYTE), base)
        sized.append(creating.prepare(engine, base, f"{size:g} GB", persons))
        image = engine.connect().image(base)
        assert image is not None
        results["sizes"][f"{size:g} GB"] = image.size
    step("a: create")
    results["first builds"] = creating.first_builds(engine, sized, persons)
    results["create"] = creating.seconds(engine, sized, persons, rounds, creating.FAST)
    results["create, all flows"] = creating.seconds(
        engine, sized, persons, 2 if quick else 5, creating.FLOWS
    )
    step("b: disk")
    counts = (1, 3) if quick else (1, 10, 50)
    results["disk"] = creating.disk(engine, sized[0], persons[0], counts)
    step("d: start-up")
    image_name = sized[0].own[persons[0].uid]
    taken = ("create", "taken", "--image", image_name, "-g", "none", "-s")
    persons[0].mlc(*taken, address=engine.address)
    results["imports"] = starting.imports(engine, image_name, persons[0])
    # All commands: fewer rounds than for the targets.
    results["start-up"] = starting.start_up(engine, image_name, persons[0], min(rounds, 7))
    step("g: creates at the same time")
    count, times = (40, 1) if quick else (200, 3)
    results["creates at once"] = count
    results["together"] = together.creates(engine, sized[0], persons[0], count, times)
    step("j: large containers")
    size = GIGABYTE // 10 if quick else 2 * GIGABYTE
    results["size of a large container"] = size
    results["large"] = large.seconds(engine, sized[0], persons[0], size, 1 if quick else 5)
    creating.clear(engine.connect(), persons)
    return sized[0]


def _many(
    results: dict[str, Any],
    first: OwnEngine,
    second: OwnEngine,
    sized: Sized,
    person: Person,
    quick: bool,
) -> None:
    """Measure part c, and an engine with many containers and images."""
    rounds, many, most = 3 if quick else 11, results["many"], results["most"]
    other = creating.prepare(second, SMALL, "0.2 GB", [person])
    empty_seconds, empty_memory = looking.restart(second)
    results["start empty"] = {"seconds": empty_seconds, "memory": empty_memory}
    results["look-ups"], results["answers"], results["sizes on disk"] = {}, {}, {}

    def fill_and_look(have: int, want: int) -> None:
        step(f"c: {want} containers")
        looking.fill_containers(second, other, person, have, want)
        results["look-ups"][want] = looking.look_ups(second, other, person, rounds)
        results["sizes on disk"][want] = looking.measured_sizes(second, person, 2)
        results["answers"][want] = looking.sizes_of_answers(second, person)

    fill_and_look(0, 1)
    fill_and_look(1, many // 10)
    fill_and_look(many // 10, many)
    step(f"{many} images")
    fill_images(second, many)
    step("create on an empty engine and on a full one")
    results["flatness"] = looking.flatness(first, second, (sized, other), person, 3 * rounds)
    before = second.disk()
    fill_and_look(many, most)
    results["disk of a container"] = (second.disk() - before) / (most - many)
    seconds, memory = looking.restart(second)
    results["start full"] = {"seconds": seconds, "memory": memory}


def step(what: str) -> None:
    """Print the current step to standard error."""
    print(f"bench: {time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Measure mlc-patched on this machine.")
    parser.add_argument("--quick", action="store_true", help="few rounds, for a trial")
    parser.add_argument(
        "--output", type=Path, default=ROOT / "docs", help="where to write the results"
    )
    parser.add_argument(
        "--place",
        type=Path,
        default=Path("/var/tmp"),
        help="for the engines' files: 25 GB",
    )
    return parser


if __name__ == "__main__":
    main()
