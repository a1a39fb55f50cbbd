"""Interleaved rounds, and how their results are written."""

import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import NamedTuple, Self

from rich.table import Table

#: One measurement: how many things were done in how many seconds of wall and of this process's CPU.
Measure = Callable[[], "Took"]


class Plan(NamedTuple):
    """How much to measure. `share` scales amounts and times, 1 is the full run."""

    rounds: int
    share: float

    def seconds(self, full: float) -> float:
        """Return how long to measure what takes `full` seconds in the full run."""
        return full * self.share

    def count(self, full: int, least: int = 1) -> int:
        """Return how many to measure of what is `full` in the full run."""
        return max(least, int(full * self.share))


FULL = Plan(rounds=5, share=1.0)
QUICK = Plan(rounds=1, share=0.1)


class Took(NamedTuple):
    """What one round did: things, wall seconds, CPU seconds of the process that did them."""

    things: int
    wall_s: float
    cpu_s: float

    @property
    def ns(self) -> float:
        """Wall nanoseconds a thing."""
        return self.wall_s / self.things * 1e9


class Watch:
    """Measures a `with` block; `took(n)` says what it cost."""

    def __enter__(self) -> Self:
        self._cpu = time.process_time()
        self._wall = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self._wall = time.perf_counter() - self._wall
        self._cpu = time.process_time() - self._cpu

    def took(self, things: int) -> Took:
        """Return the cost of `things` done in the block."""
        return Took(things, self._wall, self._cpu)


def interleave(plan: Plan, ways: Mapping[str, Measure]) -> dict[str, list[Took]]:
    """Measure every way once a round, so that a noisy moment hits all of them alike."""
    results: dict[str, list[Took]] = {name: [] for name in ways}
    for at in range(plan.rounds):
        names = list(ways)
        for name in names[at % len(names) :] + names[: at % len(names)]:
            results[name].append(ways[name]())
    return results


def best_ns(results: list[Took]) -> float:
    """Return the fewest nanoseconds a thing: noise only adds."""
    return min(one.ns for one in results)


def median_ns(results: list[Took]) -> float:
    """Return the median nanoseconds a thing."""
    return median(one.ns for one in results)


def cpu_us(results: list[Took]) -> float:
    """Return the median CPU microseconds a thing."""
    return median(one.cpu_s / one.things * 1e6 for one in results)


def rate(ns: float) -> str:
    """Write nanoseconds a thing as things a second.

    >>> rate(500.0), rate(5e5)
    ('2.00 M', '2.0 k')
    """
    per_s = 1e9 / ns
    return f"{per_s / 1e6:.2f} M" if per_s >= 1e6 else f"{per_s / 1e3:.1f} k"


def table(title: str, *columns: str) -> Table:
    """Return an empty table, its first column words, the others numbers."""
    made = Table(title=title, title_justify="left", title_style="bold", header_style="")
    for at, column in enumerate(columns):
        made.add_column(column, justify="left" if at == 0 else "right", no_wrap=at == 0)
    return made
