"""Price impact of forced orders: how many bp the index goes on moving against them, per million USD.

Every five seconds of log time are a bin (method 8.4). The index return from the bin's middle to its end is
regressed, with exponential forgetting, on what takers and forced orders did in its first two seconds:

    r [bp] = a * perpetual takers + b * spot takers - kappa_long * forced longs + kappa_short * forced shorts

Flows are in million USD, takers' as bought less sold. Forced orders are taker orders, so they are taken out
of the takers' flow, once. Two more regressors are what was forced in the three seconds before the bin: its
effect is partly still to come, and orders that follow from it would be credited with it. Only complete feeds
tell of forced orders; what they print is divided by their share of open interest, or orders nobody saw, which
come at the same moments, would count as their impact.

What is identified. A falling price forces orders within the same seconds, so flow and return of the same
moment cannot be told apart and are not compared: flow strictly precedes the return. Orders that price
moves cause then leave no trace in kappa (a regression on whole bins takes them for impact). What an order
does to the index before the bin's middle is missed, so kappa errs low: all is caught of an index that takes
an order in two to three seconds later, none of one that moves at once, but for what the orders that follow
do. Two seconds, not three, because the nearer an order is to the middle, the more of its effect is still to
come.

Two minutes on either side of every whole hour are left out: funding is settled there, at some venue each
hour, and the traffic of settlements is no impact. Bins in which a feed was down or the price unknown, or that
no tick bounds or halves, add nothing, and time without any fades what was learnt.

Memories: 2 hours, which follows the depth of the book, and 7 days, which has seen earlier cascades. `events`
is the participation ratio of a regressor, ``sum(x^2)^2 / sum(x^4)`` under the weights: how many equally large
flows would say as much; as sizes go, a hundred orders are worth about ten. Below `impact_events` of them a
kappa is WARMUP and nothing else rests on it. The errors allow for uneven noise; autocorrelation of residuals
is ignored, see `streams.kernels.wls`.

Who builds on it. The loop gain is about now and takes the 2-hour kappa, the 7-day one where two hours saw too
few orders, as at the onset of a cascade. R0 of the heatmap and what a burst is expected to move take the
7-day one: they are held against the present, and must not have learnt from it.

The twin in square-root form has each flow as ``sigma * sign(q) * sqrt(|q| / V)`` with a day's standard
deviation and a day's volume of perpetuals, memory 7 days: its coefficients are pure numbers near one where
the law holds.
"""

import math

import numpy as np

from streams.events import Flag
from streams.groups import Group
from streams.kernels.average import AVERAGE, average, average_init, average_step
from streams.kernels.decay import decay
from streams.kernels.jit import NS_PER_S, Record, kernel
from streams.kernels.wls import wls_add, wls_fade, wls_init, wls_record, wls_solve
from streams.readings import Quality

MODELLED, WARMUP = int(Quality.MODELLED), int(Quality.WARMUP)
PARTIAL = int(Quality.PARTIAL_COVERAGE)
SAMPLED, INCOMPLETE = int(Flag.SAMPLED), int(Flag.SAMPLED | Flag.PARTIAL)
OFFSHORE, ONCHAIN = int(Group.OFFSHORE_PERP), int(Group.ONCHAIN_PERP)
SPOT_US, SPOT_OFFSHORE = int(Group.SPOT_US), int(Group.SPOT_OFFSHORE)
BIN_NS, MIDDLE_NS = 5 * NS_PER_S, 2 * NS_PER_S
HOUR_S, DAY_S = 3600.0, 86_400.0
RIDGE = 1e-6
FEW_BINS = 24.0  # fewer are not worth a solution
TERMS, TOLD = 6, 4  # regressors, and those that are published
PERP, SPOT, LONG, SHORT, LONG_BEFORE, SHORT_BEFORE = range(TERMS)

