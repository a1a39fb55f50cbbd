"""Open interest over days: how much leverage has left, and whether that is much (method 2.5).

* `oi_change_7d`: matched panel as over the shorter windows, from one value each 3 h, so the window is 165 to
  168 hours; `oi_flow_usd_7d`: opened minus closed over the same time.
* `oi_drawdown_14d = Q / max(Q) - 1` on the panel-chained ``ln Q``, which neither price nor a venue that comes
  or goes can move. The highest of 14 days is exact, at an age that is known to 4 h.
* `oi_change_24h_sigma`: EW standard deviation of the 24-hour change, the unit of "a large drop".
"""

import math

import numpy as np

from streams.indicators.open_interest import sigma
from streams.kernels.extremes import highest, highest_init, highest_put, highest_ring
from streams.kernels.jit import NS_PER_S, Record, kernel
from streams.kernels.windows import level_at, level_init, level_put, level_ring
from streams.readings import Quality

PARTIAL, WARMUP = int(Quality.PARTIAL_COVERAGE), int(Quality.WARMUP)
WEEK_S = 7 * 86_400
STEP_S = 3 * 3600  # of the week's rings
PEAK_S = 4 * 3600  # of the highest of 14 days
BUCKETS = WEEK_S // STEP_S + 2
PEAKS = 14 * 86_400 // PEAK_S + 1

CONTRACT = level_ring(BUCKETS)  # coin, free of price
UNDERLYING = np.dtype([
    ("flow", level_ring(BUCKETS)),
    ("peak", highest_ring(PEAKS)),
    ("first_ns", "i8"),  # of the chained ln Q
])  # fmt: skip
READINGS = (
    ("oi_change_7d", "ratio", "matched-panel change of coin OI over 7 days"),
    ("oi_flow_usd_7d", "USD", "opened minus closed over 7 days, at the price of the time"),
    ("oi_drawdown_14d", "ratio", "coin OI below its highest of 14 days, 0 at the highest"),
    ("oi_change_24h_sigma", "ratio", "usual size of the 24-hour change of coin OI, EW standard deviation"),
)  # fmt: skip


@kernel
def contract_init(c: Record) -> None:
    """Nothing is known yet."""
    level_init(c)


@kernel
def underlying_init(u: Record) -> None:
    """Nothing is known yet."""
    level_init(u.flow)
    highest_init(u.peak)
    u.first_ns = 0


@kernel
def tick(
    u: Record, oi: Record, contracts: Record, members: Record, count: int, time_ns: int
) -> None:
    """Remember where everything stands; `oi` is the underlying's open interest, up to date."""
    second = time_ns // NS_PER_S
    for k in range(count):
        contract = contracts[members[k]]
        level_put(contract.deleveraging, second // STEP_S, contract.open_interest.tick_quantity)
    level_put(u.flow, second // STEP_S, oi.flow_cents)
    if oi.chained == 0:
        return
    if u.first_ns == 0:
        u.first_ns = time_ns
    if oi.mean.held == oi.mean.held:  # ln Q is known now, not only remembered
        highest_put(u.peak, second // PEAK_S, oi.log_oi)


@kernel
def week_change(
    contracts: Record, members: Record, count: int, time_ns: int
) -> tuple[float, float]:
    """Return the matched-panel change over 7 days and the share of weight the panel covers."""
    bucket = (time_ns // NS_PER_S - WEEK_S) // STEP_S
    old = gained = weight = covered = 0.0
    for k in range(count):
        contract = contracts[members[k]]
        held = contract.open_interest.weight
        w = held.mean if held.observed_s > 0.0 else 0.0
        weight += w
        then = level_at(contract.deleveraging, bucket)
        now = contract.open_interest.tick_quantity
        if then == then and now == now:
            covered += w
            old += then
            gained += now - then
    coverage = covered / weight if weight > 0.0 else 0.0
    return (gained / old if old > 0.0 else math.nan), coverage


@kernel
def drawdown(u: Record, oi: Record, time_ns: int) -> float:
    """Return how far open interest is below its highest of 14 days; NaN while it is not known."""
    peak = highest(u.peak, time_ns // NS_PER_S // PEAK_S)
    now = oi.log_oi if oi.mean.held == oi.mean.held and oi.chained > 0 else math.nan
    return math.expm1(now - peak)


@kernel
def publish(
    u: Record, oi: Record, contracts: Record, members: Record, count: int, r: Record, time_ns: int,
    p: Record,
) -> None:  # fmt: skip
    """Write the readings."""
    moved, covered = week_change(contracts, members, count, time_ns)
    r.oi_change_7d.value = moved if covered >= p.oi_panel_coverage else math.nan
    then = level_at(u.flow, (time_ns // NS_PER_S - WEEK_S) // STEP_S)
    r.oi_flow_usd_7d.value = (oi.flow_cents - then) / 100.0 if oi.coverage > 0.0 else math.nan
    r.oi_change_7d.coverage = r.oi_flow_usd_7d.coverage = covered
    r.oi_change_7d.quality = r.oi_flow_usd_7d.quality = 0 if covered >= 0.999 else PARTIAL
    known = oi.coverage >= p.oi_panel_coverage
    r.oi_drawdown_14d.value = drawdown(u, oi, time_ns) if known else math.nan
    warm = u.first_ns > 0 and time_ns - u.first_ns >= p.oi_warm_s * NS_PER_S
    r.oi_drawdown_14d.quality = (0 if warm else WARMUP) | (0 if oi.coverage >= 0.999 else PARTIAL)
    r.oi_change_24h_sigma.value = sigma(oi, 3)
    r.oi_drawdown_14d.coverage = r.oi_change_24h_sigma.coverage = oi.coverage
    r.oi_change_24h_sigma.quality = 0 if sigma(oi, 3) == sigma(oi, 3) else WARMUP
