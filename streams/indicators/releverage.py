"""Re-leverage: how much of the fall from the highest open interest of 14 days has been built again.

``(ln Q - ln low) / (ln peak - ln low)`` on the panel-chained coin open interest, with the highest of 14 days
and the lowest since, both to within a day at the window's old end; 0 at the low, 1 where the peak is
reached again. NaN while nothing has fallen. WARMUP before the window is full.
"""

import math

from streams.kernels.fall import fall_full, fall_init, fall_peak_and_low, fall_put, fall_ring
from streams.kernels.jit import NS_PER_S, Record, kernel
from streams.readings import Quality

WARMUP = int(Quality.WARMUP)
DAY_NS = 86_400 * NS_PER_S

LEVELS = fall_ring(15)
READINGS = (
    ("oi_releverage_14d", "ratio", "share of the fall from the highest OI of 14 days that is built again"),
)  # fmt: skip


@kernel
def levels_init(s: Record) -> None:
    """Nothing is known yet."""
    fall_init(s)


@kernel
def releverage(now: float, peak: float, low: float) -> float:
    """Return which share of a fall is back, of logarithms; NaN without a fall.

    >>> releverage(0.25, 1.0, 0.0), releverage(1.0, 1.0, 1.0)
    (0.25, nan)
    """
    return (now - low) / (peak - low) if peak > low else math.nan


@kernel
def step(s: Record, log_oi: float, time_ns: int, coverage: float, reading: Record) -> None:
    """Take the chained ln(OI), NaN while it is unknown, and write the reading."""
    fall_put(s, time_ns // DAY_NS, log_oi)
    peak, low = fall_peak_and_low(s)
    reading.value = releverage(log_oi, peak, low)
    reading.coverage = coverage
    reading.quality = 0 if fall_full(s) else WARMUP
