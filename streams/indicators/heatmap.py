"""The liquidation heatmap: where positions opened earlier would be closed by force (method 7.1 to 7.4).

A model. Each rise of a contract's open interest opens longs and shorts at the interval's VWAP, spread over
the leverage prior; each liquidation price is a bin of that side's ladder (`streams.kernels.heat`). At a tick:

* consume: everything the mark price has passed, at its extreme since the last second. Venues differ a
  little; the extreme is the furthest that half of the open interest has seen.
* age: half is gone after ten days, to margin calls answered, hedges and closes that net out.
* open and close: each contract's change of coin open interest since its last value that is at least ten
  seconds older. Of a rise, longs get ``b + rho*(1-b)`` and shorts ``(1-b) + rho*b`` with b the takers' buying
  share: rho says how speculative the passive side is. A fall first pays for what its share of the map lost
  to price since; the rest is closed in proportion everywhere.

Two coarse maps with all leverages halved and doubled are the sensitivity band. Coin throughout.
"""

import math

import numpy as np

from streams.brackets import LEVERAGES
from streams.kernels.decay import decay
from streams.kernels.heat import (
    bin_of,
    ladder,
    ladder_age,
    ladder_close,
    ladder_init,
    ladder_move,
    ladder_open,
    ladder_usd,
)
from streams.kernels.jit import NS_PER_S, Record, kernel
from streams.kernels.margin import liquidation_price

BINS = 1024  # of 12.5 bp: adverse moves down to 28 % and up to 360 % of the price
COARSE_BINS, COARSE = 256, 4  # of the sensitivity maps, and how much wider their bins are
TIERS = len(LEVERAGES)
STALE_NS = 60 * NS_PER_S
HISTORY_STALE_NS = 7200 * NS_PER_S  # candles and open interest of the past come hourly
LONG, SHORT = 0, 1

CONTRACT = np.dtype([
    ("coin", "f8"), ("usd", "f8"), ("bought", "f8"),  # traded since the level, bought: coin by buying takers
    ("low", "f8"), ("high", "f8"),  # of the mark since the last tick, NaN: none came
    ("level", "f8"), ("level_ns", "i8"), ("mark", "f8"),  # open interest last taken; inverse: USD
    ("consumed", "f8", (3, 2)),  # each map's total then, by map and side
    ("maintenance", "f8", (TIERS,)), ("amount", "f8", (TIERS,)),  # see streams.brackets
])  # fmt: skip
UNDERLYING = np.dtype([
    ("map", ladder(BINS), (2,)),
    ("half", ladder(COARSE_BINS), (2,)), ("double", ladder(COARSE_BINS), (2,)),
    ("here", "f8", (2,)), ("reached", "f8", (2,)),  # coordinates of the mark and its extreme, NaN: unknown
    ("consumed_usd", "f8", (2,)),  # at the last tick
    ("coin", "f8"), ("observed_s", "f8"), ("published", "i8"),
])  # fmt: skip


@kernel
def contract_init(h: Record) -> None:
    """No open interest yet, and no terms: a contract without terms opens nothing."""
    h.maintenance[:] = math.nan
    h.amount[:] = math.nan
    h.low = h.high = h.level = h.mark = math.nan
    h.coin = h.usd = h.bought = 0.0
    h.level_ns = 0
    h.consumed[:] = 0.0


@kernel
def underlying_init(u: Record) -> None:
    """An empty map that begins with the first price."""
    for side in range(2):
        ladder_init(u.map[side])
        ladder_init(u.half[side])
        ladder_init(u.double[side])
        u.here[side] = u.reached[side] = math.nan
        u.consumed_usd[side] = 0.0
    u.coin = u.observed_s = 0.0
    u.published = 0


@kernel
def mark(h: Record, price: float) -> None:
    """Take a mark price; NaN is none."""
    if price == price:
        h.low = price if h.low != h.low else min(h.low, price)
        h.high = price if h.high != h.high else max(h.high, price)


@kernel
def trade(h: Record, side: int, coin: float, usd: float) -> None:
    """Take a trade; its taker bought if `side` is positive."""
    h.coin += coin
    h.usd += usd
    if side > 0:
        h.bought += coin


@kernel
def sign_of(side: int) -> float:
    """Return -1 for longs, whom falling prices hurt, and 1 for shorts."""
    return -1.0 if side == 0 else 1.0


