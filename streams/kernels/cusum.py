"""Cumulative sums: the classical alarm for a standardised signal that has moved and stays moved.

    S <- max(0, S + z - drift),     alarm when S > limit, and S starts again        (method 1, P8)

One sum watches one direction; the other gets -z. A SWITCH is both, with the direction of the last
alarm held for a while: a signal that stays high alarms again every few steps, and only the first
time it says something new.

Neither drift nor limit says how often a quiet signal switches unless its values are independent:
then Siegmund's formula gives the steps between alarms. For a signal with memory the rate is found
by playing its own past through `switch_count`, and `switch_limit` looks for the limit that keeps
within a budget.

A z of NaN changes nothing. Zero bytes are a valid start.

Reference: E. S. Page, Continuous inspection schemes, Biometrika 41 (1954); D. Siegmund, Sequential
Analysis (1985).
"""

import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from streams.kernels.jit import Record, kernel

Floats: TypeAlias = npt.NDArray[np.float64]

CUSUM = np.dtype([("sum", "f8"), ("alarms", "i8")])
SWITCH = np.dtype([("up", CUSUM), ("down", CUSUM), ("direction", "i8"), ("alarm_ns", "i8")])


@kernel
def cusum_init(s: Record) -> None:
    """Start at zero.

    >>> s = np.ones(1, CUSUM)[0]
    >>> cusum_init(s)
    >>> s.tolist()
    (0.0, 0)
    """
    s.sum = 0.0
    s.alarms = 0


@kernel
def cusum_step(s: Record, z: float, drift: float, limit: float) -> bool:
    """Add one value; return whether it raised the alarm, after which the sum starts again.

    >>> s = np.zeros(1, CUSUM)[0]
    >>> [cusum_step(s, z, 0.5, 2.0) for z in (1.5, -9.0, 2.0, float("nan"), 1.5, 0.0)]
    [False, False, False, False, True, False]
    >>> s.tolist()
    (0.0, 1)
    """
    if math.isnan(z):
        return False
    s.sum = max(0.0, s.sum + z - drift)
    if not s.sum > limit:
        return False
    s.sum = 0.0
    s.alarms += 1
    return True


@kernel
def cusum_alarms(z: Floats, drift: float, limit: float) -> int:
    """Return how often a whole series, float64[n], alarms upwards.

    >>> cusum_alarms(np.full(10, 1.0), 0.5, 1.2)
    3
    """
    total = 0.0
    alarms = 0
    for i in range(z.size):
        if not math.isnan(z[i]):
            total = max(0.0, total + z[i] - drift)
            if total > limit:
                total = 0.0
                alarms += 1
    return alarms


@kernel
def switch_init(s: Record) -> None:
    """Start with no direction.

    >>> s = np.zeros(1, SWITCH)[0]
    >>> switch_init(s)
    >>> int(s["direction"]), float(s["up"]["sum"])
    (0, 0.0)
    """
    cusum_init(s.up)
    cusum_init(s.down)
    s.direction = s.alarm_ns = 0


@kernel
def switch_step(s: Record, z: float, now_ns: int, drift: float, limit: float, hold_ns: int) -> bool:
    """Add one value to both sums; return whether the direction is a new one.

    An alarm sets the direction for `hold_ns`; another one the same way within that time prolongs it.

    >>> s = np.zeros(1, SWITCH)[0]
    >>> [switch_step(s, z, 9 * i, 0.5, 2.0, 20) for i, z in enumerate((4.0, 4.0, 0.0, -4.0, 4.0))]
    [True, False, False, True, True]
    >>> switch_step(s, 0.0, 55, 0.5, 2.0, 20), int(s["direction"])
    (False, 1)
    >>> switch_step(s, 0.0, 56, 0.5, 2.0, 20), int(s["direction"])
    (False, 0)
    """
    if s.direction != 0 and now_ns - s.alarm_ns >= hold_ns:
        s.direction = 0
    rises = cusum_step(s.up, z, drift, limit)
    falls = cusum_step(s.down, -z, drift, limit)
    if not (rises or falls):
        return False
    direction = 1 if rises else -1
    new = direction != s.direction
    s.direction = direction
    s.alarm_ns = now_ns
    return new


@kernel
def switch_count(z: Floats, drift: float, limit: float, hold: int) -> int:
    """Return how often a whole series, float64[n], takes a new direction; `hold` is in its steps.

    >>> switch_count(np.array([4.0, 4.0, 0.0, -4.0, 4.0]), 0.5, 2.0, 3)
    3
    """
    up = down = 0.0
    direction = last = switches = 0
    for i in range(z.size):
        if direction != 0 and i - last >= hold:
            direction = 0
        if math.isnan(z[i]):
            continue
        up = max(0.0, up + z[i] - drift)
        down = max(0.0, down - z[i] - drift)
        said = 1 if up > limit else (-1 if down > limit else 0)
        up = 0.0 if up > limit else up
        down = 0.0 if down > limit else down
        if said != 0:
            switches += 1 if said != direction else 0
            direction = said
            last = i
    return switches


def switch_limit(z: Floats, drift: float, hold: int, budget: int, resolution: float = 0.1) -> float:
    """Return a limit at which `z`, float64[n], takes a new direction at most `budget` times.

    It is a multiple of `resolution`, and one `resolution` less would be over the budget.

    >>> z = np.random.default_rng(1).normal(size=10_000)
    >>> limit = switch_limit(z, 0.5, 60, 10)
    >>> switch_count(z, 0.5, limit - 0.1, 60) > 10 >= switch_count(z, 0.5, limit, 60)
    True
    """

    def over(steps: int) -> bool:
        return switch_count(z, drift, steps * resolution, hold) > budget

    if not over(0):
        return 0.0
    low, high = 0, 1
    while over(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if over(middle):
            low = middle
        else:
            high = middle
    return high * resolution
