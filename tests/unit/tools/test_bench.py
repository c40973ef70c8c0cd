"""The calculations and pages of the benchmark; measured times are not asserted."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

ROOT = Path(__file__).resolve().parents[3]

import creating  # noqa: E402
import entering  # noqa: E402
import headline  # noqa: E402
import large  # noqa: E402
import looking  # noqa: E402
import packages  # noqa: E402
import pages  # noqa: E402
import plot  # noqa: E402
import report  # noqa: E402
import scaling  # noqa: E402
import starting  # noqa: E402
import updating  # noqa: E402
from timing import Spread, interleaved, ratio, spread  # noqa: E402

from mlc_patched.cli.dispatch import COMMANDS  # noqa: E402

WAYS = (packages.OURS, packages.PIP)
WAY = packages.Way(30.0, 20.0, 3.0, 1000, 0)
LARGE = (large.EXPORT, large.DOCKER_EXPORT, large.SAVE, large.COMMIT)


def test_a_spread_has_median_and_quartiles() -> None:
    assert spread([5, 1, 3, 2, 4]) == Spread(3, 2, 4, 5)
    assert spread([3, 1]) == Spread(2, 1, 3, 2)
    assert spread([7]) == Spread(7, 7, 7, 1)
    with pytest.raises(ValueError, match="nothing"):
        spread([])


def test_the_start_up_of_every_command_is_timed() -> None:
    assert {argv[0] for argv in starting.COMMANDS.values()} >= set(COMMANDS)
    for name in COMMANDS.keys() - {"complete", "slurm-job", "slurm-save"}:
        done = [argv for argv in starting.COMMANDS.values() if argv[0] == name]
        assert len(done) > 1, f"{name} is only asked for its help"


def test_ratios_are_calculated_within_a_round() -> None:
    assert ratio([2, 30, 4], [1, 10, 1]).median == 3
    with pytest.raises(ValueError, match="shorter"):
        ratio([1, 2], [1])


def test_every_round_has_every_case_and_starts_with_another_one() -> None:
    order: list[str] = []
    cases = {name: (lambda name=name: order.append(name)) for name in "abc"}
    found = interleaved(cases, 3, lambda: order.append("-"))
    assert "".join(order) == "c-a-b-a-b-c-b-c-a-c-a-b-"  # the first round is not counted
    assert {name: len(seconds) for name, seconds in found.items()} == {"a": 3, "b": 3, "c": 3}


def test_imports_are_counted() -> None:
    text = (
        "import time: self [us] | cumulative | imported package\n"
        "import time:       100 |        100 |   _io\n"
        "something the command says\n"
        "import time:      2000 |       2100 | docker\n"
    )
    assert starting.parse_imports(text) == starting.Imports(2, 0.0021, True)
    assert not starting.parse_imports(text.replace("docker", "docker_x")).sdk


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (161e6, "161 MB"), (8.4e9, "8.4 GB")],
)
def test_sizes_in_words(count: float, words: str) -> None:
    assert report.size(count) == words


def test_the_plot_is_svg_with_a_bar_per_figure() -> None:
    bars = [("a < b", Spread(0.1, 0.09, 0.12, 5)), ("c", Spread(3, 2, 4, 5))]
    root = ET.fromstring(plot.svg("A & B", [plot.Group("here", bars), plot.Group("there", bars)]))
    rectangles = [each for each in root.iter() if each.tag.endswith("rect")]
    assert len(rectangles) == 1 + 4
    assert "a < b" in [each.text for each in root.iter()]


def results() -> dict[str, object]:
    """Return results like those of a run, with made-up figures."""
    flows = {flow: [0.1, 0.2, 0.3] for flow in creating.FLOWS}
    python = {creating.BARE_PYTHON: [0.01] * 3, creating.IMPORT_DOCKER: [0.1, 0.2, 0.3]}
    names = ("python -c pass (.venv's)", "python3 -c pass (the system's)", *starting.COMMANDS)
    look_ups = {"mlc list": [0.1, 0.1], "docker ps -a": [0.1, 0.2]}
    start = {"seconds": 1.0, "memory": 10**8}
    measured = {"image-list": [1.0], looking.DISK_USAGE: [1.0], "mlc doctor": [4.0]}
    at_once = {"seconds": 1.0, "p95": 0.5, "failed": 0}
    return {
        "quick": True,
        "many": 10,
        "most": 20,
        "create": {"python": python, "8 GB, UID 1001": dict(flows)},
        "create, all flows": {"python": python, "8 GB, UID 1001": dict(flows)},
        "sizes": {"8 GB": 8 * 10**9},
        "first builds": [1.0, 2.0],
        "disk": {"mlc": {1: 1000, 10: 10000}},
        "bytes": {
            "base": {
                updating.OF_THE_BASE: updating.Added(100),
                "mlc, legacy flow": updating.Added(1, 0.5),
                updating.AIME: updating.Added(2, 3.5),
            }
        },
        "look-ups": {1: look_ups, 10: look_ups, 20: look_ups},
        "sizes on disk": dict.fromkeys((1, 10, 20), measured),
        "answers": {1: {"mlc list": 10}, 10: {"mlc list": 100}, 20: {"mlc list": 200}},
        "creates at once": 200,
        "together": {name: [at_once] for name in (creating.DOCKER, creating.LABELLED, "others")},
        "size of a large container": 10**9,
        "large": {name: [1.0, 2.0] for name in LARGE},
        "start-up": {name: [0.02, 0.03] for name in names},
        "imports": {name: starting.Imports(50, 0.01, False) for name in starting.COMMANDS},
        "packages": {"BuildKit": packages.Packages(dict.fromkeys(WAYS, WAY), 2.0, 10)},
        "entering": {step: {"mlc": [1.0], entering.DISTROBOX: [30.0]} for step in entering.STEPS},
        "update": {updating.CACHED: [1.0], updating.UNCACHED: [2.0]},
        "calls": {"list": ["GET /containers/json"], "x": ["GET /a", "GET /a", "POST /b"], "y": []},
        "flatness": {"full": [0.2, 0.2], "empty": [0.1, 0.1]},
        "start empty": start,
        "start full": start,
        "disk of a container": 1e5,
    }


def test_a_missed_target_is_reported() -> None:
    sections = dict(pages.sections(results()))
    aims = sections["Targets"].splitlines()
    missed = next(line for line in aims if "compared with none" in line)
    assert missed.endswith("2.00x (2.00–2.00) | **no** |")
    assert "| doctor, as many containers | 3 s | 4.00 s | **no** |" in aims
    reached = next(line for line in aims if "`import docker`" in line)
    assert reached.endswith("1.00x (1.00–1.00) | yes |")


def test_all_rows_of_a_table_have_as_many_cells_as_its_head() -> None:
    page = report.document(pages.sections(results()), {"CPU": "2"}, "")
    for block in page.split("\n\n"):
        rows = [line.count("|") for line in block.splitlines() if line.startswith("|")]
        assert len(set(rows)) <= 1, block


def test_results_become_json() -> None:
    found = report.plain({1: (Spread(0.1234567, 0, 1, 3), {"a": [1, "b", None]})})
    spread_ = {"median": 0.123457, "low": 0, "high": 1, "count": 3}
    assert found == {"1": [spread_, {"a": [1, "b", None]}]}


def test_the_page_on_scaling_has_the_measured_figures() -> None:
    page = (ROOT / "docs/scaling.md").read_text()
    measured = json.loads((ROOT / "docs/benchmarks.json").read_text())
    assert scaling.renewed(page, measured) == page
    with pytest.raises(ValueError, match="marks"):
        scaling.renewed(page.replace(scaling.END, ""), measured)


def test_the_readme_has_the_figures_that_matter() -> None:
    page = (ROOT / "README.md").read_text()
    measured = json.loads((ROOT / "docs/benchmarks.json").read_text())
    assert headline.renewed(page, measured) == page
    with pytest.raises(ValueError, match="marks"):
        headline.renewed(page.replace(headline.END, ""), measured)


def test_the_plot_compares_programs() -> None:
    found = json.loads(json.dumps(report.plain(results())))
    container, *packages_ = headline.groups(found)
    bars = dict(container.bars)
    assert bars["distrobox create, first enter"].median == 60
    assert bars[creating.LABELLED].median == 0.2
    assert [group.heading for group in packages_] == ["eight Python packages", "one package more"]


def test_growth_is_extrapolated_and_no_growth_is_stated() -> None:
    found = results()
    found["look-ups"] = {
        count: {
            "create and remove": [1.0],
            "the look-up alone": [float(count)],
            "mlc open NAME": [1.0],
            "mlc list": [1.0],
            "docker ps -a": [1.0],
        }
        for count in (1, 10, 20)
    }
    found["sizes on disk"] = {count: {"image-list": [1.0]} for count in (1, 10, 20)}
    found["answers"] = {count: {"mlc list": 1000 * count} for count in (1, 10, 20)}
    found["machine"] = {"commit": "0123456", "date": "2026-11-26 10:00 UTC"}
    text = scaling.figures(json.loads(json.dumps(report.plain(found))))
    assert "Measured on 2026-11-26 10:00 UTC, at commit 0123456." in text
    assert "| looking up one container | 1.0 s | 10.0 s | 20.0 s | ≈ 10000.0 s |" in text
    assert "| `image-list` | 1.0 s | 1.0 s | 1.0 s | no growth seen |" in text
    assert "| size of the engine's answer to that list | 1 kB | 10 kB | 20 kB | ≈ 10 MB |" in text
