"""Impact from its definition: every tick is kept, and each bin is cut out of them when it is over."""

import math
from dataclasses import dataclass

import numpy as np

from tests.reference.kernels.wls import BatchWls, Floats


@dataclass
class Tick:
    """What was known at a second; USD are cumulative, bought less sold for takers."""

    perp: float
    spot: float
    long: float
    short: float
    log_price: float
    covered: float
    observed: bool


class SlowMemory:
    """One regression and when it was last told."""

    def __init__(self, half_life_s: float) -> None:
        self.half_life_s = half_life_s
        self.batch = BatchWls(6)
        self.theta, self.error = np.full(6, np.nan), np.full(6, np.nan)

    def tell(self, x: Floats, y: float, since_s: float) -> None:
        """Take a bin."""
        self.batch.fade(2.0 ** (-since_s / self.half_life_s))
        self.batch.add(x, y, 1.0)

    def solve(self, few: float) -> None:
        """Solve for the coefficients, and forecast with those that enough flows stand behind."""
        if math.fsum(self.batch.left) < 24.0:
            return
        self.theta, covariance = self.batch.solve(1e-6)
        self.error = np.sqrt(np.diag(covariance))
        for k in range(6):
            if self.events(k) < few:
                self.batch.forecaster[k] = 0.0

    def events(self, k: int) -> float:
        """Return how many equal flows would say as much."""
        x = np.array([row[0][k] for row in self.batch.rows]) ** 2 * np.array(self.batch.left)
        return float(x.sum() ** 2 / (x**2).sum()) if x.any() else 0.0


class SlowImpact:
    """Both linear memories."""

    def __init__(self, fast_s: float, base_s: float, solve_s: float, few: float) -> None:
        self.ticks: dict[int, Tick] = {}
        self.memories = (SlowMemory(fast_s), SlowMemory(base_s))
        self.solve_s, self.few = solve_s, few
        self.told = self.solved = 0
        self.bins = 0

    def tick(self, second: int, tick: Tick) -> None:
        """Take a second."""
        self.ticks[second] = tick
        if second % 5 or not (self._whole(second) and self._whole(second - 5)):
            return
        before, start, middle = (
            self.ticks[second - 8],
            self.ticks[second - 5],
            self.ticks[second - 3],
        )
        long, short = middle.long - start.long, middle.short - start.short
        x = np.array([
            middle.perp - start.perp + long - short, middle.spot - start.spot,
            -long / middle.covered, short / middle.covered,
            (before.long - start.long) / start.covered, (start.short - before.short) / start.covered,
        ]) / 1e6  # fmt: skip
        y = (tick.log_price - middle.log_price) * 1e4
        self.bins += 1
        since = second - self.told if self.told else 0
        self.told = second
        for memory in self.memories:
            memory.tell(x, y, float(since))
        if second - self.solved >= self.solve_s:
            self.solved = second
            for memory in self.memories:
                memory.solve(self.few)

    def _whole(self, second: int) -> bool:
        inside = [self.ticks[s] for s in range(second - 5, second + 1) if s in self.ticks]
        complete = all(s in self.ticks for s in (second - 5, second - 3))
        near = any(abs((s + 1800) % 3600 - 1800) < 120 for s in range(second - 5, second + 1))
        edge = any(s % 3600 == 3480 for s in range(second - 5, second + 1))
        return (
            complete
            and not near
            and not edge
            and all(t.observed and math.isfinite(t.log_price) for t in inside)
        )
