"""Liquidations: who was closed by force, how much, and how much the feeds did not say.

Prints of one contract and side closer than 100 ms to the previous one are one order (method 4.2). USD is
quantity at the fill, or at the mark where a venue prints bankruptcy prices. Rates are exponentially
weighted over 10 s, 60 s and 10 min:

* raw: what the feeds printed, a floor;
* estimated: complete and partial feeds as printed plus, for sampled feeds, ``rate = N / live time`` of the
  model that the feed follows (`throttling`) times the EW mean size, split by the sides' recent USD (method
  4.3). Never fed to the Hawkes model. Where the cap cut a rate it is a floor again: THROTTLED_SOURCE.
"""

import math

import numpy as np

from streams.events import Flag
from streams.indicators import throttling
from streams.kernels.decay import (
    HELD,
    decay,
    held_init,
    held_set,
    held_step,
    held_weight,
    point_rate,
)
from streams.kernels.jit import NS_PER_S, Record, kernel
from streams.kernels.path import DAY, DAY_S, ring_at, ring_put
from streams.kernels.throttle import THROTTLE, dead_time_step, throttle_init
from streams.kernels.windows import level_init
from streams.readings import Quality

THROTTLED = int(Quality.THROTTLED_SOURCE)
CORRECTED = int(Quality.CORRECTED)
PARTIAL = int(Quality.PARTIAL_COVERAGE)
SAMPLED = int(Flag.SAMPLED)
BANKRUPTCY = int(Flag.PRICE_BANKRUPTCY)
MARK_STALE_NS = 60 * NS_PER_S
HALF_LIVES_S = (10.0, 60.0, 600.0)

CONTRACT = np.dtype([
    ("sampled", "i8"), ("partial", "i8"),  # what its venue's feed leaves out
    ("last_ns", "i8", (2,)), ("order_usd", "f8", (2,)),  # the order being printed, by side
    ("throttle", THROTTLE), ("started", "i8"),
    ("side_usd", "f8", (2,)), ("side_ns", "i8"),  # EW sums, 60 s: the sides' shares
    ("burst", "i8", (2,)),  # number of the last burst it printed in, by side
])  # fmt: skip
UNDERLYING = np.dtype([
    ("raw", "f8", (2, 3)), ("complete", "f8", (2, 3)),  # EW sums by side and half-life
    ("sum_ns", "i8"),
    ("hidden", HELD, (6,)),  # corrected USD/s of sampled feeds, by side and half-life
    ("coverage", "f8"), ("complete_live", "i8"), ("any_sampled", "i8"), ("capped", "i8"),
    ("shown", "f8", (2,)),  # USD that feeds but the sampled ones printed since somebody took it
    ("cents", "f8", (2,)), ("day", DAY, (2,)),  # printed since the start, and as it was the last day
])  # fmt: skip
SIDES = ("long", "short")
READINGS = (
    *((f"liquidated_usd_per_s_raw_{w}_{side}", "USD/s", f"printed liquidations of {side}s, {w} EW")
      for side in SIDES for w in ("10s", "60s", "10m")),
    *((f"liquidated_usd_per_s_{w}_{side}", "USD/s", f"the same corrected for throttled feeds, {w} EW")
      for side in SIDES for w in ("10s", "60s", "10m")),
    *((f"liquidated_usd_raw_24h_{side}", "USD", f"printed liquidations of {side}s over 24 hours")
      for side in SIDES),
)  # fmt: skip


@kernel
def contract_init(c: Record) -> None:
    """No print yet."""
    c.sampled = c.partial = c.started = c.side_ns = 0
    for side in range(2):
        c.last_ns[side] = 0
        c.order_usd[side] = c.side_usd[side] = 0.0
        c.burst[side] = 0


@kernel
def underlying_init(u: Record) -> None:
    """No flow yet; coverage unknown means none."""
    u.sum_ns = u.complete_live = u.any_sampled = u.capped = 0
    u.coverage = 0.0
    for side in range(2):
        u.cents[side] = u.shown[side] = 0.0
        level_init(u.day[side])
        for h in range(3):
            u.raw[side, h] = u.complete[side, h] = 0.0
            held_init(u.hidden[side * 3 + h])