@kernel
def furthest_half(x: Record, weight: Record, count: int) -> float:
    """Return the furthest coordinate that at least half of the weight has reached; NaN without any.

    While no open interest is known, all count the same.

    >>> furthest_half(np.array([1.0, 2.0, 9.0]), np.array([3.0, 3.0, 1.0]), 3)
    2.0
    """
    best, total = math.nan, 0.0
    for k in range(count):
        total += weight[k]
    equal = 1.0 if total == 0.0 else 0.0
    total += equal * count
    for k in range(count):
        beyond = 0.0
        for j in range(count):
            if x[j] >= x[k]:
                beyond += weight[j] + equal
        if 2.0 * beyond >= total and not best >= x[k]:
            best = x[k]
    return best


@kernel
def _now(contract: Record, time_ns: int, stale_ns: int) -> float:
    """Return the contract's mark, else its index, else its last trade; NaN if none is recent."""
    c = contract.price
    if time_ns - c.mark_ns <= stale_ns and c.mark == c.mark:
        return c.mark
    if time_ns - c.index_ns <= stale_ns and c.index == c.index:
        return c.index
    return c.trade if time_ns - c.trade_ns <= stale_ns else math.nan


@kernel
def _weight(contract: Record) -> float:
    oi = contract.open_interest
    usual = oi.weight.mean if oi.weight.observed_s > 0.0 else oi.usd
    if usual != usual:  # no open interest was ever seen
        return 0.0
    return max(usual, 0.0)


@kernel
def _look(
    u: Record, contracts: Record, members: Record, count: int, side: int, time_ns: int, stale_ns: int,
    work: Record,
) -> None:  # fmt: skip
    """Find where the mark is and how far it went since the last tick, in the side's coordinate."""
    here, reached, weight = work[0], work[1], work[2]
    n = 0
    for k in range(count):
        contract = contracts[members[k]]
        now = _now(contract, time_ns, stale_ns)
        if now != now:
            continue
        h = contract.heat
        extreme = h.low if side == 0 else h.high
        here[n] = sign_of(side) * math.log(now)
        reached[n] = here[n]
        if extreme == extreme:
            reached[n] = max(here[n], sign_of(side) * math.log(extreme))
        weight[n] = _weight(contract)
        n += 1
    u.here[side] = furthest_half(here, weight, n)
    u.reached[side] = furthest_half(reached, weight, n)


@kernel
def _move(s: Record, here: float, reached: float, width: float) -> None:
    ladder_move(s, bin_of(reached, width), bin_of(here, width))


@kernel
def _consume(u: Record, side: int, width: float) -> None:
    here, reached, s = u.here[side], u.reached[side], u.map[side]
    u.consumed_usd[side] = 0.0
    if here != here:
        return
    if s.started == 1:
        end = (bin_of(reached, width) + 1) * width
        u.consumed_usd[side] = ladder_usd(s, s.front * width, end, width, sign_of(side))
    _move(s, here, reached, width)
    _move(u.half[side], here, reached, width * COARSE)
    _move(u.double[side], here, reached, width * COARSE)


@kernel
def _tier(h: Record, leverage: float) -> int:
    """Return the highest tier on offer that is not above `leverage`, else the lowest; -1 if none."""
    found = -1
    for k in range(TIERS):
        if h.maintenance[k] == h.maintenance[k] and (found < 0 or LEVERAGES[k] <= leverage):
            found = k
    return found


@kernel
def open_positions(
    s: Record, h: Record, side: int, coin: float, entry: float, inverse: bool, shift: float,
    width: float, p: Record,
) -> None:  # fmt: skip
    """Spread `coin` of one side, entered at `entry`, over the leverage prior times `shift`.

    Leverages the contract does not offer share their weight among those it does; shifted ones end at the
    highest. Positions that nothing can liquidate are not booked.
    """
    offered = 0.0
    for k in range(TIERS):
        if h.maintenance[k] == h.maintenance[k]:
            offered += p.heat_prior[k]
    most = _tier(h, math.inf)
    for k in range(TIERS):
        if h.maintenance[k] != h.maintenance[k]:
            continue
        leverage = max(min(LEVERAGES[k] * shift, LEVERAGES[most]), 1.0)
        tier = _tier(h, leverage)
        price = liquidation_price(
            entry, leverage, h.maintenance[tier], h.amount[tier], side == 0, inverse
        )
        if price == price:
            place = bin_of(sign_of(side) * math.log(price), width)
            ladder_open(s, place, coin * p.heat_prior[k] / offered)


