"""Absorption: did spot buyers take what was sold by force, and did the price hold (method 8.3)?

For each burst and side, from its start to ten minutes after its end (or to the next burst of the side):

* ``absorbed_flow = net spot taker buys / forced sales``, USD, clipped to [-1, 2];
* ``absorbed_price = 1 - drop / expected drop``, clipped to [-1, 1]: the furthest the index went from where
  it was before the burst, over ``kappa * forced sales`` with the 7-day kappa as it stood before the burst;
* ``retracement_*``: how much of that drop had been made good 30 and 120 minutes after the end, 1 for all of
  it, clipped to [-1, 2].

For shorts it is net spot sales, forced purchases and a rise. Only the three together are called absorption.
Forced USD are those of the market: printed by feeds that print all, corrected for sampled ones, over the
share of open interest that is covered. Where half of the spot feeds, or liquidation feeds for two fifths of
the market, were down on average over the window, flow and price are unknown. A 7-day kappa, because one of
two hours has seldom seen a burst before this one.

What is said of the last two bursts is forgotten a day after they ended. `absorbed_flow_ew` remembers all,
with a half-life of a week.
"""

import math

import numpy as np

from streams.indicators.impact import spot_net
from streams.kernels.decay import decay
from streams.kernels.jit import NS_PER_S, Record, kernel
from streams.readings import Quality

MODELLED, WARMUP = int(Quality.MODELLED), int(Quality.WARMUP)
CORRECTED, PARTIAL = int(Quality.CORRECTED), int(Quality.PARTIAL_COVERAGE)
IDLE = 0  # of streams.indicators.bursts
DAY_NS = 86_400 * NS_PER_S
PATIENCE_NS = 60 * NS_PER_S  # for a price that is unknown when a retracement is due
FEW = 3.0  # bursts; the mean of fewer is WARMUP

WINDOW = np.dtype([
    ("number", "i8"), ("open", "i8"), ("end_ns", "i8"),  # the burst's; its end once it is over
    ("log_start", "f8"), ("against", "f8"),  # ln price before; furthest move against the side
    ("kappa", "f8"), ("forced", "f8"), ("taken", "f8"),  # USD forced, and taken by spot takers
    ("seen_s", "f8"), ("spot_s", "f8"), ("feeds_s", "f8"),  # seconds; weighted with coverage
    ("share", "f8"),  # absorbed so far
])  # fmt: skip
PAST = np.dtype([
    ("end_ns", "i8"), ("flow", "f8"), ("price", "f8"), ("coverage", "f8"),
    ("log_start", "f8"), ("against", "f8"), ("retraced", "f8", (2,)), ("due", "i8", (2,)),
])  # fmt: skip
SIDE = np.dtype([
    ("window", WINDOW), ("past", PAST, (2,)),  # the last finished burst first
    ("flow_sum", "f8"), ("flow_weight", "f8"), ("flow_ns", "i8"),
])  # fmt: skip
UNDERLYING = np.dtype([
    ("sides", SIDE, (2,)),
    ("log", "f8"), ("spot", "f8"), ("printed", "f8", (2,)), ("kappa", "f8", (2,)),  # last tick's
])  # fmt: skip


def _of(side: str) -> tuple[tuple[str, str, str], ...]:
    bought, price = ("bought", "drop") if side == "long" else ("sold", "rise")
    return (
        (
            f"absorbed_flow_{side}",
            "ratio",
            f"last burst: net {bought} by spot takers over USD forced",
        ),
        (
            f"absorbed_price_{side}",
            "ratio",
            f"last burst: part of the expected {price} that did not come",
        ),
        (
            f"retracement_30m_{side}",
            "ratio",
            f"part of its {price} made good 30 minutes after its end",
        ),
        (f"retracement_120m_{side}", "ratio", "the same after 120 minutes"),
        (f"absorbed_flow_2_{side}", "ratio", "mean over the last two bursts of 24 hours"),
        (f"absorbed_price_2_{side}", "ratio", "mean over the last two bursts of 24 hours"),
        (f"absorbed_flow_ew_{side}", "ratio", "mean over bursts, half-life a week"),
    )


READINGS = (*_of("long"), *_of("short"))


@kernel
def _past_init(s: Record) -> None:
    s.end_ns = s.due[0] = s.due[1] = 0
    s.flow = s.price = s.coverage = s.log_start = math.nan
    s.against = s.retraced[0] = s.retraced[1] = math.nan


