"""Open interest recomputed at every tick from all rows and all ticks so far."""

import math
from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from tests.reference.kernels.histogram import Points, binned, binned_quantile

NAN = math.nan
RINGS = ((60, 1), (300, 5), (900, 15), (14_400, 60), (86_400, 300))  # longest window, bucket


def resolution(window_s: int) -> int:
    """Return the bucket length of the ring that serves a window."""
    return next(bucket for longest, bucket in RINGS if window_s <= longest)


@dataclass
class Path:
    """A level's values at all ticks."""

    seconds: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def put(self, second: int, value: float) -> None:
        """Record a tick."""
        self.seconds.append(second)
        self.values.append(value)

    def at(self, second: int, window_s: int) -> float:
        """Return the last value put by the end of the bucket that holds the window's start."""
        bucket = resolution(window_s)
        end = ((second - window_s) // bucket + 1) * bucket
        i = bisect_right(self.seconds, end - 1)
        return self.values[i - 1] if i else NAN


@dataclass
class Venue:
    """All open-interest rows of one contract: (time, coin, USD, mark)."""

    inverse: bool = False
    rows: list[tuple[float, float, float, float]] = field(default_factory=list)
    path: Path = field(default_factory=Path)

    def fresh(self, now_s: float, floor_s: float) -> bool:
        """Return whether the last row is young enough; rows here never come slower than 10 s."""
        return bool(self.rows) and now_s - self.rows[-1][0] <= floor_s

    def price_free_coin(self) -> float:
        """Return the coin amount that only trading can change."""
        _, quantity, usd, _ = self.rows[-1]
        return usd / self.rows[0][3] if self.inverse else quantity

    def mean_usd(self, ticks: list[float], floor_s: float) -> float:
        """Return the EW mean of USD over the ticks at which it stood, half-life a day."""
        mean = NAN
        held = NAN
        for before, now in zip([NAN, *ticks], ticks, strict=False):
            dt = now - before
            if held == held and dt > 0.0:
                mean = held if mean != mean else mean
                mean += (1.0 - 2.0 ** (-dt / 86_400.0)) * (held - mean)
            known = [r for r in self.rows if r[0] < now]
            if known and now - known[-1][0] <= floor_s:
                held = known[-1][2]
        return held if mean != mean else mean


def flows(venues: list[Venue], now_s: float, hold_s: float) -> tuple[int, int]:
    """Return all coin flow and all price effect up to now, in whole cents."""
    flow = effect = 0
    for venue in venues:
        rows = [r for r in venue.rows if r[0] < now_s]
        for (t0, q0, u0, p0), (t1, q1, u1, p1) in pairwise(rows):
            if t1 - t0 > hold_s:
                continue
            traded = u1 - u0 if venue.inverse else (p0 + p1) * 0.5 * (q1 - q0)
            flow += round(traded * 100.0)
            effect += round(u1 * 100.0) - round(u0 * 100.0) - round(traded * 100.0)
    return flow, effect


def panel_change(venues: list[Venue], second: int, window_s: int) -> tuple[float, list[float]]:
    """Return the matched-panel change and each venue's own, from the paths."""
    pairs = [(v.path.at(second, window_s), v.path.values[-1]) for v in venues]
    pairs = [(then, now) for then, now in pairs if then == then and now == now]
    old = math.fsum(then for then, _ in pairs)
    if not old > 0.0:
        return NAN, []
    gained = math.fsum(now - then for then, now in pairs)
    return gained / old, [now / then - 1.0 for then, now in pairs]


def chained_log(venues: list[Venue]) -> list[float]:
    """Return ln Q at every tick, chained over the venues known at both ends; NaN before the first."""
    out, log_oi, started = [], 0.0, False
    for i in range(len(venues[0].path.values)):
        pairs = [(v.path.values[i - 1], v.path.values[i]) for v in venues] if i else []
        pairs = [(a, b) for a, b in pairs if a == a and b == b]
        if pairs:
            log_oi += math.log(math.fsum(b for _, b in pairs) / math.fsum(a for a, _ in pairs))
            started = True
        out.append(log_oi if started else NAN)
    return out


def z_score(
    log_oi: list[float], seconds: list[float], mean_h: float, rank_h: float, floor: float
) -> float:
    """Return the robust z of ln Q over its weighted mean, with the kernel's bins.

    A value weighs what is left of the time it stood, the first one also for all time before.
    """
    points, deviations = Points(), []
    y, t = np.array(log_oi), np.array(seconds)
    first = int(np.flatnonzero(~np.isnan(y))[0])
    for i in range(first, len(y)):
        edges = np.exp2(-(t[i] - t[first : i + 1]) / mean_h)
        mean = y[first] if i == first else edges[0] * y[first] + np.diff(edges) @ y[first:i]
        deviations.append(y[i] - mean)
        points.insert(t[i], deviations[-1], t[i] - t[i - 1])
    shares = binned(points, rank_h, 0.01)
    low, middle, high = (binned_quantile(shares, q, 0.01) for q in (0.25, 0.5, 0.75))
    z = (deviations[-1] - middle) / max((high - low) / 1.349, floor)
    return min(max(z, -8.0), 8.0)
