"""Realised volatility: how much the index moves, over minutes to weeks, and how much of that is jumps.

The price path is sampled every five seconds of log time; a return over dt seconds says r^2 / dt of the
variance a second (method 9.1). Each memory averages what was observed, see `streams.kernels.average`.

* Volatility: ``sqrt(average(r^2 / dt) * seconds of a year)``, an annualised decimal.
* Jump-robust: the same of MedRV, ``1.4194 * median(|r1|, |r2|, |r3|)^2`` of the last three returns, each over
  the root of its time. One jump is never the median of three (method 9.2).
* Jump share: ``max(0, 1 - MedRV / RV)`` over the same returns.
* Vol-of-vol: EW standard deviation over a day of ``ln RV_5m``. Compression: ``RV_1h / RV_7d``, of variances.

A return that spans more than a tenth of a half-life tells that memory nothing: hourly candles warm
the long ones only, and no candle is fine enough for medians. Where a venue gives no index the path
follows its mark or its trades; `coverage` is the share of a memory that rests on index prices.

Reference: T. G. Andersen, D. Dobrev, E. Schaumburg, Jump-robust volatility estimation using nearest
neighbor truncation, J. Econometrics 169 (2012).
"""

import math

import numpy as np

from streams.kernels.average import AVERAGE, WARM, average, average_init, average_step
from streams.kernels.decay import HELD, held_advance, held_init, held_set, held_std, held_warm
from streams.kernels.jit import NS_PER_S, Record, kernel
from streams.readings import Quality

WARMUP = int(Quality.WARMUP)
STALE = int(Quality.STALE_INPUT)
PARTIAL = int(Quality.PARTIAL_COVERAGE)
GAP = int(Quality.GAP_IN_WINDOW)
YEAR_S = 31_536_000.0
MED_RV = math.pi / (6.0 - 4.0 * math.sqrt(3.0) + math.pi)  # of three normal values
LONGEST_SHARE = 0.1  # of a half-life that one return may span
ONE_HALF_LIFE = 0.5  # weight of live data without which history does not make a memory warm
STALE_S = 60.0

HORIZON = np.dtype([
    ("squares", AVERAGE),  # with history
    ("indexed", AVERAGE),  # share of that which is index prices
    ("live", AVERAGE), ("medians", AVERAGE),  # over the returns that have two before them
])  # fmt: skip
UNDERLYING = np.dtype([
    ("sample_ns", "i8"), ("sample_log", "f8"),  # 0: the price was not known
    ("told_ns", "i8"), ("gap_ns", "i8"),  # memories are faded to; last time something was missed
    ("fresh", "i8"), ("square", "f8"), ("span_s", "f8"),  # a fine return of this tick, and its r^2
    ("before", "f8", (2,)),  # |r| / sqrt(dt) of the two last returns
    ("horizons", HORIZON, (5,)),
    ("log_variance", HELD),
])  # fmt: skip
M5, H1, H24, D7, D30 = range(5)
NAMES = ("5m", "1h", "24h", "7d", "30d")
READINGS = (
    *((f"realised_vol_{name}", "annualised decimal", f"volatility of 5 s index returns, {name} half-life")
      for name in NAMES),
    *((f"realised_vol_robust_{name}", "annualised decimal", f"the same without jumps (MedRV), {name}")
      for name in NAMES[:4]),
    *((f"jump_share_{name}", "0..1", f"share of the variance that came in jumps, {name} half-life")
      for name in NAMES[:4]),
    ("vol_of_vol", "ln ratio", "EW standard deviation of ln(variance of 5m) over a day"),
    ("vol_compression", "ratio", "variance of 1h over variance of 7d"),
    ("vol_expansion", "ratio", "variance of 24h over variance of 30d"),
)  # fmt: skip


@kernel
def underlying_init(u: Record) -> None:
    """Nothing is known yet."""
    u.sample_ns = u.told_ns = u.gap_ns = u.fresh = 0
    u.sample_log = u.square = u.span_s = u.before[0] = u.before[1] = math.nan
    for i in range(5):
        h = u.horizons[i]
        average_init(h.squares)
        average_init(h.indexed)
        average_init(h.live)
        average_init(h.medians)
    held_init(u.log_variance)


