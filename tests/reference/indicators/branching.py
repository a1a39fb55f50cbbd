"""What the branching indicator knows at a tick, from the list of all ticks and orders."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tests.reference.kernels.hawkes import DirectFit

Floats = npt.NDArray[np.float64]
HALF_LIVES = np.array([2.0, 15.0, 120.0])
NAN = float("nan")


@dataclass
class _Order:
    time_s: float
    side: int
    usd: float
    counted: bool


@dataclass
class Slow:
    """Two fits by their definition, marks, gaps and windows of counts."""

    memory_s: float
    moment_half_life_s: float
    widths_s: tuple[float, ...] = (60.0, 600.0, 3600.0)
    ticks: list[tuple[float, bool]] = field(default_factory=list)
    orders: list[_Order] = field(default_factory=list)
    solved: list[tuple[Floats, Floats]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.fit = DirectFit(HALF_LIVES, self.memory_s, start_s=1.0)  # the first tick

    def mark(self, usd: float, now_s: float) -> float:
        """Return the root of the size over the day's mean root of earlier orders' first prints."""
        if not self.orders:
            return 1.0
        del now_s  # numerator and denominator fade alike
        last = self.orders[-1].time_s
        weights = [2.0 ** (-(last - o.time_s) / 86_400.0) for o in self.orders]
        roots = [w * o.usd**0.5 for w, o in zip(weights, self.orders, strict=True)]
        return min(float(usd**0.5 * sum(weights) / sum(roots)), 20.0)

    def live(self) -> bool:
        """Return whether the feed was live at the last tick."""
        return bool(self.ticks) and self.ticks[-1][1]

    def order(self, t_s: float, side: int, usd: float) -> None:
        """Take a new order."""
        self.fit.observe(t_s, self.live())
        self.fit.point(t_s, side, self.mark(usd, t_s), self.live())
        self.orders.append(_Order(t_s, side, usd, self.live()))

    def grow(self, t_s: float, side: int, before: float, usd: float) -> None:
        """Take another print of an order."""
        self.fit.observe(t_s, self.live())
        added = self.mark(before + usd, t_s) - self.mark(before, t_s)
        self.fit.point(t_s, side, added, False)

    def tick(self, t_s: float, move: float, live: bool, solve: bool) -> None:
        """Take a tick with the price's return over the second."""
        live = live and (not self.ticks or t_s - self.ticks[-1][0] <= 10.0)
        self.fit.observe(t_s, live and self.live())
        self.fit.point(t_s, 2 if move < 0.0 else 3, abs(move) * 1e4, False)
        self.ticks.append((t_s, live))
        if solve:
            point, _ = self.fit.points.pop(), self.fit.weights.pop()
            self.fit.points.append(point)  # what is solved is weighed at once
            self.fit.weights.append(np.ones(2))
            self.solved = self.fit.solve(t_s)
            self.fit.points.pop(), self.fit.weights.pop()
            self.fit.point(t_s, 2 if move < 0.0 else 3, abs(move) * 1e4, False)

    def gaps(self, longest_s: float) -> tuple[float, float]:
        """Return when the feed was last not live, and last within a gap longer than `longest_s`."""
        last_gap = last_long = -np.inf
        seen = NAN
        for t_s, live in self.ticks:
            if live:
                seen = t_s
                continue
            last_gap = t_s
            if t_s - seen > longest_s:
                last_long = t_s
        return last_gap, last_long

    def moments(self, side: int, w: int) -> tuple[float, float]:
        """Return forgotten mean and variance of the counts of the windows that were watched throughout."""
        width, counts = self.widths_s[w], []
        times = [t for t, _ in self.ticks]
        first, last = int(times[0] // width), int(times[-1] // width)
        for window in range(first, last):
            a, b = window * width, (window + 1) * width
            inside = [i for i, t in enumerate(times) if t >= a]
            opening = inside[0]  # the tick that opened it, and the first one after it
            closing = next(i for i, t in enumerate(times) if t >= b)
            watched = all(
                i > 0 and self.ticks[i][1] and self.ticks[i - 1][1]
                for i in range(opening, closing + 1)
            )
            if watched:
                seen = [o for o in self.orders if o.side == side and o.counted]
                counts.append((b, sum(a <= o.time_s < b for o in seen)))
        if not counts:
            return NAN, NAN
        share = 2.0 ** (-width / self.moment_half_life_s)
        weights = np.array([(1.0 - share) * share**i for i in range(len(counts))][::-1])
        weights[0] = 1.0 - weights[1:].sum()  # memory starts at the first count
        x = np.array([n for _, n in counts], dtype=float)
        mean = float(weights @ x)
        return mean, float(weights @ (x - mean) ** 2)
