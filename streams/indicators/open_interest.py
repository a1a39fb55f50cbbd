"""Open interest: how much is really at risk, in coin, with the price effect kept apart.

Definitions (method 2.1 to 2.5). One side is counted once; `q` is coin, `U` USD at the mark.

* Level: sums over venues whose last value is younger than the hold limit.
* Change over a window: matched panel, ``sum(q(t) - q(t-W)) / sum(q(t-W))`` over the venues known at both
  ends, so a venue that comes or goes contributes nothing; NaN below the panel coverage.
* Coin flow and price effect: each new value adds ``flow = Pbar * dq`` and ``effect = dU - flow`` with the
  midpoint price; both are summed in whole cents, so ``flow + effect = dU`` exactly. An inverse contract's
  flow is its change in contracts (USD), and its coin change is measured on contracts at the first price
  seen: a price move alone is no flow and no change, however long and whatever was missed.
* z-score: ``x = ln Q - EWmean_7d(ln Q)`` on the panel-chained ``ln Q``, robust over 30 days.
"""

import math

import numpy as np

from streams.kernels.decay import (
    HELD,
    held_advance,
    held_init,
    held_set,
    held_std,
    held_step,
    held_warm,
    held_weight,
)
from streams.kernels.histogram import (
    HISTOGRAM,
    histogram_init,
    histogram_insert,
    robust_z,
)
from streams.kernels.jit import NS_PER_S, Record, kernel
from streams.kernels.median import MEDIAN, median_init, median_update
from streams.kernels.path import PATH, path_at, path_init, path_put
from streams.readings import Quality

WARMUP = int(Quality.WARMUP)
PARTIAL = int(Quality.PARTIAL_COVERAGE)
STALE = int(Quality.STALE_INPUT)
MEDIAN_UPDATES = 3.0  # a value older than three usual intervals is no longer fresh
X_SCALE = 0.01  # a typical deviation of ln(OI), the histogram's unit

CONTRACT = np.dtype([
    ("quantity", "f8"), ("usd", "f8"), ("mark", "f8"), ("time_ns", "i8"),
    ("interval", MEDIAN),
    ("weight", HELD),  # EW mean of U, a day: what the venue counts in coverages
    ("anchor", "f8"),  # first mark: turns an inverse contract's USD into coin that price cannot move
    ("chained_quantity", "f8"),  # coin, free of price: what changes are measured on
    ("tick_quantity", "f8"),  # the same at the last tick, NaN if it was not known
    ("path", PATH),
])  # fmt: skip
UNDERLYING = np.dtype([
    ("log_oi", "f8"), ("chained", "i8"),
    ("mean", HELD),
    ("change", HELD, (4,)),  # 15m, 1h, 4h, 24h
    ("coverage", "f8"),
    ("flow_cents", "f8"), ("effect_cents", "f8"),
    ("deviations", HISTOGRAM),
    ("flow", PATH), ("effect", PATH),
])  # fmt: skip
WINDOWS = (("1m", 60), ("5m", 300), ("1h", 3600), ("4h", 14400), ("24h", 86400))
READINGS = (
    ("oi_coin", "coin", "open interest of all venues whose value is known, one side"),
    ("oi_usd", "USD", "the same at each venue's mark price; falls in every sell-off, for display"),
    *((f"oi_change_{name}", "ratio", f"matched-panel change of coin OI over {name}") for name, _ in WINDOWS),
    *((f"oi_flow_usd_{name}", "USD", f"opened minus closed over {name}, at the price of the time")
      for name, _ in WINDOWS),
    *((f"oi_price_effect_usd_{name}", "USD", f"change of USD OI over {name} that is only price")
      for name, _ in WINDOWS),
    ("oi_z", "robust sd", "deviation of ln(OI) from its 7-day mean against 30 days"),
)  # fmt: skip


@kernel
def contract_init(c: Record) -> None:
    """Nothing is known yet."""
    c.quantity = c.usd = c.mark = c.anchor = c.chained_quantity = c.tick_quantity = math.nan
    c.time_ns = 0
    median_init(c.interval)
    held_init(c.weight)
    path_init(c.path)


@kernel
def underlying_init(u: Record) -> None:
    """Sums start at zero, levels unknown."""
    u.log_oi = u.flow_cents = u.effect_cents = u.coverage = 0.0
    u.chained = 0
    held_init(u.mean)
    histogram_init(u.deviations)
    path_init(u.flow)
    path_init(u.effect)
    for w in range(4):
        held_init(u.change[w])


