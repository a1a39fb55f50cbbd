"""Exponential forgetting: event sums and rates, and mean and variance of a signal that is held.

With half-life h a memory keeps the share g = 2**(-dt/h) of its weight after dt seconds.

Point events (a sum S of sizes x): S <- S*g + x, and its rate is ln2/h * S per second.

A held signal keeps its value y from one change to the next, so a step of dt seconds has the weight
a = 1-g, and the exact integral of the forgetting kernel over the step is

    d = y - m,   m <- m + a*d,   v <- (1-a) * (v + a*d*d)

The form E[y^2] - m^2 loses all digits when the mean is large and is never used. The memory starts
at the first observed value rather than at zero, so there is no start-up bias to divide out.
Stretches in which the signal is unknown (NaN) leave the memory as it was and do not count as
observed.

Reference: D. West, Updating mean and variance estimates, CACM 22 (1979), with time as the weight.
"""

import math

import numpy as np

from streams.kernels.jit import LN2, Record, kernel

HELD = np.dtype([("mean", "f8"), ("variance", "f8"), ("held", "f8"), ("observed_s", "f8")])


@kernel
def decay(dt_s: float, half_life_s: float) -> float:
    """Return the share of weight left after `dt_s` seconds; 1 when time did not advance.

    >>> decay(20.0, 10.0), decay(-1.0, 10.0)
    (0.25, 1.0)
    """
    if dt_s <= 0.0:
        return 1.0
    return float(2.0 ** (-dt_s / half_life_s))


@kernel
def point_add(value: float, g: float, x: float) -> float:
    """Return a sum of point events, forgotten to the share `g`, plus `x`; NaN adds nothing.

    >>> point_add(8.0, 0.5, 3.0), point_add(8.0, 0.5, float("nan"))
    (7.0, 4.0)
    """
    if math.isnan(x):
        return value * g
    return value * g + x


@kernel
def point_rate(value: float, half_life_s: float) -> float:
    """Return the rate per second behind a sum of point events.

    >>> round(point_rate(10.0, 60.0), 6)
    0.115525
    """
    return LN2 / half_life_s * value


@kernel
def held_init(s: Record) -> None:
    """Set a HELD record to "nothing known yet".

    >>> s = np.zeros(1, HELD)[0]
    >>> held_init(s)
    >>> s.tolist()
    (0.0, 0.0, nan, 0.0)
    """
    s.mean = 0.0
    s.variance = 0.0
    s.held = math.nan
    s.observed_s = 0.0


@kernel
def held_weight(dt_s: float, half_life_s: float) -> float:
    """Return the weight ``1 - g`` of a step of `dt_s` seconds, for signals that share their half-life.

    >>> held_weight(20.0, 10.0)
    0.75
    """
    return -math.expm1(-LN2 * dt_s / half_life_s)


@kernel
def held_step(s: Record, dt_s: float, weight: float) -> None:
    """Let the held value stand for `dt_s` seconds of the given `held_weight`; nothing while it is unknown."""
    if not dt_s > 0.0 or math.isnan(s.held):
        return
    if s.observed_s == 0.0:
        s.mean = s.held
        s.variance = 0.0
    d = s.held - s.mean
    s.mean += weight * d
    s.variance = (1.0 - weight) * (s.variance + weight * d * d)
    s.observed_s += dt_s


@kernel
def held_advance(s: Record, dt_s: float, half_life_s: float) -> None:
    """Let the held value stand for `dt_s` seconds; no update while it is unknown.

    >>> s = np.zeros(1, HELD)[0]
    >>> held_init(s)
    >>> held_set(s, 2.0)
    >>> held_advance(s, 10.0, 10.0)
    >>> held_set(s, 6.0)
    >>> held_advance(s, 10.0, 10.0)
    >>> round(float(s["mean"]), 12), round(float(s["variance"]), 12), float(s["observed_s"])
    (4.0, 4.0, 20.0)
    """
    if dt_s > 0.0 and not math.isnan(s.held):
        held_step(s, dt_s, held_weight(dt_s, half_life_s))


@kernel
def held_set(s: Record, y: float) -> None:
    """Let the signal have the value `y` from now on; NaN means unknown.

    >>> s = np.zeros(1, HELD)[0]
    >>> held_init(s)
    >>> held_set(s, 5.0)
    >>> float(s["mean"]), float(s["observed_s"])
    (5.0, 0.0)
    """
    s.held = y
    if s.observed_s == 0.0 and not math.isnan(y):
        s.mean = y


@kernel
def held_std(s: Record) -> float:
    """Return the standard deviation in the signal's unit; NaN before anything was observed.

    >>> s = np.zeros(1, HELD)[0]
    >>> held_init(s)
    >>> held_std(s)
    nan
    """
    if s.observed_s <= 0.0:
        return math.nan
    return math.sqrt(s.variance)


@kernel
def held_warm(s: Record, half_life_s: float) -> bool:
    """Return whether two half-lives were observed, so that 3/4 of the weight is data.

    >>> s = np.zeros(1, HELD)[0]
    >>> held_init(s)
    >>> held_set(s, 1.0)
    >>> held_advance(s, 20.0, 10.0)
    >>> held_warm(s, 10.0), held_warm(s, 10.5)
    (True, False)
    """
    return bool(s.observed_s >= 2.0 * half_life_s)
