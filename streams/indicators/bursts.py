"""Bursts: forced flow with a beginning, a peak and an end (method 6).

A burst of a side opens when its estimated 10-second USD rate exceeds both an absolute floor (a share of
open interest per minute) and, once 90 days of it are known, its 99.5th percentile, with at least five
orders in 30 s and the side holding 60 % of the flow. It is over when the rate has been below 20 % of its
peak for 60 s, or falls below its own 95th percentile of 90 days; if it flares up again within 120 s it was
one burst. What is left above the floor after that is its tail, and opens no other until it has fallen
below the floor or grown to that 20 % again. USD are what the feeds printed (raw) and the integral of the
corrected rate (estimated).
"""

import math

import numpy as np

from streams.kernels.histogram import (
    UPPER,
    histogram_init,
    histogram_insert,
    histogram_quantile,
    histogram_rank,
    histogram_warm,
)
from streams.kernels.jit import NS_PER_S, Record, kernel
from streams.readings import Quality

WARMUP = int(Quality.WARMUP)
RATE_SCALE = 1e-5  # share of open interest per minute
IDLE, OPEN, FADING = 0, 1, 2
EVENTS = 8  # orders whose times are remembered; at least burst_min_events
NONE, STARTED, PROGRESS, ENDED = 0, 1, 2, 3
PROGRESS_NS = 5 * NS_PER_S

BURST = np.dtype([
    ("phase", "i8"), ("number", "i8"), ("said", "i8"), ("dominant", "i8"), ("spent", "i8"),
    ("start_ns", "i8"), ("peak_ns", "i8"), ("quiet_ns", "i8"), ("end_ns", "i8"), ("told_ns", "i8"),
    ("trigger_ns", "i8"),
    ("peak_usd_per_s", "f8"), ("orders", "f8"), ("max_order_usd", "f8"),
    ("usd_raw", "f8"), ("usd_estimated", "f8"), ("usd_other", "f8"),
    ("price_start", "f8"), ("price_extreme", "f8"), ("price_end", "f8"),
    ("oi_start", "f8"), ("oi_end", "f8"),
    ("recent_ns", "i8", (EVENTS,)), ("recent", "i8"),
    ("rates", UPPER),
])  # fmt: skip
READINGS = (
    ("burst_long", "0/1", "a burst of long liquidations is open"),
    ("burst_short", "0/1", "a burst of short liquidations is open"),
    (
        "liquidation_rank_90d_long",
        "0..1",
        "90-day percentile of the 60 s rate of long liquidations",
    ),
    ("liquidation_rank_90d_short", "0..1", "the same of short liquidations"),
)


@kernel
def burst_init(b: Record) -> None:
    """No burst yet."""
    b.phase = b.number = b.said = b.dominant = b.spent = b.recent = 0
    b.start_ns = b.peak_ns = b.quiet_ns = b.end_ns = b.told_ns = b.trigger_ns = 0
    b.peak_usd_per_s = b.orders = b.max_order_usd = 0.0
    b.usd_raw = b.usd_estimated = b.usd_other = 0.0
    b.price_start = b.price_extreme = b.price_end = b.oi_start = b.oi_end = math.nan
    for k in range(EVENTS):
        b.recent_ns[k] = 0
    histogram_init(b.rates)


@kernel
def order(b: Record, other: Record, usd_before: float, usd: float, time_ns: int) -> None:
    """Note a print of this side; a new order if `usd_before` is 0."""
    if usd_before <= 0.0:
        b.recent_ns[b.recent % EVENTS] = time_ns
        b.recent += 1
    if b.phase != IDLE:
        b.usd_raw += usd
        b.orders += 1.0 if usd_before <= 0.0 else 0.0
        b.max_order_usd = max(b.max_order_usd, usd_before + usd)
    if other.phase != IDLE:
        other.usd_other += usd


@kernel
def recent_orders(b: Record, time_ns: int, window_ns: int) -> int:
    """Return how many orders the last `window_ns` held, up to EVENTS.

    >>> record = np.zeros(1, BURST)[0]
    >>> burst_init(record)
    >>> for k in range(5):
    ...     order(record, record, 0.0, 1.0, 10**9 * (k + 1))
    >>> recent_orders(record, 5 * 10**9, 2 * 10**9)
    3
    """
    n = 0
    for k in range(min(b.recent, EVENTS)):
        if time_ns - b.recent_ns[k] <= window_ns:
            n += 1
    return n


@kernel
def _open(b: Record, rate: float, time_ns: int, price: float, oi: float) -> None:
    b.phase, b.said = OPEN, STARTED
    b.number += 1
    b.start_ns = b.peak_ns = b.told_ns = b.trigger_ns = time_ns
    b.quiet_ns = b.end_ns = 0
    b.peak_usd_per_s = rate
    b.usd_raw = b.usd_estimated = b.usd_other = b.max_order_usd = b.orders = 0.0
    b.price_start = b.price_extreme = b.price_end = price
    b.oi_start = b.oi_end = oi