@kernel
def _window_init(w: Record, number: int, log_start: float, kappa: float) -> None:
    w.number, w.open, w.end_ns = number, 1, 0
    w.log_start, w.kappa, w.share = log_start, kappa, math.nan
    w.against = w.forced = w.taken = w.seen_s = w.spot_s = w.feeds_s = 0.0


@kernel
def underlying_init(u: Record) -> None:
    """No burst yet."""
    u.log = math.nan
    u.spot = 0.0
    for k in range(2):
        s = u.sides[k]
        _window_init(s.window, 0, math.nan, math.nan)
        s.window.open = 0
        _past_init(s.past[0])
        _past_init(s.past[1])
        s.flow_sum = s.flow_weight = u.printed[k] = 0.0
        s.flow_ns = 0
        u.kappa[k] = math.nan


@kernel
def absorbed_flow(w: Record, p: Record) -> float:
    """Return the share of a window's forced USD that spot takers took; NaN where too little was seen."""
    known = w.spot_s >= p.spot_coverage * w.seen_s and w.feeds_s >= p.score_coverage * w.seen_s
    if not (known and w.seen_s > 0.0 and w.forced > 0.0):
        return math.nan
    return min(max(w.taken / w.forced, -1.0), 2.0)


@kernel
def absorbed_price(w: Record, p: Record) -> float:
    """Return the part of the expected move that did not come; NaN where kappa is unknown or not positive."""
    expected = w.kappa * w.forced / 1e6
    flow = absorbed_flow(w, p)
    if flow != flow or not expected > 0.0 or w.log_start != w.log_start:
        return math.nan
    return min(max(1.0 - w.against * 1e4 / expected, -1.0), 1.0)


@kernel
def _keep(s: Record, p: Record) -> None:
    """Move the last burst one back and put the window's in its place."""
    last, before, w = s.past[0], s.past[1], s.window
    before.end_ns, before.flow, before.price = last.end_ns, last.flow, last.price
    before.coverage, before.log_start, before.against = last.coverage, last.log_start, last.against
    last.end_ns, last.flow, last.price = w.end_ns, absorbed_flow(w, p), absorbed_price(w, p)
    last.coverage = w.spot_s / w.seen_s if w.seen_s > 0.0 else math.nan
    last.log_start, last.against = w.log_start, w.against
    for j in range(2):
        before.retraced[j], before.due[j] = last.retraced[j], last.due[j]
        last.retraced[j], last.due[j] = math.nan, 1


@kernel
def _close(s: Record, time_ns: int, p: Record) -> None:
    w = s.window
    if w.end_ns == 0:
        w.end_ns = time_ns
    w.open = 0
    _keep(s, p)
    flow = s.past[0].flow
    if flow != flow:
        return
    g = decay((time_ns - s.flow_ns) / NS_PER_S, p.absorption_half_life_s)
    s.flow_sum, s.flow_weight = s.flow_sum * g + flow, s.flow_weight * g + 1.0
    s.flow_ns = time_ns


@kernel
def _retrace(s: Record, sign: float, log_price: float, time_ns: int) -> None:
    """Note how far the price has come back, when that is due."""
    for i in range(2):
        old = s.past[i]
        for j in range(2):
            late_ns = time_ns - old.end_ns - (1800, 7200)[j] * NS_PER_S
            if old.due[j] == 0 or late_ns < 0 or (log_price != log_price and late_ns < PATIENCE_NS):
                continue
            old.due[j] = 0
            if log_price == log_price and late_ns <= PATIENCE_NS and old.against > 0.0:
                back = 1.0 - sign * (old.log_start - log_price) / old.against
                old.retraced[j] = min(max(back, -1.0), 2.0)


@kernel
def _gather(
    w: Record, sign: float, forced: float, taken: float, log_price: float, spot: float, feeds: float,
    dt_s: float,
) -> None:  # fmt: skip
    w.seen_s += dt_s
    w.spot_s += spot * dt_s if spot == spot else 0.0
    w.feeds_s += feeds * dt_s
    w.taken += sign * taken
    w.forced += forced
    move = sign * (w.log_start - log_price)
    w.against = max(w.against, move if move == move else 0.0)


