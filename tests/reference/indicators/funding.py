"""Funding as the exchanges define it, and its aggregates with numpy."""

import math

import numpy as np

from tests.reference.kernels.histogram import Floats, Points, binned

HOURS_A_YEAR = 8760.0


def apr(rate: float, interval_h: float) -> float:
    """Return the simple yearly rate."""
    return rate * HOURS_A_YEAR / interval_h


def exchange_rate(premium: float, interest: float = 1e-4, clamp: float = 5e-4) -> float:
    """Return the rate most exchanges charge for a premium: flat over the dead zone."""
    return premium + max(-clamp, min(clamp, interest - premium))


def weighted_median(values: Floats, weights: Floats) -> float:
    """Return the smallest value at or below which half of the weight lies."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order]) >= 0.5 * weights.sum()
    return float(values[order][np.argmax(reached)])


def aggregate(values: Floats, weights: Floats) -> tuple[float, float, float]:
    """Return weighted mean, weighted median and weighted median absolute deviation."""
    middle = weighted_median(values, weights)
    mean = float(np.average(values, weights=weights))
    return mean, middle, weighted_median(np.abs(values - middle), weights)


def binned_rank(points: Points, x: float, half_life_s: float, scale: float) -> float:
    """Return the mass below the bin of `x` and half of its own."""
    shares = binned(points, half_life_s, scale)
    own = binned(_single(x), half_life_s, scale).argmax()
    return float(shares[:own].sum() + 0.5 * shares[own])


def _single(x: float) -> Points:
    points = Points()
    points.insert(0.0, x, 1.0)
    return points


def stress(parts: list[tuple[float, float]]) -> float:
    """Return the mean of (weight, part) over the parts that are known."""
    known = [(w, x) for w, x in parts if not math.isnan(x)]
    return sum(w * x for w, x in known) / sum(w for w, _ in known) if known else math.nan