@kernel
def speculative_share(side: int, buying: float, passive: float) -> float:
    """Return the share of a rise in open interest that is speculation of `side` (method 7.3).

    >>> speculative_share(0, 1.0, 0.5), speculative_share(1, 1.0, 0.5)
    (1.0, 0.5)
    """
    taken = buying if side == 0 else 1.0 - buying
    return taken + passive * (1.0 - taken)


@kernel
def _rise(
    u: Record, h: Record, coin: float, entry: float, buying: float, inverse: bool, p: Record
) -> None:
    for side in range(2):
        part = coin * speculative_share(side, buying, p.heat_passive)
        open_positions(u.map[side], h, side, part, entry, inverse, 1.0, p.heat_bin, p)
        wide = p.heat_bin * COARSE
        open_positions(u.half[side], h, side, part, entry, inverse, 0.5, wide, p)
        open_positions(u.double[side], h, side, part, entry, inverse, 2.0, wide, p)


@kernel
def _close_one(s: Record, consumed: float, coin: float, share: float, all_coin: float) -> None:
    excess = coin - share * (s.consumed - consumed)
    if excess > 0.0:
        ladder_close(s, excess / all_coin)


@kernel
def _fall(u: Record, h: Record, coin: float, quantity: float) -> None:
    """Close `coin` of a contract that has `quantity` left."""
    before = u.coin + coin
    share = (quantity + coin) / before
    for side in range(2):
        _close_one(u.map[side], h.consumed[0, side], coin, share, before)
        _close_one(u.half[side], h.consumed[1, side], coin, share, before)
        _close_one(u.double[side], h.consumed[2, side], coin, share, before)


@kernel
def _note(u: Record, h: Record, level: float, level_ns: int, now: float) -> None:
    """Measure from this level on."""
    h.level, h.level_ns, h.mark = level, level_ns, now
    h.coin = h.usd = h.bought = 0.0
    for side in range(2):
        h.consumed[0, side] = u.map[side].consumed
        h.consumed[1, side] = u.half[side].consumed
        h.consumed[2, side] = u.double[side].consumed


@kernel
def _flow(u: Record, contract: Record, now: float, hold_ns: int, p: Record) -> None:
    """Book what a contract's open interest did since its last value; too long a gap begins anew."""
    oi, h, inverse = contract.open_interest, contract.heat, contract.feed.inverse == 1
    since_ns = oi.time_ns - h.level_ns
    if since_ns <= 0 or (h.level_ns > 0 and since_ns < p.heat_sample_s * NS_PER_S):
        return
    level = oi.usd if inverse else oi.quantity
    if h.level_ns > 0 and since_ns <= hold_ns and level == level and h.level == h.level:
        entry = h.usd / h.coin if h.coin > 0.0 else math.sqrt(h.mark * now)
        if entry > 0.0:
            buying = h.bought / h.coin if h.coin > 0.0 else 0.5
            change = (level - h.level) / entry if inverse else level - h.level
            if change > 0.0:
                _rise(u, h, change, entry, buying, inverse, p)
            elif change < 0.0:
                _fall(u, h, -change, oi.quantity)
    _note(u, h, level, oi.time_ns, now)


@kernel
def tick(
    u: Record, contracts: Record, members: Record, count: int, time_ns: int, dt_s: float, live: bool,
    p: Record, work: Record,
) -> None:  # fmt: skip
    """Advance the map to `time_ns`; prices and open interest have been advanced already."""
    stale_ns = STALE_NS if live else HISTORY_STALE_NS
    hold_ns = int(p.oi_hold_s * NS_PER_S) if live else HISTORY_STALE_NS
    left = decay(dt_s, p.heat_half_life_s)
    for side in range(2):
        _look(u, contracts, members, count, side, time_ns, stale_ns, work)
        _consume(u, side, p.heat_bin)
        ladder_age(u.map[side], dt_s, left)
        ladder_age(u.half[side], dt_s, left)
        ladder_age(u.double[side], dt_s, left)
    u.coin = 0.0
    for k in range(count):
        oi = contracts[members[k]].open_interest
        if oi.time_ns > 0 and time_ns - oi.time_ns <= hold_ns and oi.quantity == oi.quantity:
            u.coin += oi.quantity
    if u.here[0] == u.here[0]:
        u.observed_s += dt_s
        for k in range(count):
            contract = contracts[members[k]]
            _flow(u, contract, _now(contract, time_ns, stale_ns), hold_ns, p)
    for k in range(count):
        h = contracts[members[k]].heat
        h.low = h.high = math.nan
