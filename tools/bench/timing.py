"""Measure cases alternately: every round runs each case once, starting with another one."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Case = Callable[[], object]


@dataclass(frozen=True)
class Spread:
    """Summary of measurements: median, quartiles, number."""

    median: float
    low: float
    high: float
    count: int


def spread(values: Sequence[float]) -> Spread:
    """Return median and quartiles; for fewer than four values, the smallest and the largest.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("nothing was measured")
    if len(values) < 4:
        low, high = min(values), max(values)
    else:
        low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(statistics.median(values), low, high, len(values))


def ratio(values: Sequence[float], others: Sequence[float]) -> Spread:
    """Return the ratios of the values to the others, round by round.

    Raises:
        ValueError: they are not of the same rounds.
    """
    return spread([value / other for value, other in zip(values, others, strict=True)])


def interleaved(
    cases: Mapping[str, Case], rounds: int, between: Case | None = None
) -> dict[str, list[float]]:
    """Run all cases in turn, round after round, and return the seconds of each.

    Args:
        cases: what to run, by name.
        rounds: how often; a further round before them is not counted.
        between: what is done after each case, unmeasured.
    """
    names = list(cases)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for number in range(-1, rounds):
        shift = number % len(names)
        for name in (*names[shift:], *names[:shift]):
            begin = time.perf_counter()
            cases[name]()
            taken = time.perf_counter() - begin
            if number >= 0:
                seconds[name].append(taken)
            if between:
                between()
    return seconds