@kernel
def value_usd(
    flags: int, quantity: float, notional: float, mark: float, mark_ns: int, time_ns: int
) -> float:
    """Return the USD size: at the mark where the printed price is a bankruptcy price and a mark is known.

    >>> value_usd(512, 2.0, 190.0, 100.0, 0, 0), value_usd(256, 2.0, 190.0, 100.0, 0, 0)
    (200.0, 190.0)
    """
    if flags & BANKRUPTCY and mark == mark and time_ns - mark_ns <= MARK_STALE_NS:
        return quantity * mark
    return notional


@kernel
def advance(u: Record, time_ns: int) -> None:
    """Decay the EW sums to `time_ns`."""
    dt_s = (time_ns - u.sum_ns) / NS_PER_S
    if dt_s <= 0.0:
        return
    for h in range(3):
        g = decay(dt_s, (10.0, 60.0, 600.0)[h])
        for side in range(2):
            u.raw[side, h] *= g
            u.complete[side, h] *= g
    u.sum_ns = time_ns


@kernel
def _run_throttle(c: Record, now_s: float, p: Record) -> None:
    """Let the dead-time estimate live on to `now_s`; it starts when the channel does."""
    if c.started == 0:
        throttle_init(c.throttle, now_s, p.throttle_prior_rate, p.throttle_half_life_s)
        c.started = 1
    dead_time_step(
        c.throttle, now_s, 0.0, p.dead_time_s, p.throttle_half_life_s, p.throttle_mark_half_life_s
    )


@kernel
def _note_sampled(c: Record, side: int, time_ns: int, now_s: float, usd: float, p: Record) -> None:
    c.sampled = 1
    _run_throttle(c, now_s, p)
    dead_time_step(
        c.throttle, now_s, usd, p.dead_time_s, p.throttle_half_life_s, p.throttle_mark_half_life_s
    )
    g = decay((time_ns - c.side_ns) / NS_PER_S, 60.0)
    c.side_usd[0] *= g
    c.side_usd[1] *= g
    c.side_usd[side] += usd
    c.side_ns = time_ns


@kernel
def apply(
    u: Record, c: Record, side: int, flags: int, usd: float, time_ns: int, now_s: float, p: Record
) -> float:
    """Take a print of `side` (0 long, 1 short). Return USD the order had before: 0.0 for a new order."""
    before = 0.0
    if c.last_ns[side] > 0 and time_ns - c.last_ns[side] < p.merge_gap_s * NS_PER_S:
        before = c.order_usd[side]
    c.order_usd[side] = before + usd
    c.last_ns[side] = time_ns
    advance(u, time_ns)
    for h in range(3):
        u.raw[side, h] += usd
        if not flags & SAMPLED:
            u.complete[side, h] += usd
    u.cents[side] += np.rint(usd * 100.0)
    if not flags & SAMPLED:
        u.shown[side] += usd
    if flags & SAMPLED:
        _note_sampled(c, side, time_ns, now_s, usd, p)
    return before


@kernel
def _hidden(contract: Record, cap: float) -> tuple[float, float, bool]:
    """Return the estimated USD/s of a sampled feed by side, and whether the cap cut them."""
    c = contract.liquidations
    total = c.side_usd[0] + c.side_usd[1]
    if c.started == 0 or total <= 0.0:
        return 0.0, 0.0, False
    rate, capped = throttling.estimate(contract.throttling, c.throttle, cap)
    return rate * c.side_usd[0] / total, rate * c.side_usd[1] / total, capped


@kernel
def tick(
    u: Record, contracts: Record, members: Record, count: int, live: Record, time_ns: int,
    now_s: float, origin_ns: int, dt_s: float, p: Record,
) -> None:  # fmt: skip
    """Advance all rates. `live[k]` says whether the k-th contract's liquidation channel is up."""
    advance(u, time_ns)
    weight = covered = long = short = 0.0
    u.complete_live = u.any_sampled = u.capped = 0
    for k in range(count):
        contract = contracts[members[k]]
        c = contract.liquidations
        w = (
            contract.open_interest.weight.mean
            if contract.open_interest.weight.observed_s > 0.0
            else 0.0
        )
        weight += w
        if not live[k]:
            c.started = 0  # an outage is no live time: the estimate begins anew after it
            continue
        covered += w
        u.complete_live += (1 - c.sampled) * (1 - c.partial)
        if c.sampled:
            u.any_sampled = 1
            _run_throttle(c, now_s, p)
            throttling.step(contract.throttling, throttling.clock_s(time_ns, origin_ns, p), 0.0, p)
            of_long, of_short, capped = _hidden(contract, p.throttle_cap_rate)
            long += of_long
            short += of_short
            u.capped |= 1 if capped else 0
    u.coverage = covered / weight if weight > 0.0 else 0.0
    for h in range(3):
        a = held_weight(dt_s, (10.0, 60.0, 600.0)[h])
        for side in range(2):
            s = u.hidden[side * 3 + h]
            held_step(s, dt_s, a)
            held_set(s, long if side == 0 else short)
    for side in range(2):
        ring_put(u.day[side], DAY_S, time_ns, u.cents[side] if u.coverage > 0.0 else math.nan)