@kernel
def coin_flow_usd(
    q0: float, u0: float, p0: float, q1: float, u1: float, p1: float, inverse: bool
) -> float:
    """Return the USD that was opened minus closed: coin change at the midpoint price.

    The rest of ``u1 - u0`` is the price effect, ``(q0 + q1) / 2 * (p1 - p0)``.

    >>> coin_flow_usd(10.0, 1000.0, 100.0, 12.0, 1320.0, 110.0, False)
    210.0
    """
    if inverse:
        return u1 - u0
    return (p0 + p1) * 0.5 * (q1 - q0)


@kernel
def apply(
    u: Record, c: Record, time_ns: int, quantity: float, usd: float, mark: float, inverse: bool,
    hold_ns: int,
) -> None:  # fmt: skip
    """Take an OPEN_INTEREST row already valued at `mark`; all NaN-free, `time_ns` not before the last."""
    if c.anchor != c.anchor:
        c.anchor = mark
    c.chained_quantity = usd / c.anchor if inverse else quantity
    if c.time_ns > 0 and time_ns - c.time_ns <= hold_ns:
        flow = coin_flow_usd(c.quantity, c.usd, c.mark, quantity, usd, mark, inverse)
        flow_cents = np.rint(flow * 100.0)
        u.flow_cents += flow_cents
        u.effect_cents += np.rint(usd * 100.0) - np.rint(c.usd * 100.0) - flow_cents
    if c.time_ns > 0 and time_ns > c.time_ns:
        median_update(c.interval, (time_ns - c.time_ns) / NS_PER_S)
    c.quantity, c.usd, c.mark, c.time_ns = quantity, usd, mark, time_ns


@kernel
def fresh(c: Record, time_ns: int, floor_s: float, hold_s: float) -> bool:
    """Return whether the venue's value is as recent as it usually is, and known at all."""
    if c.time_ns == 0:
        return False
    limit = max(MEDIAN_UPDATES * c.interval.value if c.interval.count >= 3.0 else 0.0, floor_s)
    return (time_ns - c.time_ns) / NS_PER_S <= min(limit, hold_s)


@kernel
def tick(
    u: Record, contracts: Record, members: Record, count: int, time_ns: int, dt_s: float, p: Record
) -> None:
    """Advance levels, weights and the chained ``ln Q`` to `time_ns`."""
    before = after = weight = covered = 0.0
    a = held_weight(dt_s, 86400.0)
    for k in range(count):
        c = contracts[members[k]].open_interest
        held_step(c.weight, dt_s, a)
        is_fresh = fresh(c, time_ns, p.oi_fresh_floor_s, p.oi_hold_s)
        quantity = c.chained_quantity if is_fresh else math.nan
        if is_fresh and c.usd == c.usd:
            held_set(c.weight, c.usd)
        w = c.weight.mean if c.weight.observed_s > 0.0 else 0.0
        weight += w
        if is_fresh:
            covered += w
            if c.tick_quantity == c.tick_quantity:
                before += c.tick_quantity
                after += quantity
        c.tick_quantity = quantity
        path_put(c.path, time_ns, quantity)
    u.coverage = covered / weight if weight > 0.0 else 0.0
    if before > 0.0 and after > 0.0:
        u.log_oi += math.log(after / before)
        u.chained = 1
    path_put(u.flow, time_ns, u.flow_cents)
    path_put(u.effect, time_ns, u.effect_cents)
    held_advance(u.mean, dt_s, p.oi_mean_half_life_s)
    held_set(u.mean, u.log_oi if before > 0.0 else math.nan)


@kernel
def panel_change(
    contracts: Record, members: Record, count: int, time_ns: int, window_s: int
) -> tuple[float, float]:
    """Return the matched-panel change over the window and the share of weight the panel covers."""
    old = gained = weight = covered = 0.0
    for k in range(count):
        c = contracts[members[k]].open_interest
        w = c.weight.mean if c.weight.observed_s > 0.0 else 0.0
        weight += w
        then = path_at(c.path, time_ns, window_s)
        now = c.tick_quantity
        if then == then and now == now:
            covered += w
            old += then
            gained += now - then
    coverage = covered / weight if weight > 0.0 else 0.0
    return (gained / old if old > 0.0 else math.nan), coverage


