"""Forgotten quantiles from all points ever seen, with and without the kernel's bins."""

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Points:
    """All points with their times and weights."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.values: list[float] = []
        self.weights: list[float] = []

    def insert(self, t_s: float, x: float, weight: float) -> None:
        """Record a point."""
        self.times.append(t_s)
        self.values.append(x)
        self.weights.append(weight)

    def faded(self, half_life_s: float) -> Floats:
        """Return each point's weight as of the newest point."""
        ages = max(self.times) - np.array(self.times)
        return np.array(self.weights) * np.exp2(-ages / half_life_s)

    def rank(self, x: float, half_life_s: float) -> float:
        """Return the exact share below `x`, plus half of what equals it."""
        weights, values = self.faded(half_life_s), np.array(self.values)
        below = weights[values < x].sum() + 0.5 * weights[values == x].sum()
        return float(below / weights.sum())

    def rank_range(self, x: float, half_life_s: float) -> tuple[float, float]:
        """Return the shares strictly below `x` and up to and including it."""
        weights, values = self.faded(half_life_s), np.array(self.values)
        total = weights.sum()
        return float(weights[values < x].sum() / total), float(weights[values <= x].sum() / total)


def binned(points: Points, half_life_s: float, scale: float) -> Floats:
    """Return the share of weight in each of the 1023 bins: centres at sinh(i * step) * scale."""
    step = math.asinh(1000.0) / 511
    edges = scale * np.sinh((np.arange(-511, 511) + 0.5) * step)
    own = np.searchsorted(edges, np.array(points.values), side="right")
    shares = np.bincount(own, weights=points.faded(half_life_s), minlength=1023)
    return np.asarray(shares / shares.sum(), np.float64)


def binned_quantile(shares: Floats, q: float, scale: float) -> float:
    """Return the quantile of a density that is flat in asinh(x/scale) inside each bin."""
    step = math.asinh(1000.0) / 511
    occupied = np.flatnonzero(shares)
    knots = np.concatenate([[0.0], np.cumsum(shares[occupied])])
    i = int(np.clip(np.searchsorted(knots, q * knots[-1], side="left"), 1, len(occupied))) - 1
    inside = (q * knots[-1] - knots[i]) / shares[occupied[i]]
    return scale * math.sinh((occupied[i] - 511.5 + inside) * step)