WLS = wls_record(TERMS)
MEMORY = np.dtype([
    ("fit", WLS), ("fourth", "f8", (TERMS,)), ("events", "f8", (TERMS,)),  # EW sums of x^4
    ("theta", "f8", (TOLD,)), ("error", "f8", (TOLD,)),
])  # fmt: skip
UNDERLYING = np.dtype([
    ("printed", "f8", (2,)), ("complete", "f8", (2,)),  # cumulative USD of orders seen, by side
    ("memories", MEMORY, (3,)),  # 2 h, 7 d, and 7 d of the square-root form
    ("start", "f8", (TERMS,)), ("flow", "f8", (TERMS,)),  # USD: cumulative at the start; of the first half
    ("start_ns", "i8"), ("middle_ns", "i8"), ("middle_log", "f8"), ("clean", "i8"),
    ("volume", AVERAGE), ("traded", "f8"),  # USD/s of perpetuals; cumulative at the last tick
    ("told_ns", "i8"), ("solved_ns", "i8"), ("coverage", "f8"),
])  # fmt: skip
FAST, BASE, ROOT = range(3)
UNIT = "bp/million USD"
SIDES = ("long", "short")
READINGS = (
    *((f"kappa_{side}", UNIT, f"index move against {side}s that follows their forced orders, 2 h memory")
      for side in SIDES),
    *((f"kappa_se_{side}", UNIT, "its standard error") for side in SIDES),
    *((f"kappa_base_{side}", UNIT, "the same with a memory of 7 days") for side in SIDES),
    *((f"kappa_base_se_{side}", UNIT, "its standard error") for side in SIDES),
    ("impact_taker_perp", UNIT, "index move that follows buying of perpetuals by free takers, 2 h memory"),
    ("impact_taker_perp_se", UNIT, "its standard error"),
    ("impact_taker_spot", UNIT, "index move that follows buying of spot by takers, 2 h memory"),
    ("impact_taker_spot_se", UNIT, "its standard error"),
    *((f"impact_root_{side}", "ratio", f"forced {side}s' impact over sigma * sqrt(flow / volume), 7 d memory")
      for side in SIDES),
    *((f"impact_root_se_{side}", "ratio", "its standard error") for side in SIDES),
)  # fmt: skip


@kernel
def underlying_init(u: Record) -> None:
    """No flow and no bin yet."""
    u.start_ns = u.middle_ns = u.clean = u.told_ns = u.solved_ns = 0
    u.traded = u.coverage = 0.0
    u.middle_log = math.nan
    average_init(u.volume)
    for k in range(2):
        u.printed[k] = u.complete[k] = 0.0
    for m in range(3):
        s = u.memories[m]
        wls_init(s.fit)
        for k in range(TOLD):
            s.theta[k] = s.error[k] = math.nan
        for k in range(TERMS):
            s.fourth[k] = s.events[k] = u.start[k] = u.flow[k] = 0.0


@kernel
def apply(u: Record, side: int, flags: int, usd: float) -> None:
    """Take a print of a forced order of `side` (0 long, 1 short)."""
    if not flags & SAMPLED:
        u.printed[side] += usd
    if not flags & INCOMPLETE:
        u.complete[side] += usd


@kernel
def settling(time_ns: int, mask_s: float) -> bool:
    """Return whether a whole hour, at which funding is settled somewhere, is near.

    >>> [settling((3600 + s) * NS_PER_S, 120.0) for s in (-121, -120, 0, 119, 120)]
    [False, True, True, True, False]
    """
    into_s = time_ns / NS_PER_S % HOUR_S
    return bool(into_s < mask_s or into_s >= HOUR_S - mask_s)


@kernel
def perp_net(taker_usd: Record) -> float:
    """Return what takers of perpetuals bought less what they sold, cumulative USD."""
    offshore, onchain = taker_usd[OFFSHORE], taker_usd[ONCHAIN]
    return offshore[0] - offshore[1] + onchain[0] - onchain[1]


@kernel
def spot_net(taker_usd: Record) -> float:
    """Return what takers of spot bought less what they sold, cumulative USD."""
    us, offshore = taker_usd[SPOT_US], taker_usd[SPOT_OFFSHORE]
    return us[0] - us[1] + offshore[0] - offshore[1]