@kernel
def _publish_window(
    u: Record, contracts: Record, members: Record, count: int, time_ns: int, window_s: int,
    p: Record, change: Record, flow: Record, effect: Record,
) -> None:  # fmt: skip
    moved, coverage = panel_change(contracts, members, count, time_ns, window_s)
    change.value = moved if coverage >= p.oi_panel_coverage else math.nan
    change.coverage = flow.coverage = effect.coverage = coverage
    change.quality = 0 if coverage >= 0.999 else PARTIAL
    flow.quality = effect.quality = change.quality
    observed = u.coverage > 0.0  # nothing flowing is not the same as nothing seen
    flow_cents, effect_cents = (
        path_at(u.flow, time_ns, window_s),
        path_at(u.effect, time_ns, window_s),
    )
    flow.value = (u.flow_cents - flow_cents) / 100.0 if observed else math.nan
    effect.value = (u.effect_cents - effect_cents) / 100.0 if observed else math.nan


@kernel
def _publish_level(
    contracts: Record, members: Record, count: int, time_ns: int, hold_ns: int, r: Record
) -> None:
    quantity = usd = 0.0
    known = stale = 0
    for k in range(count):
        c = contracts[members[k]].open_interest
        if c.time_ns > 0 and time_ns - c.time_ns <= hold_ns:
            quantity += c.quantity
            usd += c.usd
            known += 1
        elif c.time_ns > 0:
            stale += 1
    r.oi_coin.value = quantity if known > 0 else math.nan
    r.oi_usd.value = usd if known > 0 else math.nan
    r.oi_coin.quality = r.oi_usd.quality = STALE if stale > 0 else 0


@kernel
def publish(
    u: Record, contracts: Record, members: Record, count: int, r: Record, time_ns: int,
    dt_s: float, now_s: float, p: Record,
) -> None:  # fmt: skip
    """Write all open-interest readings."""
    hold_ns = int(p.oi_hold_s * NS_PER_S)
    _publish_level(contracts, members, count, time_ns, hold_ns, r)
    r.oi_coin.coverage = r.oi_usd.coverage = u.coverage
    _publish_window(u, contracts, members, count, time_ns, 60, p,
                    r.oi_change_1m, r.oi_flow_usd_1m, r.oi_price_effect_usd_1m)  # fmt: skip
    _publish_window(u, contracts, members, count, time_ns, 300, p,
                    r.oi_change_5m, r.oi_flow_usd_5m, r.oi_price_effect_usd_5m)  # fmt: skip
    _publish_window(u, contracts, members, count, time_ns, 3600, p,
                    r.oi_change_1h, r.oi_flow_usd_1h, r.oi_price_effect_usd_1h)  # fmt: skip
    _publish_window(u, contracts, members, count, time_ns, 14400, p,
                    r.oi_change_4h, r.oi_flow_usd_4h, r.oi_price_effect_usd_4h)  # fmt: skip
    _publish_window(u, contracts, members, count, time_ns, 86400, p,
                    r.oi_change_24h, r.oi_flow_usd_24h, r.oi_price_effect_usd_24h)  # fmt: skip
    x = u.log_oi - u.mean.mean if u.coverage >= p.oi_panel_coverage and u.chained > 0 else math.nan
    histogram_insert(u.deviations, now_s, x, dt_s, X_SCALE, p.oi_rank_half_life_s)
    r.oi_z.value = math.nan if x != x else robust_z(u.deviations, x, p.oi_z_floor, X_SCALE)
    r.oi_z.coverage = u.coverage
    warm = u.deviations.inserts >= 200.0 and now_s - u.deviations.first_s >= p.oi_warm_s
    r.oi_z.quality = 0 if warm else WARMUP


@kernel
def learn_sizes(
    u: Record, contracts: Record, members: Record, count: int, r: Record, time_ns: int,
    dt_s: float, p: Record,
) -> None:  # fmt: skip
    """Let the typical size of the coin change over 15m, 1h, 4h and 24h learn (EW standard deviation).

    To be called after `publish`, whose changes it takes.
    """
    moved, coverage = panel_change(contracts, members, count, time_ns, 900)
    quarter = moved if coverage >= p.oi_panel_coverage else math.nan
    changes = (quarter, r.oi_change_1h.value, r.oi_change_4h.value, r.oi_change_24h.value)
    a = held_weight(dt_s, p.sigma_half_life_s)
    for w in range(4):
        held_step(u.change[w], dt_s, a)
        held_set(u.change[w], changes[w])


@kernel
def sigma(u: Record, w: int) -> float:
    """Return the typical size of the coin change over window `w`; NaN before two days were seen."""
    if not held_warm(u.change[w], 86400.0):
        return math.nan
    return held_std(u.change[w])