@kernel
def median_variance(a: float, b: float, c: float) -> float:
    """Return the MedRV term of three returns' sizes: the middle one, squared and made unbiased.

    >>> round(median_variance(1.0, 20.0, 2.0) / 4.0, 4)
    1.4194
    """
    middle = max(min(a, b), min(max(a, b), c))
    return MED_RV * middle * middle


@kernel
def _tell(h: Record, half_life_s: float, lost_s: float, dt_s: float, square: float, median: float,
          indexed: float) -> None:  # fmt: skip
    """Let a memory pass `lost_s` seconds unobserved, then `dt_s` in which one return was made."""
    told = dt_s <= LONGEST_SHARE * half_life_s
    y = square if told else math.nan
    live = square if median == median else math.nan
    share = indexed if told else math.nan
    for s, x in ((h.squares, y), (h.indexed, share), (h.live, live), (h.medians, median)):
        average_step(s, math.nan, lost_s, half_life_s)
        average_step(s, x, dt_s, half_life_s)


@kernel
def _return(
    u: Record, r: float, dt_s: float, lost_s: float, indexed: float, live: bool, p: Record
) -> None:
    """Take one return of `dt_s` seconds, after `lost_s` seconds of which nothing is known."""
    square = r * r / dt_s
    size = math.sqrt(square)
    median = math.nan
    if live and dt_s <= p.vol_gap_s:
        u.fresh, u.square, u.span_s = 1, r * r, dt_s
        median = median_variance(u.before[0], u.before[1], size)  # NaN until there are two before
        if u.before[0] != u.before[0] or u.before[1] != u.before[1]:
            median = math.nan
        u.before[0], u.before[1] = u.before[1], size
    else:
        u.before[0] = u.before[1] = math.nan
    for i in range(5):
        _tell(u.horizons[i], p.vol_half_lives_s[i], lost_s, dt_s, square, median, indexed)


@kernel
def tick(u: Record, log_price: float, indexed: float, time_ns: int, live: bool, p: Record) -> None:
    """Sample the path at the first tick of each five seconds.

    Args:
        u: the underlying's record.
        log_price: the chained log price, NaN while no venue has a price.
        indexed: share of the venues in it whose price is an index.
        time_ns: the tick.
        live: whether this is no history.
        p: parameters.
    """
    u.fresh = 0
    if log_price != log_price:
        if u.told_ns > 0:
            u.gap_ns = time_ns
        held_set(u.log_variance, math.nan)
        u.sample_ns = 0
        u.before[0] = u.before[1] = math.nan
        return
    step_ns = int(p.vol_return_s * NS_PER_S)
    if u.sample_ns > 0:
        if time_ns // step_ns == u.sample_ns // step_ns:
            return
        dt_s = (time_ns - u.sample_ns) / NS_PER_S
        lost_s = (u.sample_ns - u.told_ns) / NS_PER_S if u.told_ns > 0 else 0.0
        if live and dt_s > p.vol_gap_s:
            u.gap_ns = time_ns
        _return(u, log_price - u.sample_log, dt_s, lost_s, indexed, live, p)
        u.told_ns = time_ns
        held_advance(u.log_variance, dt_s if u.fresh == 1 else 0.0, p.vol_of_vol_half_life_s)
        held_set(u.log_variance, log_variance(u, M5, time_ns, p) if u.fresh == 1 else math.nan)
    u.sample_ns = time_ns
    u.sample_log = log_price


@kernel
def warm(h: Record) -> bool:
    """Return whether two half-lives are in the memory, at least one of them live."""
    return h.squares.weight >= WARM and h.live.weight >= ONE_HALF_LIFE


@kernel
def variance(u: Record, i: int, time_ns: int, p: Record) -> float:
    """Return the annual variance of horizon `i`; NaN if nothing was told for a half-life."""
    if u.told_ns == 0 or (time_ns - u.told_ns) / NS_PER_S > p.vol_half_lives_s[i]:
        return math.nan
    return average(u.horizons[i].squares) * YEAR_S