@kernel
def _begin(u: Record, taker_usd: Record, covered: float, follows: bool, time_ns: int) -> None:
    """Begin a bin; what was forced since the last one's middle is known if it `follows` a whole one."""
    u.start_ns = time_ns
    u.start[PERP], u.start[SPOT] = perp_net(taker_usd), spot_net(taker_usd)
    u.start[LONG], u.start[SHORT] = u.complete[0], u.complete[1]
    long, short = u.complete[0] - u.start[LONG_BEFORE], u.complete[1] - u.start[SHORT_BEFORE]
    u.flow[LONG_BEFORE] = -long / covered if follows else math.nan
    u.flow[SHORT_BEFORE] = short / covered if follows else math.nan


@kernel
def _halve(u: Record, taker_usd: Record, log_price: float, covered: float, time_ns: int) -> None:
    """Note the first half's flows; signed so that all four coefficients are moves with the flow."""
    u.middle_ns, u.middle_log = time_ns, log_price
    long, short = u.complete[0] - u.start[LONG], u.complete[1] - u.start[SHORT]
    u.flow[PERP] = perp_net(taker_usd) - u.start[PERP] + long - short
    u.flow[SPOT] = spot_net(taker_usd) - u.start[SPOT]
    u.flow[LONG], u.flow[SHORT] = -long / covered, short / covered
    u.start[LONG_BEFORE], u.start[SHORT_BEFORE] = u.complete[0], u.complete[1]


@kernel
def _tell(s: Record, x: Record, y: float, since_s: float, half_life_s: float) -> None:
    g = decay(since_s, half_life_s)
    wls_fade(s.fit, g)
    wls_add(s.fit, x, y, 1.0)
    for k in range(TERMS):
        s.fourth[k] = s.fourth[k] * g * g + x[k] * x[k] * x[k] * x[k]


@kernel
def _end(u: Record, log_price: float, sigma_bp: float, time_ns: int, p: Record) -> None:
    """Take a whole bin, if what was forced just before it is known."""
    y = (log_price - u.middle_log) * 1e4
    if u.flow[LONG_BEFORE] != u.flow[LONG_BEFORE]:
        return
    since_s = (time_ns - u.told_ns) / NS_PER_S if u.told_ns > 0 else 0.0
    u.told_ns = time_ns
    x = np.empty(TERMS)
    for k in range(TERMS):
        x[k] = u.flow[k] / 1e6
    _tell(u.memories[FAST], x, y, since_s, p.impact_memory_s)
    _tell(u.memories[BASE], x, y, since_s, p.impact_base_memory_s)
    volume = average(u.volume) * DAY_S
    if not (sigma_bp > 0.0 and volume > 0.0):
        return
    for k in range(TERMS):
        x[k] = math.copysign(sigma_bp * math.sqrt(abs(u.flow[k]) / volume), u.flow[k])
    _tell(u.memories[ROOT], x, y, since_s, p.impact_base_memory_s)


@kernel
def _solve(s: Record, p: Record) -> None:
    """Write down what a memory says.

    A coefficient that few flows stand behind makes no forecasts: the first order would settle it, and the
    error at the next would stay in the standard errors for as long as the memory.
    """
    if s.fit.weight < FEW_BINS:
        return
    theta, covariance = np.empty(TERMS), np.empty((TERMS, TERMS))
    wls_solve(s.fit, RIDGE, theta, covariance)
    for k in range(TERMS):
        square = s.fit.g[k, k] * s.fit.g[k, k]
        s.events[k] = square / s.fourth[k] if s.fourth[k] > 0.0 else 0.0
        if s.events[k] < p.impact_events:
            s.fit.theta[k] = 0.0
    for k in range(TOLD):
        s.theta[k], s.error[k] = theta[k], math.sqrt(covariance[k, k])


