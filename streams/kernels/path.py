"""A level's last day at five resolutions, so that its change over any window costs two look-ups.

Buckets are as wide as a sixtieth of the shortest window they serve, at most: 1 s up to a minute, 5 s up to
5 minutes, 15 s up to a quarter of an hour, 60 s up to 4 hours, 300 s up to a day (method 1, P3). A window's
start is found to within one bucket of the ring that holds it, and the bucket's last level stands for it: the
window is right to 1/60 of its length, 4 h and 24 h to 1/240. What needs a few windows only keeps only their
rings, with `ring_put` and `ring_at`.

Sums are kept as cumulative levels in whole cents, which float64 holds exactly up to 90 trillion dollars: the
difference of two levels is the exact sum of what happened between.
"""

import numpy as np

from streams.kernels.jit import NS_PER_S, Record, kernel
from streams.kernels.windows import level_at, level_init, level_put, level_ring

#: Seconds a bucket, of the second ring and on; a ring holds two more than its longest window has.
FIVE_S, QUARTER_S, HOURS_S, DAY_S = 5, 15, 60, 300
QUARTER, HOURS, DAY = level_ring(62), level_ring(242), level_ring(290)

PATH = np.dtype([
    ("minute", QUARTER), ("five", QUARTER), ("quarter", QUARTER), ("hours", HOURS), ("day", DAY),
])  # fmt: skip


@kernel
def path_init(path: Record) -> None:
    """Make an empty path: unknown everywhere."""
    level_init(path.minute)
    level_init(path.five)
    level_init(path.quarter)
    level_init(path.hours)
    level_init(path.day)


@kernel
def ring_put(ring: Record, width_s: int, time_ns: int, value: float) -> None:
    """Record the level at `time_ns` in one ring whose buckets are `width_s` wide; NaN: it is unknown."""
    level_put(ring, time_ns // NS_PER_S // width_s, value)


@kernel
def ring_at(ring: Record, width_s: int, time_ns: int, window_s: int) -> float:
    """Return the level `window_s` before `time_ns` from one ring; NaN where it is not known.

    >>> ring = np.zeros(1, DAY)[0]
    >>> for hour in range(25):
    ...     ring_put(ring, DAY_S, hour * 3600 * NS_PER_S, 100.0 * hour)
    >>> ring_at(ring, DAY_S, 24 * 3600 * NS_PER_S, 86_400)
    0.0
    """
    return level_at(ring, (time_ns // NS_PER_S - window_s) // width_s)


@kernel
def path_put(path: Record, time_ns: int, value: float) -> None:
    """Record the level at `time_ns`; NaN records that it is unknown."""
    second = time_ns // NS_PER_S
    level_put(path.minute, second, value)
    level_put(path.five, second // FIVE_S, value)
    level_put(path.quarter, second // QUARTER_S, value)
    level_put(path.hours, second // HOURS_S, value)
    level_put(path.day, second // DAY_S, value)


@kernel
def path_at(path: Record, time_ns: int, window_s: int) -> float:
    """Return the level `window_s` (at most a day) before `time_ns`; NaN where it is not known.

    >>> record = np.zeros(1, PATH)[0]
    >>> path_init(record)
    >>> for minute in range(90):
    ...     path_put(record, minute * 60 * NS_PER_S, float(minute))
    >>> path_at(record, 89 * 60 * NS_PER_S, 60), path_at(record, 89 * 60 * NS_PER_S, 3600)
    (88.0, 29.0)
    """
    second = time_ns // NS_PER_S - window_s
    if window_s <= 60:
        return level_at(path.minute, second)
    if window_s <= 300:
        return level_at(path.five, second // FIVE_S)
    if window_s <= 900:
        return level_at(path.quarter, second // QUARTER_S)
    if window_s <= 14_400:
        return level_at(path.hours, second // HOURS_S)
    return level_at(path.day, second // DAY_S)
