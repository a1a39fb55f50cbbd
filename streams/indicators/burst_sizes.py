"""How large bursts are against their open interest, and whether they shrink (method 11.4).

A burst's size is its estimated USD over open interest when it began. Of each side the last three that
ended are remembered, and the largest of 14 days, to within a day.

* shrinkage: EW mean of the last three, each weighing twice the one before it, over the largest of 14 days;
  unknown with fewer than three in that time.
* relative: the size of the burst that is open, else of the last, over the largest of the 14 days before it.
* forced share: printed USD of 24 hours over open interest, a floor where feeds are sampled.

While liquidation feeds cover too little of the market a burst may go unseen, so all of it is unknown.
"""

import math

import numpy as np

from streams.indicators import bursts
from streams.indicators.burst_record import size
from streams.kernels.extremes import highest, highest_init, highest_put, highest_ring
from streams.kernels.jit import NS_PER_S, Record, kernel

DAY_NS = 86_400 * NS_PER_S
WINDOW_NS = 14 * DAY_NS
LAST = 3

SIZES = np.dtype([
    ("number", "i8"), ("count", "i8"),  # of the last burst taken; of bursts ever taken
    ("sizes", "f8", (LAST,)), ("ends_ns", "i8", (LAST,)),  # newest first
    ("before", "f8"),  # the largest of the 14 days before the newest
    ("largest", highest_ring(15)),
])  # fmt: skip
READINGS = (
    *((f"burst_shrinkage_{side}", "ratio", f"size of the last three {side} bursts over the largest in 14 d")
      for side in ("long", "short")),
    *((f"burst_relative_{side}", "ratio", f"size of the last {side} burst over the largest 14 d before")
      for side in ("long", "short")),
    *((f"recent_bursts_{side}", "count", f"{side} bursts that ended within a day, of the last three")
      for side in ("long", "short")),
    *((f"forced_share_24h_{side}", "ratio", f"printed liquidations of {side}s in a day over open interest")
      for side in ("long", "short")),
)  # fmt: skip


@kernel
def sizes_init(s: Record) -> None:
    """No burst yet."""
    s.number = s.count = 0
    s.before = math.nan
    for k in range(LAST):
        s.sizes[k] = math.nan
        s.ends_ns[k] = 0
    highest_init(s.largest)


@kernel
def step(s: Record, record: Record, b: Record, time_ns: int) -> None:
    """Take a burst that has just ended; one whose size is unknown is none."""
    if b.said != bursts.ENDED or b.number == s.number:
        return
    s.number = b.number
    x = size(record, b)
    if x != x:
        return
    bucket = time_ns // DAY_NS
    s.before = highest(s.largest, bucket)
    for k in range(LAST - 1, 0, -1):
        s.sizes[k], s.ends_ns[k] = s.sizes[k - 1], s.ends_ns[k - 1]
    s.sizes[0], s.ends_ns[0] = x, time_ns
    s.count += 1
    highest_put(s.largest, bucket, x)


@kernel
def last_end(s: Record) -> int:
    """Return when the last burst had ended, 0 before any."""
    return int(s.ends_ns[0])


@kernel
def within(s: Record, time_ns: int, window_ns: int) -> int:
    """Return how many of the last three bursts ended within the window."""
    n = 0
    for k in range(min(s.count, LAST)):
        if time_ns - s.ends_ns[k] <= window_ns:
            n += 1
    return n


@kernel
def shrinkage(s: Record, time_ns: int) -> float:
    """Return the EW mean of the last three over the largest of 14 days; NaN with fewer than three."""
    if within(s, time_ns, WINDOW_NS) < LAST:
        return math.nan
    mean = (4.0 * s.sizes[0] + 2.0 * s.sizes[1] + s.sizes[2]) / 7.0
    return mean / highest(s.largest, time_ns // DAY_NS)


@kernel
def relative(s: Record, record: Record, b: Record, time_ns: int) -> float:
    """Return the open burst's size, else the last one's, over the largest before it; NaN without one."""
    if b.phase != bursts.IDLE:
        return size(record, b) / highest(s.largest, time_ns // DAY_NS)
    return s.sizes[0] / s.before


@kernel
def _write(reading: Record, value: float, known: bool, coverage: float, quality: int) -> None:
    reading.value = value if known else math.nan
    reading.coverage, reading.quality = coverage, quality


@kernel
def publish(
    s: Record, record: Record, b: Record, time_ns: int, known: bool, coverage: float, oi_usd: float,
    day: Record, rate: Record, shrinks: Record, compared: Record, counted: Record, share: Record,
    p: Record,
) -> None:  # fmt: skip
    """Write one side's readings.

    Args:
        s: the side's memory.
        record: what is kept of its burst.
        b: its burst.
        time_ns: the tick.
        known: whether its feeds cover enough of the market.
        coverage: how much they cover.
        oi_usd: open interest.
        day: printed USD of 24 hours.
        rate: an estimated rate, for its quality.
        shrinks: to write the shrinkage to.
        compared: to write the relative size to.
        counted: to write the number of recent bursts to.
        share: to write the forced share to.
        p: parameters.
    """
    quality = rate.quality
    recent_ns = int(p.absorption_memory_s * NS_PER_S)
    _write(shrinks, shrinkage(s, time_ns), known, coverage, quality)
    _write(compared, relative(s, record, b, time_ns), known, coverage, quality)
    _write(counted, float(within(s, time_ns, recent_ns)), known, coverage, quality)
    _write(
        share, day.value / oi_usd if oi_usd > 0.0 else math.nan, known, day.coverage, day.quality
    )
