"""Funding stress: what crowding costs, and how unusual that is.

Definitions (method 3.1 to 3.4). ``apr = rate * 8760 h / interval``, simple, per contract by its own
interval. Neutral is not zero: most exchanges' interest component of 0.01 % per 8 h is 10.95 % APR, so stress
is the excess over each venue's own (`streams.neutral`). Across venues: mean weighted by USD open interest,
weighted median, weighted median absolute deviation. The premium (perpetual over index, bp) moves where the
clamped rate cannot.

``FS_long = 0.45 rank(F_bar) + 0.35 rank(premium_8h) + 0.20 persist`` with 30-day ranks and `persist` the EW
share of time (72 h) above +10 points of APR; the short side uses one minus the ranks and -10 points. Parts
that are missing are left out and the rest re-normalised, flagged PARTIAL_COVERAGE.
"""

import math

import numpy as np

from streams.events import Flag
from streams.kernels.decay import (
    HELD,
    held_advance,
    held_init,
    held_set,
    held_step,
    held_weight,
)
from streams.kernels.histogram import (
    HISTOGRAM,
    histogram_init,
    histogram_insert,
    histogram_quantile,
    histogram_rank,
    histogram_warm,
)
from streams.kernels.jit import NS_PER_S, Record, kernel
from streams.readings import Quality

WARMUP = int(Quality.WARMUP)
PARTIAL = int(Quality.PARTIAL_COVERAGE)
DISAGREE = int(Quality.PARTIAL_COVERAGE)  # one thin venue is pulling the mean
SETTLED = int(Flag.SETTLED)
YEAR_NS = 8760 * 3600 * NS_PER_S
EIGHT_HOURS_NS = 8 * 3600 * NS_PER_S
SHORTEST_NS, LONGEST_NS = 60 * NS_PER_S, 31 * 86_400 * NS_PER_S
MAX_VENUES = 48
APR_SCALE = 0.05
PREMIUM_SCALE = 2.0  # bp
MIN_INSERTS = 200.0

CONTRACT = np.dtype([
    ("rate", "f8"), ("interval_ns", "i8"), ("time_ns", "i8"),
    ("neutral_8h", "f8"),  # see streams.neutral; NaN before the contract is announced
    ("running_ns", "i8"),  # the last estimate: where a venue sends them, what it settled is no level
    ("premium_fast", HELD), ("premium_slow", HELD),
])  # fmt: skip
UNDERLYING = np.dtype([
    ("excess", HISTOGRAM), ("premium", HISTOGRAM),
    ("persist_long", HELD), ("persist_short", HELD),
    ("median_excess", "f8"),
])  # fmt: skip
READINGS = (
    ("funding_apr", "per year", "OI-weighted mean funding rate, simple APR"),
    ("funding_excess_apr", "per year", "the same over each contract's neutral level"),
    ("funding_median_apr", "per year", "OI-weighted median of the excess"),
    ("funding_dispersion_apr", "per year", "OI-weighted median absolute deviation of the excess"),
    ("funding_excess_median_30d", "per year", "30-day median of the OI-weighted excess"),
    ("premium_bp", "bp", "perpetual over index, 5-minute EW mean, OI-weighted"),
    ("premium_8h_bp", "bp", "the same with an 8-hour memory"),
    ("funding_rank", "0..1", "30-day percentile of the excess"),
    ("premium_rank", "0..1", "30-day percentile of the 8-hour premium"),
    ("persist_long", "0..1", "EW share of the last days with excess above +10 points"),
    ("persist_short", "0..1", "EW share of the last days with excess below -10 points"),
    ("funding_stress_long", "0..1", "crowding of longs by what they pay"),
    ("funding_stress_short", "0..1", "crowding of shorts by what they pay"),
)


@kernel
def contract_init(c: Record) -> None:
    """Nothing is known yet."""
    c.rate = c.neutral_8h = math.nan
    c.interval_ns = c.time_ns = c.running_ns = 0
    held_init(c.premium_fast)
    held_init(c.premium_slow)


@kernel
def underlying_init(u: Record) -> None:
    """No distribution yet."""
    histogram_init(u.excess)
    histogram_init(u.premium)
    held_init(u.persist_long)
    held_init(u.persist_short)
    u.median_excess = math.nan


@kernel
def apr(rate: float, interval_ns: int) -> float:
    """Return the simple yearly rate; NaN when the interval is unknown.

    >>> round(apr(0.0001, 8 * 3600 * 10**9), 6), round(apr(0.0001, 4 * 3600 * 10**9), 6)
    (0.1095, 0.219)
    """
    if interval_ns <= 0:
        return math.nan
    return rate * YEAR_NS / interval_ns


@kernel
def plausible_interval(interval_ns: int) -> bool:
    """Return whether a funding interval can be true: unknown (0), or a minute to a month.

    >>> plausible_interval(0), plausible_interval(8 * 3600 * 10**9), plausible_interval(-1)
    (True, True, False)
    """
    return interval_ns == 0 or SHORTEST_NS <= interval_ns <= LONGEST_NS