@kernel
def _side(
    s: Record, b: Record, sign: float, forced: float, taken: float, log_before: float, kappa: float,
    log_price: float, spot: float, feeds: float, time_ns: int, dt_s: float, p: Record,
) -> None:  # fmt: skip
    w = s.window
    if b.number != w.number:
        if w.open == 1:
            _close(s, time_ns, p)
        _window_init(w, b.number, log_before, kappa)
    if w.open == 1:
        _gather(w, sign, forced, taken, log_price, spot, feeds, dt_s)
        w.share = absorbed_flow(w, p)
        w.end_ns = b.end_ns if b.phase == IDLE else 0
        if b.phase == IDLE and time_ns - w.end_ns >= p.absorption_after_s * NS_PER_S:
            _close(s, time_ns, p)
    _retrace(s, sign, log_price, time_ns)


@kernel
def tick(
    u: Record, burst: Record, taker_usd: Record, printed: Record, hidden: tuple[float, float],
    kappas: tuple[float, float], log_price: float, spot: float, feeds: float, time_ns: int,
    dt_s: float, p: Record,
) -> None:  # fmt: skip
    """Follow both sides' windows; to be called after the bursts have taken their step.

    Args:
        u: the underlying's record.
        burst: both sides' bursts.
        taker_usd: cumulative taker USD by group, then bought and sold.
        printed: cumulative USD of forced orders by side, from feeds that print all.
        hidden: corrected USD/s of sampled feeds, by side.
        kappas: bp per million USD by side, NaN while unknown.
        log_price: the chained log price of the index, NaN while unknown.
        spot: share of spot markets whose trades are coming, NaN without any.
        feeds: share of open interest whose liquidation feeds are up.
        time_ns: the tick.
        dt_s: seconds since the last tick.
        p: parameters.
    """
    net = spot_net(taker_usd)
    for k in range(2):
        sign = 1.0 if k == 0 else -1.0
        usd = printed[k] - u.printed[k] + hidden[k] * dt_s
        forced = usd / feeds if feeds > 0.0 else 0.0
        _side(
            u.sides[k], burst[k], sign, forced, net - u.spot, u.log, u.kappa[k], log_price, spot,
            feeds, time_ns, dt_s, p,
        )  # fmt: skip
        u.printed[k], u.kappa[k] = printed[k], kappas[k]
    u.spot, u.log = net, log_price


@kernel
def _write(
    s: Record, flags: int, time_ns: int, flow: Record, price: Record, half_hour: Record,
    two_hours: Record, flow_2: Record, price_2: Record, flow_ew: Record,
) -> None:  # fmt: skip
    last, before = s.past[0], s.past[1]
    recent = last.end_ns > 0 and time_ns - last.end_ns <= DAY_NS
    both = before.end_ns > 0 and time_ns - before.end_ns <= DAY_NS
    flow.value, price.value = (last.flow, last.price) if recent else (math.nan, math.nan)
    half_hour.value = last.retraced[0] if recent else math.nan
    two_hours.value = last.retraced[1] if recent else math.nan
    flow_2.value = 0.5 * (last.flow + before.flow) if both else math.nan
    price_2.value = 0.5 * (last.price + before.price) if both else math.nan
    flow_ew.value = s.flow_sum / s.flow_weight if s.flow_weight > 0.0 else math.nan
    flow.quality = flow_2.quality = flags
    price.quality = price_2.quality = flags | MODELLED
    half_hour.quality = two_hours.quality = 0
    flow_ew.quality = flags if s.flow_weight >= FEW else flags | WARMUP
    flow.coverage = price.coverage = flow_ew.coverage = last.coverage
    flow_2.coverage = price_2.coverage = min(last.coverage, before.coverage)


@kernel
def publish(u: Record, r: Record, any_sampled: int, feeds: float, time_ns: int) -> None:
    """Write the readings of both sides."""
    flags = (CORRECTED if any_sampled else 0) | (PARTIAL if feeds < 0.999 else 0)
    _write(
        u.sides[0], flags, time_ns, r.absorbed_flow_long, r.absorbed_price_long,
        r.retracement_30m_long, r.retracement_120m_long, r.absorbed_flow_2_long,
        r.absorbed_price_2_long, r.absorbed_flow_ew_long,
    )  # fmt: skip
    _write(
        u.sides[1], flags, time_ns, r.absorbed_flow_short, r.absorbed_price_short,
        r.retracement_30m_short, r.retracement_120m_short, r.absorbed_flow_2_short,
        r.absorbed_price_2_short, r.absorbed_flow_ew_short,
    )  # fmt: skip