@kernel
def log_variance(u: Record, i: int, time_ns: int, p: Record) -> float:
    """Return ln of the annual variance once its memory is full, be it of history; NaN of a price at rest."""
    v = variance(u, i, time_ns, p)
    if not (u.horizons[i].squares.weight >= WARM and v > 0.0):
        return math.nan
    return math.log(v)


@kernel
def quality(u: Record, i: int, time_ns: int, p: Record) -> int:
    """Return what is wrong with horizon `i` as quality bits."""
    h = u.horizons[i]
    bits = 0 if warm(h) else WARMUP
    if u.told_ns == 0 or (time_ns - u.told_ns) / NS_PER_S > STALE_S:
        bits |= STALE
    if not average(h.indexed) >= 0.999:
        bits |= PARTIAL
    if u.gap_ns > 0 and (time_ns - u.gap_ns) / NS_PER_S <= p.vol_half_lives_s[i]:
        bits |= GAP
    return bits


@kernel
def _publish_horizon(
    u: Record, i: int, time_ns: int, p: Record, vol: Record, robust: Record, jumps: Record
) -> None:
    h = u.horizons[i]
    bits, coverage = quality(u, i, time_ns, p), average(h.indexed)
    known = variance(u, i, time_ns, p)
    median, live = average(h.medians), average(h.live)
    vol.value = math.sqrt(known)
    robust.value = math.sqrt(median * YEAR_S) if known == known else math.nan
    share = 1.0 - median / live if live > 0.0 else math.nan
    jumps.value = max(0.0, share) if known == known and share == share else math.nan
    vol.coverage = robust.coverage = jumps.coverage = coverage
    vol.quality = bits
    robust.quality = jumps.quality = bits if h.live.weight >= WARM else bits | WARMUP


@kernel
def _publish_ratio(
    u: Record, fast: int, slow: int, time_ns: int, p: Record, reading: Record
) -> None:
    below = variance(u, slow, time_ns, p)
    reading.value = variance(u, fast, time_ns, p) / below if below > 0.0 else math.nan
    reading.coverage = min(average(u.horizons[fast].indexed), average(u.horizons[slow].indexed))
    reading.quality = quality(u, fast, time_ns, p) | quality(u, slow, time_ns, p)


@kernel
def publish(u: Record, r: Record, time_ns: int, p: Record) -> None:
    """Write the readings of methods 9.1 to 9.3."""
    _publish_horizon(u, 0, time_ns, p, r.realised_vol_5m, r.realised_vol_robust_5m, r.jump_share_5m)
    _publish_horizon(u, 1, time_ns, p, r.realised_vol_1h, r.realised_vol_robust_1h, r.jump_share_1h)
    _publish_horizon(
        u, 2, time_ns, p, r.realised_vol_24h, r.realised_vol_robust_24h, r.jump_share_24h
    )
    _publish_horizon(u, 3, time_ns, p, r.realised_vol_7d, r.realised_vol_robust_7d, r.jump_share_7d)
    r.realised_vol_30d.value = math.sqrt(variance(u, D30, time_ns, p))
    r.realised_vol_30d.coverage = average(u.horizons[D30].indexed)
    r.realised_vol_30d.quality = quality(u, D30, time_ns, p)
    known = variance(u, M5, time_ns, p)
    r.vol_of_vol.value = held_std(u.log_variance) if known == known else math.nan
    r.vol_of_vol.coverage = average(u.horizons[M5].indexed)
    r.vol_of_vol.quality = quality(u, M5, time_ns, p) & ~WARMUP
    if not held_warm(u.log_variance, p.vol_of_vol_half_life_s):
        r.vol_of_vol.quality |= WARMUP
    _publish_ratio(u, H1, D7, time_ns, p, r.vol_compression)
    _publish_ratio(u, H24, D30, time_ns, p, r.vol_expansion)


@kernel
def indexed_share(contracts: Record, members: Record, count: int) -> float:
    """Return which share of the contracts in the path give an index price; NaN if none is in it."""
    priced = indexed = 0
    for k in range(count):
        source = contracts[members[k]].price.source
        priced += 1 if source > 0 else 0
        indexed += 1 if source == 1 else 0
    return indexed / priced if priced > 0 else math.nan
