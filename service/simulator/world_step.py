"""One step of the benchmark world: who is forced, what trades, where the index goes, and the rows of it.

The truth is linear and planted. Forced orders have a known parent: the background, an order of the same or
the other side within the kernels' half-lives (with square-root marks), a move of the index against the side,
or the mark itself having touched the position. The index moves by noise, by `kappa` for each USD forced, and
by what takers buy on perpetuals and spot, `lag` steps after; it may be pulled back to a plan. A step's rows
come just before its end, and every contract's heart beats on the end itself: there the engine evaluates. In
coarse steps everything comes on the end, so that there is one evaluation and not two.
"""

import math

import numpy as np

from service.simulator.traders import (
    FORCED_AT_ONCE,
    close_some,
    open_position,
    take_nearest,
    take_touched,
)
from streams.events import Channel, Flag, Kind
from streams.kernels.jit import LN2, NS_PER_S, Record, kernel

PERPS, SPOTS = 3, 2
COMPONENTS = 3
BACKGROUND, OWN, CROSS, PRICE, TOUCHED = 0, 1, 2, 3, 4
CAUSES = 5
MOST_IN_A_STEP = 4000  # orders; no market needs more, and a supercritical plan must not hang
YEAR_S, NEUTRAL_APR = 365.0 * 86_400.0, 0.1095
FUNDING_S = 8 * 3600
DAY_S = 86_400.0
LONGEST_LAG = 8  # steps
MARK_MEMORY = 0.002  # of the mean size behind marks, a new order
DEAD_TIME_NS = NS_PER_S  # of sampled feeds
MS = 1_000_000
COARSE_S = 5.0

TRADE, MARK, FUNDING, OPEN_INTEREST, LIQUIDATION, HEARTBEAT = (
    int(Kind.TRADE), int(Kind.MARK), int(Kind.FUNDING), int(Kind.OPEN_INTEREST), int(Kind.LIQUIDATION),
    int(Kind.HEARTBEAT),
)  # fmt: skip
FILL = int(Flag.PRICE_FILL)
COMPLETE, SAMPLED, PREDICTED = int(Flag.COMPLETE), int(Flag.SAMPLED), int(Flag.PREDICTED)
ALL_CHANNELS, NO_LIQUIDATIONS = int(Channel.ALL), int(Channel.ALL & ~Channel.LIQUIDATION)

#: What a plan says of one step.
STEP = np.dtype([
    ("dt_s", "f8"), ("plan", "f8"),  # ln of the planned index over its start
    ("premium", "f8"), ("excess", "f8"),  # decimal; APR over neutral
    ("oi", "f8"),  # coin to be reached by opening, NaN: traders come as they like
    ("longs", "f8"),  # share of those who open
    ("mu", "f8", (2,)),  # background, events a second
    ("close", "f8"),  # share of positions closed by their owners a day
    ("absorb", "f8"),  # USD that spot buys for each USD forced
    ("us_premium", "f8"), ("volatility", "f8"), ("dead", "f8"), ("lag", "i8"),  # steps
])  # fmt: skip
#: What holds all the time. Impacts are ln of the index for each USD.
SETTINGS = np.dtype([
    ("perps", "i8"), ("perp", "i8", (PERPS,)), ("spot", "i8", (SPOTS,)),
    ("share", "f8", (PERPS,)), ("sampled", "i8", (PERPS,)),
    ("volatility", "f8"), ("reversion_s", "f8"), ("vol_of_vol", "f8"),
    ("kappa", "f8", (2,)), ("impact_perp", "f8"), ("impact_spot", "f8"),
    ("perp_usd", "f8"), ("spot_usd", "f8"),  # sd of takers' net flow in a second
    ("turnover", "f8"),  # share of open interest traded a second
    ("half_life_s", "f8", (COMPONENTS,)),
    ("own", "f8", (COMPONENTS,)), ("cross", "f8", (COMPONENTS,)), ("gain", "f8", (COMPONENTS,)),
    ("order_usd", "f8"), ("order_sigma", "f8"),  # of forced orders where there is no book
    ("position_coin", "f8"), ("position_sigma", "f8"), ("opens", "f8"),  # a second, unless steered
    ("booked", "i8"), ("premium_sd", "f8"),
])  # fmt: skip
STATE = np.dtype([
    ("time_ns", "i8"), ("rows", "i8"), ("steps", "i8"),
    ("start", "f8"), ("index", "f8"), ("mark", "f8"), ("plan", "f8"), ("deviation", "f8"),
    ("premium", "f8"), ("ln_vol", "f8"), ("oi", "f8"), ("pushes", "f8", (LONGEST_LAG,)),
    ("memory", "f8", (4, COMPONENTS)), ("mean_root", "f8"),
    ("touched", "i8", (2,)), ("touched_price", "f8", (2, FORCED_AT_ONCE)),
    ("touched_coin", "f8", (2, FORCED_AT_ONCE)),
    ("printed_ns", "i8", (PERPS,)),
    ("forced", "f8", (2,)), ("forced_coin", "f8"), ("bought", "f8"), ("sold", "f8"),  # in this step
    ("perp_net", "f8"), ("spot_net", "f8"),
    ("low", "f8"), ("high", "f8"),  # of the mark since somebody looked
    # the truth since somebody looked: orders and USD by side and cause, spot's net purchases
    ("orders", "f8", (2, CAUSES)), ("usd", "f8", (2, CAUSES)), ("spot_usd", "f8"),
])  # fmt: skip