@kernel
def raw_rate(u: Record, side: int, h: int) -> float:
    """Return printed USD/s; NaN when no liquidation feed is up."""
    if u.coverage <= 0.0:
        return math.nan
    return point_rate(u.raw[side, h], (10.0, 60.0, 600.0)[h])


@kernel
def estimated_rate(u: Record, side: int, h: int) -> float:
    """Return complete feeds' USD/s plus the corrected USD/s of sampled ones; NaN without a feed."""
    if u.coverage <= 0.0:
        return math.nan
    s = u.hidden[side * 3 + h]
    hidden = s.mean if s.observed_s > 0.0 else 0.0
    return point_rate(u.complete[side, h], (10.0, 60.0, 600.0)[h]) + hidden


@kernel
def rates_10m(u: Record) -> tuple[float, float]:
    """Return USD/s over 10 minutes behind sampled feeds, corrected, and of all others; both sides."""
    hidden = 0.0
    for side in range(2):
        s = u.hidden[side * 3 + 2]
        hidden += s.mean if s.observed_s > 0.0 else 0.0
    return hidden, point_rate(u.complete[0, 2] + u.complete[1, 2], 600.0)


@kernel
def take_realised(u: Record, side: int, dt_s: float) -> float:
    """Take the USD of a side forced in the last `dt_s` seconds; NaN without a feed.

    What was printed, and corrected where feeds are sampled. A rate times a step does only at an even pace.
    """
    usd = u.shown[side]
    u.shown[side] = 0.0
    if u.coverage <= 0.0:
        return math.nan
    hidden = u.hidden[side * 3]
    return usd + (hidden.held * dt_s if hidden.held == hidden.held else 0.0)


@kernel
def _write(u: Record, side: int, h: int, raw: Record, estimated: Record) -> None:
    partial = 0 if u.coverage >= 0.999 else PARTIAL
    raw.value, estimated.value = raw_rate(u, side, h), estimated_rate(u, side, h)
    raw.coverage = estimated.coverage = u.coverage
    raw.quality = partial | (THROTTLED if u.any_sampled else 0)
    estimated.quality = partial | (CORRECTED if u.any_sampled else 0)
    if u.capped:
        estimated.quality |= THROTTLED


@kernel
def _day_usd(u: Record, side: int, time_ns: int) -> float:
    """Return what was printed in a day, whose start is found to within five minutes."""
    return (u.cents[side] - ring_at(u.day[side], DAY_S, time_ns, 86400)) / 100.0


@kernel
def publish(u: Record, r: Record, time_ns: int) -> None:
    """Write the rates and the 24-hour sums."""
    _write(u, 0, 0, r.liquidated_usd_per_s_raw_10s_long, r.liquidated_usd_per_s_10s_long)
    _write(u, 0, 1, r.liquidated_usd_per_s_raw_60s_long, r.liquidated_usd_per_s_60s_long)
    _write(u, 0, 2, r.liquidated_usd_per_s_raw_10m_long, r.liquidated_usd_per_s_10m_long)
    _write(u, 1, 0, r.liquidated_usd_per_s_raw_10s_short, r.liquidated_usd_per_s_10s_short)
    _write(u, 1, 1, r.liquidated_usd_per_s_raw_60s_short, r.liquidated_usd_per_s_60s_short)
    _write(u, 1, 2, r.liquidated_usd_per_s_raw_10m_short, r.liquidated_usd_per_s_10m_short)
    r.liquidated_usd_raw_24h_long.value = _day_usd(u, 0, time_ns)
    r.liquidated_usd_raw_24h_short.value = _day_usd(u, 1, time_ns)
    flags = r.liquidated_usd_per_s_raw_10m_long.quality
    r.liquidated_usd_raw_24h_long.quality = r.liquidated_usd_raw_24h_short.quality = flags
    r.liquidated_usd_raw_24h_long.coverage = u.coverage
    r.liquidated_usd_raw_24h_short.coverage = u.coverage
