"""Both trade paths from their definition, contract by contract, and what information share makes of them."""

import math
from dataclasses import dataclass, field

import numpy as np

from tests.reference.kernels.average import average
from tests.reference.kernels.wls import BatchWls

NAN = math.nan


@dataclass
class SlowPath:
    """One path: the last trade of each contract by name, as of each second."""

    stale_s: float
    level: float = 0.0
    last: dict[str, float] = field(default_factory=dict)  # prices when the path last had any
    silent: bool = True
    broken: bool = False

    def step(self, trades: dict[str, tuple[float, float]], now_s: float) -> float:
        """Return the move of this second in bp, NaN if there is none. `trades`: name to (time, price)."""
        here = {n: x for n, (t, x) in trades.items() if now_s - t <= self.stale_s}
        self.broken = False
        if not here:
            self.silent = True
            return NAN
        moves = [1e4 * math.log(x / self.last[n]) for n, x in here.items() if n in self.last]
        resumed, self.silent, self.last = self.silent, False, here
        if not moves:
            self.broken = True
            return NAN
        move = math.fsum(moves) / len(moves)
        self.level += move
        return NAN if resumed else move


class SlowInformation:
    """Both paths' moves, and the three regressions on all of them."""

    def __init__(self, memory_s: float) -> None:
        self.memory_s = memory_s
        self.moves: list[tuple[float, float]] = []
        self.distances: list[tuple[float, float]] = []  # distance, seconds
        self.batches = [BatchWls(11) for _ in range(3)]
        self.distance = NAN

    def step(self, perp: float, spot: float, distance: float, dt_s: float, *, counts: bool, whole: bool,
             broken: bool) -> bool:  # fmt: skip
        """Take a second; return whether it told anything."""
        for batch in self.batches:
            batch.fade(2.0 ** (-dt_s / self.memory_s))
        lags = self.moves[-1:-6:-1]
        row = [self.distance, *(f for f, _ in lags), *(s for _, s in lags)]
        known = len(lags) == 5 and all(map(math.isfinite, [*row, perp, spot]))
        if known and counts and whole:
            for batch, y in zip(self.batches, (perp, spot, perp - spot), strict=True):
                batch.add(np.array(row), y, 1.0)
        self.moves = [*self.moves, (perp, spot)] if whole else [(NAN, NAN)]
        if broken:
            self.distances = []
        self.distances.append((distance, dt_s))
        mean = average(self.distances, self.memory_s)[0]
        self.distance = distance - mean
        return known and counts and whole

    def solve(self) -> tuple[float, float, float, float]:
        """Return alpha of perpetuals and of spot, share and its error; too few seconds are not solved."""
        if math.fsum(self.batches[0].left) < 50.0:
            return NAN, NAN, NAN, NAN
        solved = [batch.solve(1e-6) for batch in self.batches]
        (f, s, d), (vf, vs, vd) = ([x[0][0] for x in solved], [x[1][0, 0] for x in solved])
        both = (vf + vd - vs) / 2.0
        share = f / d
        gradient = np.array([1.0 / d, -f / d**2])
        variance = gradient @ np.array([[vf, both], [both, vd]]) @ gradient
        if d >= -2.0 * math.sqrt(vd):
            return f, s, NAN, NAN
        return f, s, share, math.sqrt(variance)