@kernel
def _put(
    s: Record, out: Record, words: Record, kind: int, side: int, flags: int, instrument: int, time_ns: int,
    a: float, b: float, c: float,
) -> None:  # fmt: skip
    row = out[s.rows]
    row.kind, row.side, row.flags, row.reserved = kind, side, flags, 0
    words[s.rows, 1] = instrument
    row.exchange_ns = row.received_ns = time_ns
    row.sequence = 0
    row.a, row.b, row.c = a, b, c
    s.rows += 1


@kernel
def _pass(s: Record, w: Record, dt_s: float) -> None:
    for k in range(COMPONENTS):
        g = math.exp(-LN2 * dt_s / w.half_life_s[k])
        for j in range(4):
            s.memory[j, k] *= g


@kernel
def intensity(s: Record, w: Record, z: Record, side: int, cause: int) -> float:
    """Return what a cause contributes to a side's forced orders now: events a second."""
    if cause == BACKGROUND:
        return z.mu[side]
    rate = 0.0
    for k in range(COMPONENTS):
        beta = LN2 / w.half_life_s[k]
        if cause == OWN:
            rate += w.own[k] * beta * s.memory[side, k]
        elif cause == CROSS:
            rate += w.cross[k] * beta * s.memory[1 - side, k]
        else:
            rate += w.gain[k] * beta * s.memory[2 + side, k]
    return rate


@kernel
def _rate(s: Record, w: Record, z: Record) -> float:
    total = 0.0
    for side in range(2):
        for cause in range(TOUCHED):
            total += intensity(s, w, z, side, cause)
    return total


@kernel
def _venue(w: Record, rng: Record) -> int:
    u = rng.random()
    for k in range(w.perps - 1):
        if u < w.share[k]:
            return k
        u -= w.share[k]
    return w.perps - 1


@kernel
def _size(b: Record, s: Record, w: Record, side: int, rng: Record) -> float:
    """Return the coin of an order that no touch of the mark caused; 0 if nobody is left."""
    if w.booked == 1:
        return take_nearest(b, side)
    z = rng.standard_normal()
    usd = w.order_usd * math.exp(w.order_sigma * z - 0.5 * w.order_sigma**2)
    return usd / s.mark


@kernel
def _excite(s: Record, w: Record, side: int, usd: float) -> None:
    """Add an order's square-root mark, of mean one."""
    root = math.sqrt(usd)
    if w.booked == 1:
        s.mean_root += MARK_MEMORY * (root - s.mean_root)
    for k in range(COMPONENTS):
        s.memory[side, k] += min(root / s.mean_root, 20.0)


@kernel
def _force(
    s: Record, w: Record, z: Record, side: int, coin: float, cause: int, at_ns: int, out: Record,
    words: Record, rng: Record,
) -> None:  # fmt: skip
    """Close a position at the market: a trade, and a print where the feed shows it."""
    usd = coin * s.mark
    k = _venue(w, rng)
    _put(s, out, words, TRADE, -1 if side == 0 else 1, 0, w.perp[k], at_ns, s.mark, coin, usd)
    shown = z.dead == 0.0
    if w.sampled[k] == 1:
        shown = shown and at_ns - s.printed_ns[k] >= DEAD_TIME_NS
    if shown:
        s.printed_ns[k] = at_ns
        flags = FILL | (SAMPLED if w.sampled[k] == 1 else COMPLETE)
        _put(
            s,
            out,
            words,
            LIQUIDATION,
            1 if side == 0 else -1,
            flags,
            w.perp[k],
            at_ns,
            s.mark,
            coin,
            usd,
        )
    _excite(s, w, side, usd)
    s.forced[side] += usd
    s.forced_coin += coin
    s.orders[side, cause] += 1.0
    s.usd[side, cause] += usd