@kernel
def tick(
    u: Record, taker_usd: Record, log_price: float, sigma_bp: float, covered: float, observed: bool,
    time_ns: int, dt_s: float, p: Record,
) -> None:  # fmt: skip
    """Follow the bins.

    Args:
        u: the underlying's record.
        taker_usd: cumulative taker USD by group, then bought and sold.
        log_price: the chained log price of the index, NaN while unknown.
        sigma_bp: a day's standard deviation of the price, NaN while unknown.
        covered: share of open interest whose forced orders are all seen.
        observed: whether those feeds, and enough of the trades, are live.
        time_ns: the tick.
        dt_s: seconds since the last tick.
        p: parameters.
    """
    total = taker_usd[OFFSHORE].sum() + taker_usd[ONCHAIN].sum()
    known = observed and dt_s > 0.0
    average_step(u.volume, (total - u.traded) / dt_s if known else math.nan, dt_s, DAY_S)
    u.traded, u.coverage = total, covered
    blind = not (observed and covered > 0.0) or log_price != log_price
    if blind or settling(time_ns, p.settlement_mask_s):
        u.clean = 0
    elif time_ns % BIN_NS == MIDDLE_NS and u.start_ns == time_ns - MIDDLE_NS:
        _halve(u, taker_usd, log_price, covered, time_ns)
    elif time_ns % BIN_NS == 0:
        whole = u.start_ns == time_ns - BIN_NS and u.middle_ns == u.start_ns + MIDDLE_NS
        whole = whole and u.clean == 1
        if whole:
            _end(u, log_price, sigma_bp, time_ns, p)
        u.clean = 1
        _begin(u, taker_usd, covered, whole, time_ns)
    if u.told_ns == time_ns and time_ns - u.solved_ns >= p.impact_solve_s * NS_PER_S:
        u.solved_ns = time_ns
        for m in range(3):
            _solve(u.memories[m], p)


@kernel
def _memory_s(m: int, p: Record) -> float:
    return p.impact_memory_s if m == FAST else p.impact_base_memory_s


@kernel
def _fresh(u: Record, m: int, time_ns: int, p: Record) -> bool:
    """Return whether something was told within the memory."""
    return u.told_ns > 0 and time_ns - u.told_ns <= _memory_s(m, p) * NS_PER_S


@kernel
def kappa(u: Record, m: int, side: int, time_ns: int, p: Record) -> tuple[float, float]:
    """Return bp per million USD of a side and its error, for others to build on; NaN until it is warm."""
    s, k = u.memories[m], LONG + side
    if not (s.events[k] >= p.impact_events and _fresh(u, m, time_ns, p)):
        return math.nan, math.nan
    return s.theta[k], s.error[k]


@kernel
def present_kappa(u: Record, side: int, time_ns: int, p: Record) -> tuple[float, float]:
    """Return the 2 h kappa of a side and its error, those of 7 days where two hours saw too little."""
    fast, error = kappa(u, FAST, side, time_ns, p)
    if fast == fast:
        return fast, error
    return kappa(u, BASE, side, time_ns, p)


@kernel
def _write(
    u: Record, m: int, k: int, time_ns: int, p: Record, value: Record, error: Record
) -> None:
    s = u.memories[m]
    flags = MODELLED if s.events[k] >= p.impact_events else MODELLED | WARMUP
    if u.coverage < 0.999:
        flags |= PARTIAL
    fresh = _fresh(u, m, time_ns, p)
    value.value, error.value = (s.theta[k], s.error[k]) if fresh else (math.nan, math.nan)
    value.quality = error.quality = flags
    value.coverage = error.coverage = u.coverage


@kernel
def publish(u: Record, r: Record, time_ns: int, p: Record) -> None:
    """Write the readings as of the last solution."""
    _write(u, FAST, LONG, time_ns, p, r.kappa_long, r.kappa_se_long)
    _write(u, FAST, SHORT, time_ns, p, r.kappa_short, r.kappa_se_short)
    _write(u, BASE, LONG, time_ns, p, r.kappa_base_long, r.kappa_base_se_long)
    _write(u, BASE, SHORT, time_ns, p, r.kappa_base_short, r.kappa_base_se_short)
    _write(u, FAST, PERP, time_ns, p, r.impact_taker_perp, r.impact_taker_perp_se)
    _write(u, FAST, SPOT, time_ns, p, r.impact_taker_spot, r.impact_taker_spot_se)
    _write(u, ROOT, LONG, time_ns, p, r.impact_root_long, r.impact_root_se_long)
    _write(u, ROOT, SHORT, time_ns, p, r.impact_root_short, r.impact_root_se_short)
