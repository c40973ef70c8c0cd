"""Part g: many users who create containers at the same time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from creating import DOCKER, LABELLED, Sized, clear, create
from engines import OwnEngine
from people import ROOT, Person

AT_ONCE = 20
"""As many commands run at the same time."""
LOOKING = "mlc, and as many image-list and mlc open"
Run = dict[str, float]
"""The seconds of all creates together, the 95th percentile of one, and the number that failed."""


def creates(
    engine: OwnEngine, sized: Sized, person: Person, count: int, rounds: int
) -> dict[str, list[Run]]:
    """Return how long `count` creates take, `AT_ONCE` at a time: by Docker's client, by mlc, and by
    mlc while others look at their images and containers."""
    found: dict[str, list[Run]] = {DOCKER: [], LABELLED: [], LOOKING: []}
    looking: list[Callable[[], object]] = [
        lambda: person.run(ROOT / "bin/user/image-list", address=engine.address),
        # The name does not exist: only start-up and look-up.
        lambda: person.mlc("open", "no-such", "-s", statuses=(1,), address=engine.address),
    ]
    for _ in range(rounds):
        for name, runs in found.items():
            flow = DOCKER if name == DOCKER else LABELLED
            ours: list[Callable[[], object]] = [
                lambda flow=flow: create(flow, engine, sized, person)  # type: ignore[misc]
            ] * count
            others = looking * AT_ONCE if name == LOOKING else []
            runs.append(_at_once(ours, others))
            clear(engine.connect(), [person])
    return found


def _at_once(
    measured: Sequence[Callable[[], object]], others: Sequence[Callable[[], object]]
) -> Run:
    def timed(case: Callable[[], object]) -> float | None:
        begin = time.perf_counter()
        try:
            case()
        except RuntimeError:
            return None
        return time.perf_counter() - begin

    with ThreadPoolExecutor(AT_ONCE) as threads, ThreadPoolExecutor(2) as beside:
        begin = time.perf_counter()
        looked = [beside.submit(timed, each) for each in others]
        taken = list(threads.map(timed, measured))
        seconds = time.perf_counter() - begin
        taken_by_others = [each.result() for each in looked]
    succeeded = [each for each in taken if each is not None]
    slowest = statistics.quantiles(succeeded, n=20)[-1]
    failed = (*taken, *taken_by_others).count(None)
    return {"seconds": seconds, "p95": slowest, "failed": failed}