@kernel
def _choose(s: Record, w: Record, z: Record, u: float) -> tuple[int, int]:
    """Return side and cause at the place `u` of the summed intensities; side -1 beyond them."""
    for side in range(2):
        for cause in range(TOUCHED):
            u -= intensity(s, w, z, side, cause)
            if u < 0.0:
                return side, cause
    return -1, 0


@kernel
def _forced_orders(
    s: Record, b: Record, w: Record, z: Record, out: Record, words: Record, rng: Record
) -> None:
    """Draw the step's forced orders by thinning, among them evenly whom the mark has touched."""
    at, j, m = 0.0, 0, s.touched[0] + s.touched[1]
    for _ in range(MOST_IN_A_STEP):
        bound = _rate(s, w, z)
        came = at + rng.standard_exponential() / bound if bound > 0.0 else math.inf
        touch = z.dt_s * (j + 0.5) / m if j < m else math.inf
        then = min(came, touch)
        if then >= z.dt_s:
            break
        _pass(s, w, then - at)
        at = then
        at_ns = s.time_ns + min(int(at * NS_PER_S), int(z.dt_s) * NS_PER_S - 4 * MS)
        if touch <= came:
            side, place = (0, j) if j < s.touched[0] else (1, j - s.touched[0])
            coin = s.touched_coin[side, place]
            _force(s, w, z, side, coin, TOUCHED, at_ns, out, words, rng)
            j += 1
            continue
        side, cause = _choose(s, w, z, rng.random() * bound)
        coin = _size(b, s, w, side, rng) if side >= 0 else 0.0
        if coin > 0.0:
            _force(s, w, z, side, coin, cause, at_ns, out, words, rng)
    _pass(s, w, z.dt_s - at)


@kernel
def _trade_positions(s: Record, b: Record, w: Record, z: Record, rng: Record) -> None:
    """Let traders close and open; who opens a long buys as a taker."""
    shut = close_some(b, 0, z.close * z.dt_s / DAY_S, rng)
    covered = close_some(b, 1, z.close * z.dt_s / DAY_S, rng)
    s.sold += shut
    s.bought += covered
    more = rng.poisson(w.opens * z.dt_s) if z.oi != z.oi else 0
    total = b.total[0] + b.total[1]
    while more > 0 or total < z.oi:
        more -= 1
        size = rng.standard_normal() * w.position_sigma - 0.5 * w.position_sigma**2
        coin = w.position_coin * math.exp(size)
        side = 0 if rng.random() < z.longs else 1
        open_position(b, side, coin, s.mark, rng)
        total += coin
        if side == 0:
            s.bought += coin
        else:
            s.sold += coin
    s.oi = b.total[0] + b.total[1]


@kernel
def _move(s: Record, w: Record, z: Record, rng: Record) -> float:
    """Move index and mark by flows and noise; return the move of the index, ln."""
    before = math.log(s.index)
    push = (
        w.kappa[1] * s.forced[1] - w.kappa[0] * s.forced[0]
        + w.impact_perp * s.perp_net + w.impact_spot * s.spot_net
    )  # fmt: skip
    s.ln_vol += (
        w.vol_of_vol * math.sqrt(z.dt_s) * rng.standard_normal() - s.ln_vol * z.dt_s / 7200.0
    )
    sigma = w.volatility * z.volatility * math.sqrt(z.dt_s) * math.exp(s.ln_vol)
    if w.reversion_s > 0.0:
        s.deviation *= math.exp(-LN2 * z.dt_s / w.reversion_s)
    s.pushes[(s.steps + z.lag) % LONGEST_LAG] += push
    s.deviation += s.pushes[s.steps % LONGEST_LAG] + sigma * rng.standard_normal()
    s.pushes[s.steps % LONGEST_LAG] = 0.0
    s.index = s.start * math.exp(z.plan + s.deviation)
    keep = math.exp(-LN2 * z.dt_s / 600.0)
    kick = w.premium_sd * math.sqrt(1.0 - keep * keep)
    s.premium = z.premium + keep * (s.premium - z.premium) + kick * rng.standard_normal()
    s.mark = s.index * (1.0 + s.premium)
    s.low, s.high = min(s.low, s.mark), max(s.high, s.mark)
    return math.log(s.index) - before


