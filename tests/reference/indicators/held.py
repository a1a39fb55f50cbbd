"""The exponentially forgotten mean and spread of a held signal, with each value's weight written out."""

import math

import numpy as np

from tests.reference.kernels.histogram import Floats


def weights(ticks: list[float], values: list[float], half_life_s: float) -> tuple[Floats, Floats]:
    """Return known values and what is left of the time each stood; the first stands for all before."""
    stood = [
        (now - before, value)
        for before, now, value in zip(ticks, ticks[1:], values, strict=False)
        if value == value
    ]
    if not stood:
        return np.empty(0), np.empty(0)
    ages = np.cumsum([dt for dt, _ in stood][::-1])[::-1]
    left = np.exp2(-np.append(ages, 0.0) / half_life_s)
    share = np.diff(left)
    share[0] += left[0]
    return np.array([value for _, value in stood]), share


def held_mean(ticks: list[float], values: list[float], half_life_s: float) -> float:
    """Return the mean as of the last tick, whose own value has not weighed yet; NaN if none has."""
    known, share = weights(ticks, values, half_life_s)
    return float(known @ share) if known.size else math.nan


def held_std(ticks: list[float], values: list[float], half_life_s: float) -> float:
    """Return the standard deviation as of the last tick."""
    known, share = weights(ticks, values, half_life_s)
    return float(np.sqrt(share @ (known - known @ share) ** 2)) if known.size else math.nan