@kernel
def starts(b: Record, rate: float, oi_usd: float, time_ns: int, now_s: float, p: Record) -> bool:
    """Return whether the flow of this side is a burst now."""
    if not (rate > 0.0 and oi_usd > 0.0):  # NaN starts nothing
        return False
    share_per_minute = rate * 60.0 / oi_usd
    if share_per_minute <= p.burst_floor_oi_per_minute:
        b.spent = 0
        return False
    if b.spent and rate < p.burst_end_share * b.peak_usd_per_s:
        return False  # still the last one's tail
    if histogram_warm(b.rates, now_s, p.intensity_rank_half_life_s, 200.0) and (
        share_per_minute <= histogram_quantile(b.rates, p.burst_quantile, RATE_SCALE)
    ):
        return False
    return b.dominant == 1 and recent_orders(b, time_ns, 30 * NS_PER_S) >= p.burst_min_events


@kernel
def _follow(b: Record, rate: float, price: float, oi: float, down: bool, time_ns: int) -> None:
    if rate > b.peak_usd_per_s:
        b.peak_usd_per_s, b.peak_ns = rate, time_ns
    if price == price:
        b.price_end = price
        extreme = min(b.price_extreme, price) if down else max(b.price_extreme, price)
        b.price_extreme = extreme if extreme == extreme else price
    if oi == oi:
        b.oi_end = oi


@kernel
def usual(b: Record, rate: float, oi_usd: float, now_s: float, p: Record) -> bool:
    """Return whether the rate is below its 95th percentile; False while that is not known."""
    if not (oi_usd > 0.0 and histogram_warm(b.rates, now_s, p.intensity_rank_half_life_s, 200.0)):
        return False
    return rate * 60.0 / oi_usd < histogram_quantile(b.rates, p.burst_end_quantile, RATE_SCALE)


@kernel
def _fade(b: Record, rate: float, is_usual: bool, time_ns: int, p: Record) -> None:
    """Close the burst when it has been quiet, or at once when the rate is usual again."""
    if not is_usual and rate >= p.burst_end_share * b.peak_usd_per_s:
        b.quiet_ns = 0
        b.phase = OPEN
        return
    if b.quiet_ns == 0:
        b.quiet_ns = time_ns
    quiet_s = (time_ns - b.quiet_ns) / NS_PER_S
    if b.phase == OPEN and (is_usual or quiet_s >= p.burst_end_s):
        b.phase, b.end_ns = FADING, b.quiet_ns
    if b.phase == FADING and quiet_s >= p.burst_end_s + p.burst_merge_s:
        b.phase, b.said, b.spent = IDLE, ENDED, 1


@kernel
def step(
    b: Record, rate: float, other_rate: float, oi_usd: float, oi: float, price: float, down: bool,
    dt_s: float, time_ns: int, now_s: float, p: Record,
) -> None:  # fmt: skip
    """Advance the burst of one side to `time_ns`. An unknown rate (NaN) changes nothing.

    Between ticks (`dt_s` 0) a burst may open and grow; only a tick ends it or reports on it, so that
    nothing it has to say can be overtaken.
    """
    if rate != rate:
        return
    b.dominant = 1 if rate >= p.burst_dominance * (rate + max(other_rate, 0.0)) else 0
    if b.phase == IDLE:
        if starts(b, rate, oi_usd, time_ns, now_s, p):
            _open(b, rate, time_ns, price, oi)
        return
    b.usd_estimated += rate * dt_s
    _follow(b, rate, price, oi, down, time_ns)
    if dt_s <= 0.0:
        return
    _fade(b, rate, usual(b, rate, oi_usd, now_s, p), time_ns, p)
    if b.phase != IDLE and b.said == NONE and time_ns - b.told_ns >= PROGRESS_NS:
        b.told_ns, b.said = time_ns, PROGRESS


@kernel
def learn(b: Record, rate_60s: float, oi_usd: float, dt_s: float, now_s: float, p: Record) -> None:
    """Add the last step's rate, as a share of open interest per minute, to the distribution."""
    share = rate_60s * 60.0 / oi_usd if oi_usd > 0.0 else math.nan
    histogram_insert(b.rates, now_s, share, dt_s, RATE_SCALE, p.intensity_rank_half_life_s)


@kernel
def publish(
    b: Record,
    rate_60s: float,
    oi_usd: float,
    is_open: Record,
    rank: Record,
    now_s: float,
    p: Record,
) -> None:
    """Write whether a burst is open and where the rate stands in its 90 days."""
    is_open.value = math.nan if rate_60s != rate_60s else (1.0 if b.phase == OPEN else 0.0)
    share = rate_60s * 60.0 / oi_usd if oi_usd > 0.0 else math.nan
    rank.value = histogram_rank(b.rates, share, RATE_SCALE)
    warm = histogram_warm(b.rates, now_s, p.intensity_rank_half_life_s, 200.0)
    rank.quality = 0 if warm else WARMUP
