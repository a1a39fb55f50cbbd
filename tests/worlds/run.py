"""A world put through the engine: what it read, what it said, and what is to be held against the truth."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from service.simulator.world import UNDERLYING, Plan, World
from streams.config import MethodConfig
from streams.engine import Engine
from streams.signals import Signal


class Estimate(NamedTuple):
    """A number of one run beside its truth; `error` is one standard error."""

    name: str
    truth: float
    value: float
    error: float

    @property
    def covered(self) -> bool:
        """Whether the truth is within two standard errors; what is unknown covers nothing."""
        return abs(self.value - self.truth) <= 2.0 * self.error


@dataclass
class Outcome:
    """What one run of a world came to."""

    world: str
    seed: int
    estimates: list[Estimate] = field(default_factory=list)
    path: list[str] = field(default_factory=list)  # states of longs' machine, in order
    alarms: list[str] = field(default_factory=list)
    scores: list[tuple[float, ...]] = field(default_factory=list)  # by day, see tests.worlds.book
    notes: list[tuple[str, float]] = field(default_factory=list)  # shown, not judged


class Run:
    """A world and an engine that hears of it."""

    def __init__(self, plan: Plan, seed: int, config: MethodConfig | None = None) -> None:
        self.world = World(plan, seed)
        self.engine = Engine(config)
        self.signals: list[Signal] = []
        self.block = b""  # folded last

    def until(self, second: float) -> None:
        """Live and listen up to `second` after the start."""
        self.block = self.world.until(second)
        self.signals += self.engine.fold(self.block, self.engine.offset + 1)

    def every(self, seconds: float) -> Iterator[float]:
        """Live to the end of the plan, stopping at each multiple of `seconds`."""
        at = seconds
        while at < self.world.seconds:
            self.until(at)
            yield at
            at += seconds
        self.until(self.world.seconds)
        yield self.world.seconds

    def reading(self, name: str) -> float:
        """Return a reading's value, NaN while it is unknown or nobody publishes it yet."""
        readings = self.engine._underlyings[self.engine._index[UNDERLYING]]["readings"]
        return float(readings[name]["value"]) if name in readings.dtype.names else math.nan

    def states(self, side: str) -> list[str]:
        """Return the states a machine went through."""
        return [
            s.status
            for s in self.signals
            if s.kind == "state" and s.side == side and s.status is not None
        ]


def interval_error(low: float, high: float) -> float:
    """Return the standard error behind a 95 % interval."""
    return (high - low) / (2.0 * 1.96)


def bootstrap(
    sums: np.ndarray, counts: np.ndarray, draws: int = 2000
) -> tuple[float, float, float]:
    """Return a mean per case and its 95 % interval, drawing whole days."""
    rng = np.random.default_rng(0)
    picks = rng.integers(0, len(sums), (draws, len(sums)))
    means = sums[picks].sum(axis=1) / np.maximum(counts[picks].sum(axis=1), 1e-9)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(sums.sum() / counts.sum()), float(low), float(high)
