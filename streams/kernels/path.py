"""A level's last day at three resolutions, so that its change over any window costs two look-ups.

1 s buckets reach back 5 minutes, 15 s buckets an hour, 60 s buckets a day (method 1, P3). A window's
start is found to within one bucket of the ring that holds it. Sums are kept as cumulative levels in whole
cents, which float64 holds exactly up to 90 trillion dollars: the difference of two levels is the exact
sum of what happened between.
"""

import numpy as np

from streams.kernels.jit import NS_PER_S, Record, kernel
from streams.kernels.windows import level_at, level_init, level_put, level_ring

PATH = np.dtype(
    [("fine", level_ring(302)), ("middle", level_ring(242)), ("coarse", level_ring(1442))]
)


@kernel
def path_init(path: Record) -> None:
    """Make an empty path: unknown everywhere."""
    level_init(path.fine)
    level_init(path.middle)
    level_init(path.coarse)


@kernel
def path_put(path: Record, time_ns: int, value: float) -> None:
    """Record the level at `time_ns`; NaN records that it is unknown."""
    second = time_ns // NS_PER_S
    level_put(path.fine, second, value)
    level_put(path.middle, second // 15, value)
    level_put(path.coarse, second // 60, value)


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
    if window_s <= 300:
        return level_at(path.fine, second)
    if window_s <= 3600:
        return level_at(path.middle, second // 15)
    return level_at(path.coarse, second // 60)