@kernel
def _flows(s: Record, w: Record, z: Record, rng: Record) -> None:
    """Draw what takers do: on perpetuals beside those forced, and on spot, which may absorb those."""
    root = math.sqrt(z.dt_s)
    noise = w.perp_usd * root * rng.standard_normal() / s.mark
    s.bought += max(noise, 0.0)
    s.sold += max(-noise, 0.0)
    s.perp_net = (s.bought - s.sold) * s.mark
    s.spot_net = w.spot_usd * root * rng.standard_normal()
    s.spot_net += z.absorb * (s.forced[0] - s.forced[1])
    s.spot_usd += s.spot_net


@kernel
def _write_trades(s: Record, w: Record, z: Record, at_ns: int, out: Record, words: Record) -> None:
    base = w.turnover * s.oi * z.dt_s + s.forced_coin
    for k in range(w.perps):
        for side in range(2):
            coin = w.share[k] * (base + (s.bought if side == 0 else s.sold))
            if coin > 0.0:
                taker = 1 if side == 0 else -1
                _put(s, out, words, TRADE, taker, 0, w.perp[k], at_ns, s.mark, coin, coin * s.mark)
    for k in range(SPOTS):
        price = s.index * (1.0 + (z.us_premium if k == 0 else 0.0))
        usd = 0.5 * abs(s.spot_net)
        if usd > 0.0:
            taker = 1 if s.spot_net > 0.0 else -1
            _put(s, out, words, TRADE, taker, 0, w.spot[k], at_ns, price, usd / price, usd)


@kernel
def _write_levels(
    s: Record, w: Record, z: Record, at_ns: int, second: int, out: Record, words: Record
) -> None:
    every_s = max(10, int(z.dt_s))
    for k in range(w.perps):
        if second % every_s == 0:
            coin = s.oi * w.share[k]
            _put(s, out, words, OPEN_INTEREST, 0, 0, w.perp[k], at_ns, coin, math.nan, s.mark)
        if second % 60 == 0:
            rate = (z.excess + NEUTRAL_APR) * FUNDING_S / YEAR_S
            _put(s, out, words, FUNDING, 0, PREDICTED, w.perp[k], at_ns, rate, 0.0, 0.0)
            words[s.rows - 1, 6] = FUNDING_S * NS_PER_S
            words[s.rows - 1, 7] = 0
    for k in range(w.perps):
        _put(s, out, words, MARK, 0, 0, w.perp[k], at_ns, s.mark, s.index, s.mark)


@kernel
def _beat(s: Record, w: Record, z: Record, end_ns: int, out: Record, words: Record) -> None:
    for k in range(w.perps + SPOTS):
        instrument = w.perp[k] if k < w.perps else w.spot[k - w.perps]
        _put(s, out, words, HEARTBEAT, 0, 0, instrument, end_ns, 0.0, 0.0, 0.0)
        words[s.rows - 1, 5] = NO_LIQUIDATIONS if z.dead > 0.0 else ALL_CHANNELS


@kernel
def live(
    s: Record,
    b: Record,
    w: Record,
    plan: Record,
    last: int,
    out: Record,
    words: Record,
    rng: Record,
) -> None:
    """Live through the plan's steps before `last`, or as many as the room in `out` allows."""
    room = 3 * (MOST_IN_A_STEP + 2 * FORCED_AT_ONCE)
    while s.steps < last and s.rows + room < out.size:
        z = plan[s.steps]
        s.forced[0] = s.forced[1] = s.forced_coin = s.bought = s.sold = 0.0
        _forced_orders(s, b, w, z, out, words, rng)
        s.touched[0] = s.touched[1] = 0
        if w.booked == 1:
            _trade_positions(s, b, w, z, rng)
        _flows(s, w, z, rng)
        moved = _move(s, w, z, rng)
        end_ns = s.time_ns + int(z.dt_s) * NS_PER_S
        shown_ns = end_ns - 2 * MS if z.dt_s < COARSE_S else end_ns
        _write_trades(s, w, z, shown_ns, out, words)
        _write_levels(s, w, z, shown_ns, end_ns // NS_PER_S, out, words)
        _beat(s, w, z, end_ns, out, words)
        for k in range(COMPONENTS):
            s.memory[2 if moved < 0.0 else 3, k] += abs(moved) * 1e4
        for side in range(2):
            if w.booked == 1:
                s.touched[side] = take_touched(
                    b, side, s.mark, s.touched_price[side], s.touched_coin[side]
                )
        s.time_ns = end_ns
        s.steps += 1