@kernel
def apply(c: Record, flags: int, time_ns: int, rate: float, interval_ns: int) -> None:
    """Take a FUNDING row; an interval of 0 keeps the last known one.

    What was settled tells of the time before: it is the level only of a venue that sends no estimates.
    """
    if interval_ns > 0:
        c.interval_ns = interval_ns
    if not flags & SETTLED:
        c.running_ns = time_ns
    elif c.running_ns > 0 and time_ns - c.running_ns <= 2 * c.interval_ns:
        return
    c.rate = rate
    c.time_ns = time_ns


@kernel
def premium_bp(price: Record, time_ns: int, live: bool) -> float:
    """Return the perpetual's premium over the index in bp; NaN where either is missing.

    Live, the perpetual is its mid price where the venue sends one, else its last trade within 10 s;
    history has only its mark.
    """
    stale_ns = (60 if live else 7200) * NS_PER_S
    perpetual = math.nan
    if not live:
        perpetual = price.mark if time_ns - price.mark_ns <= stale_ns else math.nan
    elif time_ns - price.mid_ns <= stale_ns and price.mid == price.mid:
        perpetual = price.mid
    elif time_ns - price.trade_ns <= 10 * NS_PER_S:
        perpetual = price.trade
    if time_ns - price.index_ns > stale_ns:
        return math.nan
    return 1e4 * math.log(perpetual / price.index)


@kernel
def weighted_median(values: Record, weights: Record, count: int) -> float:
    """Return the lower weighted median of the first `count` values; NaN when there is no weight.

    >>> weighted_median(np.array([3.0, 1.0, 2.0]), np.array([1.0, 1.0, 1.0]), 3)
    2.0
    """
    total = 0.0
    for k in range(count):
        total += weights[k]
    best = math.nan
    for k in range(count):  # few venues: quadratic is cheaper than sorting
        below = 0.0
        for j in range(count):
            if values[j] < values[k] or (values[j] == values[k] and j <= k):
                below += weights[j]
        if below >= 0.5 * total and (best != best or values[k] < best):
            best = values[k]
    return best


@kernel
def aggregate(
    values: Record, weights: Record, scratch: Record, count: int
) -> tuple[float, float, float]:
    """Return weighted mean, weighted median and weighted median absolute deviation.

    >>> v, w = np.array([0.10, 0.20]), np.array([3.0, 1.0])
    >>> [round(x, 6) for x in aggregate(v, w, np.zeros(2), 2)]
    [0.125, 0.1, 0.0]
    """
    total = mean = 0.0
    for k in range(count):
        total += weights[k]
        mean += weights[k] * values[k]
    if total <= 0.0:
        return math.nan, math.nan, math.nan
    median = weighted_median(values, weights, count)
    for k in range(count):
        scratch[k] = abs(values[k] - median)
    return mean / total, median, weighted_median(scratch, weights, count)


@kernel
def advance_premium(
    contract: Record, time_ns: int, dt_s: float, live: bool, fast: float, slow: float
) -> None:
    """Let a contract's premium be seen by both memories, whose weights for `dt_s` are given."""
    c = contract.funding
    held_step(c.premium_fast, dt_s, fast)
    held_step(c.premium_slow, dt_s, slow)
    now = premium_bp(contract.price, time_ns, live)
    held_set(c.premium_fast, now)
    held_set(c.premium_slow, now)


@kernel
def known(c: Record, time_ns: int) -> bool:
    """Return whether the rate counts: its interval is known and it is no older than two intervals."""
    return c.interval_ns > 0 and c.rate == c.rate and time_ns - c.time_ns <= 2 * c.interval_ns


@kernel
def _weight(c: Record, equal: bool) -> float:
    """Return what a contract counts: its usual USD open interest."""
    if equal:
        return 1.0
    return c.weight.mean if c.weight.observed_s > 0.0 else 0.0


@kernel
def _none_weighs(contracts: Record, members: Record, count: int) -> bool:
    weighing = 0
    for k in range(count):
        weighing += 1 if contracts[members[k]].open_interest.weight.observed_s > 0.0 else 0
    return weighing == 0


