"""The price path of an underlying, chained over its venues so that no venue's coming or going moves it.

Each second every contract that has a price now and had one a tick ago, from the same source, contributes
its log return; the path moves by their mean. The source is the venue's index price, else its mark price,
else its last trade, in this order (method 2.7, 5.1). Units: log return; `price` is USD a coin.
"""

import math

import numpy as np

from streams.kernels.decay import (
    HELD,
    held_init,
    held_set,
    held_std,
    held_step,
    held_warm,
    held_weight,
)
from streams.kernels.jit import Record, kernel
from streams.kernels.path import HOURS, HOURS_S, QUARTER, QUARTER_S, ring_at, ring_put
from streams.kernels.windows import level_init
from streams.readings import Quality

WARMUP = int(Quality.WARMUP)

CONTRACT = np.dtype([
    ("mark", "f8"), ("mark_ns", "i8"),
    ("index", "f8"), ("index_ns", "i8"),
    ("mid", "f8"), ("mid_ns", "i8"),
    ("trade", "f8"), ("trade_ns", "i8"),
    ("price", "f8"), ("source", "i8"),  # at the last tick that had any price
])  # fmt: skip
UNDERLYING = np.dtype([
    ("log_price", "f8"), ("price", "f8"), ("last_return", "f8"),
    ("change", HELD, (3,)),  # 15m, 1h, 4h
    ("quarter", QUARTER), ("hours", HOURS),  # the path's last 15 minutes and 4 hours
])  # fmt: skip
WINDOWS_S = (900, 3600, 14400)
READINGS = (
    ("price", "USD per coin", "mean index price over venues that are live"),
    ("return_15m", "log return", "move of the venue-chained index path over 15 minutes"),
    ("return_1h", "log return", "the same over an hour"),
    ("return_4h", "log return", "the same over four hours"),
)
STALE_NS = 60_000_000_000
HISTORY_STALE_NS = 2 * 3600_000_000_000


@kernel
def contract_init(c: Record) -> None:
    """No price is known yet."""
    c.mark = c.index = c.mid = c.trade = c.price = math.nan
    c.mark_ns = c.index_ns = c.mid_ns = c.trade_ns = c.source = 0


@kernel
def underlying_init(u: Record) -> None:
    """The path starts at zero with the first return."""
    u.log_price = 0.0
    u.price = u.last_return = math.nan
    level_init(u.quarter)
    level_init(u.hours)
    for w in range(3):
        held_init(u.change[w])


@kernel
def apply_mark(c: Record, time_ns: int, mark: float, index: float, mid: float) -> None:
    """Take a MARK row; fields the venue did not send are NaN and leave the old value."""
    if mark == mark:
        c.mark = mark
        c.mark_ns = time_ns
    if index == index:
        c.index = index
        c.index_ns = time_ns
    if mid == mid:
        c.mid = mid
        c.mid_ns = time_ns


@kernel
def _current(c: Record, time_ns: int, live: bool) -> tuple[float, int]:
    """Return the contract's price and its source: 1 index, 2 mark, 3 trade, 0 none."""
    stale = STALE_NS if live else HISTORY_STALE_NS
    if time_ns - c.index_ns <= stale and c.index == c.index:
        return c.index, 1
    if time_ns - c.mark_ns <= stale and c.mark == c.mark:
        return c.mark, 2
    if time_ns - c.trade_ns <= stale and c.trade == c.trade:
        return c.trade, 3
    return math.nan, 0


@kernel
def _put(u: Record, time_ns: int, log_price: float) -> None:
    ring_put(u.quarter, QUARTER_S, time_ns, log_price)
    ring_put(u.hours, HOURS_S, time_ns, log_price)


@kernel
def _at(u: Record, time_ns: int, w: int) -> float:
    """Return the path as it stood window `w` ago."""
    if w == 0:
        return ring_at(u.quarter, QUARTER_S, time_ns, 900)
    return ring_at(u.hours, HOURS_S, time_ns, 3600 if w == 1 else 14_400)


@kernel
def tick(
    u: Record, contracts: Record, members: Record, count: int, time_ns: int, live: bool
) -> None:
    """Advance the path to `time_ns`.

    Without any price the path is unknown; it resumes with the move since each contract's last price,
    which is no return of this second.
    """
    total = level = 0.0
    moved = priced = 0
    gap = u.price != u.price
    for k in range(count):
        priced += 1 if _current(contracts[members[k]].price, time_ns, live)[1] > 0 else 0
    if priced == 0:
        u.price = u.last_return = math.nan
        _put(u, time_ns, math.nan)
        return
    for k in range(count):
        c = contracts[members[k]].price
        price, source = _current(c, time_ns, live)
        if source > 0:
            level += price
            if source == c.source:
                total += math.log(price / c.price)
                moved += 1
        c.price = price
        c.source = source
    u.price = level / priced
    if moved > 0:
        u.log_price += total / moved
    u.last_return = total / moved if moved > 0 and not gap else math.nan
    _put(u, time_ns, u.log_price)


@kernel
def publish(
    u: Record, r: Record, time_ns: int, dt_s: float, half_life_s: float, live: bool
) -> None:
    """Write the readings, and let each window's typical size (EW standard deviation) learn."""
    r.price.value = u.price
    now = u.log_price if u.price == u.price else math.nan
    a = held_weight(dt_s, half_life_s)
    for w in range(3):
        change = now - _at(u, time_ns, w)
        if live or w > 0:  # hourly candles say nothing of 15 minutes
            held_step(u.change[w], dt_s, a)
            held_set(u.change[w], change)
        quality = 0 if held_warm(u.change[w], 86400.0) else WARMUP
        if w == 0:
            r.return_15m.value, r.return_15m.quality = change, quality
        elif w == 1:
            r.return_1h.value, r.return_1h.quality = change, quality
        else:
            r.return_4h.value, r.return_4h.quality = change, quality


@kernel
def sigma(u: Record, w: int) -> float:
    """Return the typical size of the change over window `w`; NaN before two days were seen."""
    if not held_warm(u.change[w], 86400.0):
        return math.nan
    return held_std(u.change[w])
