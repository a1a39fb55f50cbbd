"""Exponentially forgotten averages of what is only sometimes observed, and how much stands behind.

A value that stood for dt seconds weighs a = 1 - 2**(-dt/h); everything before keeps 1 - a. Time in
which nothing was observed takes weight away and adds none:

    sum <- (1-a) sum + a y,    weight <- (1-a) weight + a         average = sum / weight

so the average is that of the observed values alone, with no start-up bias, and `weight` is the
share of the memory that is data: 3/4 after two half-lives without a gap. Where the first value is
no better than any other (a squared return) this is the form to take; `streams.kernels.decay` lets
the first value stand for all time before.

STANDARD adds the variance, each step clipped to a few standard deviations once warm so that one
shock does not make the next one look usual. Zero bytes are valid empty states.
"""

import math

import numpy as np

from streams.kernels.jit import LN2, Record, kernel

AVERAGE = np.dtype([("sum", "f8"), ("weight", "f8")])
STANDARD = np.dtype([("mean", "f8"), ("variance", "f8"), ("weight", "f8")])
WARM = 0.75


@kernel
def average_init(s: Record) -> None:
    """Forget everything.

    >>> s = np.ones(1, AVERAGE)[0]
    >>> average_init(s)
    >>> average(s)
    nan
    """
    s.sum = 0.0
    s.weight = 0.0


@kernel
def average_step(s: Record, y: float, dt_s: float, half_life_s: float) -> None:
    """Let `dt_s` seconds pass in which the value was `y`, or nothing was observed (NaN).

    >>> s = np.zeros(1, AVERAGE)[0]
    >>> average_step(s, 8.0, 10.0, 10.0)
    >>> average_step(s, float("nan"), 10.0, 10.0)
    >>> average(s), float(s["weight"])
    (8.0, 0.25)
    >>> average_step(s, 3.0, 10.0, 10.0)
    >>> average(s), float(s["weight"])
    (4.0, 0.625)
    """
    if not dt_s > 0.0:
        return
    a = -math.expm1(-LN2 * dt_s / half_life_s)
    s.sum *= 1.0 - a
    s.weight *= 1.0 - a
    if not math.isnan(y):
        s.sum += a * y
        s.weight += a


@kernel
def average(s: Record) -> float:
    """Return the average of what was observed, NaN before anything was.

    >>> average(np.zeros(1, AVERAGE)[0])
    nan
    """
    return s.sum / s.weight if s.weight > 0.0 else math.nan


@kernel
def standard_init(s: Record) -> None:
    """Forget everything.

    >>> s = np.ones(1, STANDARD)[0]
    >>> standard_init(s)
    >>> standard_z(s, 1.0)
    nan
    """
    s.mean = 0.0
    s.variance = 0.0
    s.weight = 0.0


@kernel
def standard_z(s: Record, x: float) -> float:
    """Return `x` in standard deviations from the mean; NaN before the memory is warm.

    >>> s = np.zeros(1, STANDARD)[0]
    >>> for x in (1.0, 3.0, 1.0, 3.0):
    ...     standard_step(s, x, 10.0, 10.0, 4.0)
    >>> round(standard_z(s, 4.0), 6)
    1.767767
    """
    if not (s.weight >= WARM and s.variance > 0.0):
        return math.nan
    return (x - s.mean) / math.sqrt(s.variance)


@kernel
def standard_step(s: Record, x: float, dt_s: float, half_life_s: float, clip: float) -> None:
    """Let `dt_s` seconds pass that are told by `x`, or of which nothing is known (NaN).

    >>> s = np.zeros(1, STANDARD)[0]
    >>> standard_step(s, 5.0, 10.0, 10.0, 4.0)
    >>> standard_step(s, 8.0, 10.0, 10.0, 4.0)
    >>> float(s["mean"]), float(s["variance"]), float(s["weight"])
    (7.0, 2.0, 0.75)
    """
    if not dt_s > 0.0:
        return
    a = -math.expm1(-LN2 * dt_s / half_life_s)
    most = clip * math.sqrt(s.variance) if s.weight >= WARM else math.inf
    s.weight *= 1.0 - a
    if math.isnan(x):
        return
    s.weight += a
    share = a / s.weight
    d = x - s.mean
    s.mean += share * d
    spread = min(abs(d), most)
    s.variance = (1.0 - share) * (s.variance + share * spread * spread)