@kernel
def tick(
    contracts: Record, members: Record, count: int, r: Record, time_ns: int, dt_s: float,
    live: bool, p: Record, work: Record,
) -> None:  # fmt: skip
    """Advance premia and aggregate the rates; writes the cross-venue readings."""
    weight = rated = premia = mean_apr = fast = slow = 0.0
    n = 0
    # Venues keep less history of open interest than of funding: before the first of it all weigh the same.
    equal = not live and _none_weighs(contracts, members, count)
    fast_weight = held_weight(dt_s, p.premium_fast_half_life_s)
    slow_weight = held_weight(dt_s, p.premium_half_life_s)
    for k in range(count):
        contract = contracts[members[k]]
        advance_premium(contract, time_ns, dt_s, live, fast_weight, slow_weight)
        c = contract.funding
        w = _weight(contract.open_interest, equal)
        weight += w
        if known(c, time_ns):
            yearly = apr(c.rate, c.interval_ns)
            work[0, n] = yearly - apr(c.neutral_8h, EIGHT_HOURS_NS)
            work[1, n] = w
            n += 1
            rated += w
            mean_apr += w * yearly
        if c.premium_fast.held == c.premium_fast.held:
            premia += w
            fast += w * c.premium_fast.mean
            slow += w * c.premium_slow.mean
    mean, median, dispersion = aggregate(work[0], work[1], work[2], n)
    coverage = rated / weight if weight > 0.0 else 0.0
    enough = coverage >= p.funding_coverage
    flags = (0 if coverage >= 0.999 else PARTIAL) | (
        DISAGREE if dispersion > 0.0 and abs(mean - median) > 3.0 * dispersion else 0
    )
    r.funding_apr.value = mean_apr / rated if enough and rated > 0.0 else math.nan
    r.funding_excess_apr.value = mean if enough else math.nan
    r.funding_median_apr.value = median if enough else math.nan
    r.funding_dispersion_apr.value = dispersion if enough else math.nan
    r.premium_bp.value = fast / premia if premia > 0.0 else math.nan
    r.premium_8h_bp.value = slow / premia if premia > 0.0 else math.nan
    r.funding_apr.coverage = r.funding_excess_apr.coverage = coverage
    r.funding_median_apr.coverage = r.funding_dispersion_apr.coverage = coverage
    r.funding_apr.quality = r.funding_excess_apr.quality = flags
    r.funding_median_apr.quality = r.funding_dispersion_apr.quality = flags
    share = premia / weight if weight > 0.0 else 0.0
    r.premium_bp.coverage = r.premium_8h_bp.coverage = share
    r.premium_bp.quality = r.premium_8h_bp.quality = 0 if share >= 0.999 else PARTIAL


@kernel
def stress(rank_funding: float, rank_premium: float, persist: float) -> float:
    """Return the index from its parts; a missing part is left out, all missing is NaN.

    >>> round(stress(1.0, 1.0, 1.0), 12), round(stress(0.5, math.nan, 0.5), 12)
    (1.0, 0.5)
    """
    total = weight = 0.0
    if rank_funding == rank_funding:
        total += 0.45 * rank_funding
        weight += 0.45
    if rank_premium == rank_premium:
        total += 0.35 * rank_premium
        weight += 0.35
    if persist == persist:
        total += 0.20 * persist
        weight += 0.20
    return total / weight if weight > 0.0 else math.nan


@kernel
def _persist(s: Record, excess: float, beyond: bool, dt_s: float, half_life_s: float) -> float:
    held_advance(s, dt_s, half_life_s)
    held_set(s, math.nan if excess != excess else (1.0 if beyond else 0.0))
    return s.mean if s.observed_s > 0.0 else math.nan


@kernel
def publish(u: Record, r: Record, dt_s: float, now_s: float, p: Record) -> None:
    """Rank the excess and the premium, and write the stress indices with their parts."""
    excess, slow = r.funding_excess_apr.value, r.premium_8h_bp.value
    half_life_s = p.funding_rank_half_life_s
    histogram_insert(u.excess, now_s, excess, dt_s, APR_SCALE, half_life_s)
    histogram_insert(u.premium, now_s, slow, dt_s, PREMIUM_SCALE, half_life_s)
    funding_warm = histogram_warm(u.excess, now_s, half_life_s, MIN_INSERTS)
    premium_warm = histogram_warm(u.premium, now_s, half_life_s, MIN_INSERTS)
    rank_f = histogram_rank(u.excess, excess, APR_SCALE)
    rank_p = histogram_rank(u.premium, slow, PREMIUM_SCALE)
    persist_long = _persist(
        u.persist_long, excess, excess > p.persist_apr, dt_s, p.persist_half_life_s
    )
    persist_short = _persist(
        u.persist_short, excess, excess < -p.persist_apr, dt_s, p.persist_half_life_s
    )
    r.funding_rank.value, r.premium_rank.value = rank_f, rank_p
    r.funding_rank.quality = r.funding_excess_apr.quality | (0 if funding_warm else WARMUP)
    r.premium_rank.quality = r.premium_8h_bp.quality | (0 if premium_warm else WARMUP)
    r.persist_long.value, r.persist_short.value = persist_long, persist_short
    u.median_excess = histogram_quantile(u.excess, 0.5, APR_SCALE)
    r.funding_excess_median_30d.value = u.median_excess
    r.funding_excess_median_30d.quality = 0 if funding_warm else WARMUP
    if not premium_warm:  # a rank among too few days is no rank: do without the part
        rank_p = math.nan
    long = stress(rank_f, rank_p, persist_long) if excess == excess else math.nan
    short = stress(1.0 - rank_f, 1.0 - rank_p, persist_short) if excess == excess else math.nan
    r.funding_stress_long.value, r.funding_stress_short.value = long, short
    quality = r.funding_rank.quality | (PARTIAL if rank_p != rank_p else 0)
    r.funding_stress_long.quality = r.funding_stress_short.quality = quality
    r.funding_stress_long.coverage = r.funding_excess_apr.coverage
    r.funding_stress_short.coverage = r.funding_excess_apr.coverage
