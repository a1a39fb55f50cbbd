"""What happens at a tick, and at each row: the order in which indicators and machines see the market.

`fold_rows` is the inner loop. It runs until Python has something to do: a contract fact or history row to
take (CONTROL), or a signal to write (SAID).
"""

import math

from streams.breakers import machine
from streams.events import Channel, Flag, Kind
from streams.indicators import (
    bursts,
    cascade,
    funding,
    gates,
    liquidations,
    open_interest,
    price,
    quadrant,
)
from streams.kernels.jit import NS_PER_S, Record, kernel
from streams.readings import Quality

DONE, CONTROL, SAID = 0, 1, 2
FEEDS_NEVER, FEEDS_OK, FEEDS_DEGRADED = 0, 1, 2

TRADE, MARK, FUNDING, OPEN_INTEREST, LIQUIDATION = (
    int(Kind.TRADE), int(Kind.MARK), int(Kind.FUNDING), int(Kind.OPEN_INTEREST), int(Kind.LIQUIDATION),
)  # fmt: skip
HEARTBEAT, FEED_UP, FEED_DOWN, GAP = (
    int(Kind.HEARTBEAT), int(Kind.FEED_UP), int(Kind.FEED_DOWN), int(Kind.GAP),
)  # fmt: skip
FIRST_CONTROL = int(Kind.INSTRUMENT)
BACKFILL, SNAPSHOT = int(Flag.BACKFILL), int(Flag.SNAPSHOT)
INCOMPLETE = int(Flag.SAMPLED | Flag.PARTIAL)
LIQUIDATION_CHANNEL, TRADE_CHANNEL = int(Channel.LIQUIDATION), int(Channel.TRADE)
UNIT_ASSUMED = int(Quality.UNIT_ASSUMED)
SMALLEST_PRICE, LIMIT = 1e-15, 1e15


@kernel
def contract_init(c: Record) -> None:
    """Prepare a contract's record."""
    c.feed.channels = c.feed.heartbeat_ns = c.feed.inverse = c.feed.aside = 0
    price.contract_init(c.price)
    open_interest.contract_init(c.open_interest)
    funding.contract_init(c.funding)
    liquidations.contract_init(c.liquidations)
    gates.contract_init(c.gates)


@kernel
def underlying_init(u: Record) -> None:
    """Prepare an underlying's record; its readings are NaN already."""
    u.origin_ns = u.time_ns = u.tick_ns = u.live = u.sequence = 0
    u.feeds = u.feeds_said = u.feeds_ns = u.trigger_ns = 0
    u.bought_usd = u.sold_usd = 0.0
    price.underlying_init(u.price)
    open_interest.underlying_init(u.open_interest)
    funding.underlying_init(u.funding)
    liquidations.underlying_init(u.liquidations)
    cascade.underlying_init(u.cascade)
    quadrant.underlying_init(u.quadrant)
    for side in range(2):
        bursts.burst_init(u.burst[side])
        machine.machine_init(u.machine[side])


@kernel
def _live_channels(
    contracts: Record,
    members: Record,
    count: int,
    channel: int,
    time_ns: int,
    p: Record,
    out: Record,
) -> None:
    for k in range(count):
        feed = contracts[members[k]].feed
        beats = (
            feed.heartbeat_ns > 0 and time_ns - feed.heartbeat_ns <= p.heartbeat_stale_s * NS_PER_S
        )
        out[k] = beats and feed.channels & channel != 0


@kernel
def _markets(
    u: Record, contracts: Record, members: Record, count: int, time_ns: int, dt_s: float,
    now_s: float, live: bool, p: Record, n: Record, work: Record, up: Record,
) -> None:  # fmt: skip
    """Advance every indicator to `time_ns` and write its readings."""
    r = u.readings
    price.tick(u.price, contracts, members, count, time_ns, live)
    open_interest.tick(u.open_interest, contracts, members, count, time_ns, dt_s, p)
    price.publish(u.price, r, time_ns, dt_s, p.sigma_half_life_s, live)
    open_interest.publish(u.open_interest, contracts, members, count, r, time_ns, dt_s, now_s, p)
    if gates.any_tripped(contracts, members, count, time_ns):
        r.oi_usd.quality |= UNIT_ASSUMED
        r.oi_coin.quality |= UNIT_ASSUMED
    open_interest.learn_sizes(u.open_interest, contracts, members, count, time_ns, dt_s, p)
    funding.tick(contracts, members, count, r, time_ns, dt_s, live, p, work)
    funding.publish(u.funding, r, dt_s, now_s, p)
    _live_channels(contracts, members, count, LIQUIDATION_CHANNEL, time_ns, p, up)
    liquidations.tick(u.liquidations, contracts, members, count, up, time_ns, now_s, dt_s, p)
    liquidations.publish(u.liquidations, r, time_ns)
    complete = u.liquidations.complete_live
    cascade.tick(u.cascade, u.price.last_return, complete, time_ns, now_s, dt_s, p)
    cascade.publish(u.cascade, r, n, complete, time_ns, p)


@kernel
def _step_bursts(u: Record, dt_s: float, time_ns: int, now_s: float, p: Record) -> None:
    r = u.readings
    long = liquidations.estimated_rate(u.liquidations, 0, 0)
    short = liquidations.estimated_rate(u.liquidations, 1, 0)
    oi_usd, oi, level = r.oi_usd.value, r.oi_coin.value, u.price.price
    bursts.step(u.burst[0], long, short, oi_usd, oi, level, True, dt_s, time_ns, now_s, p)
    bursts.step(u.burst[1], short, long, oi_usd, oi, level, False, dt_s, time_ns, now_s, p)


@kernel
def _publish_bursts(u: Record, dt_s: float, now_s: float, p: Record) -> None:
    r = u.readings
    long, short = r.liquidated_usd_per_s_60s_long.value, r.liquidated_usd_per_s_60s_short.value
    oi_usd = r.oi_usd.value
    bursts.learn(u.burst[0], long, oi_usd, dt_s, now_s, p)
    bursts.learn(u.burst[1], short, oi_usd, dt_s, now_s, p)
    bursts.publish(u.burst[0], long, oi_usd, r.burst_long, r.liquidation_rank_90d_long, now_s, p)
    bursts.publish(u.burst[1], short, oi_usd, r.burst_short, r.liquidation_rank_90d_short, now_s, p)


@kernel
def _step_quadrants(u: Record, time_ns: int, p: Record) -> None:
    r = u.readings
    moves = (r.return_15m.value, r.return_1h.value, r.return_4h.value)
    coin = (
        u.open_interest.change[0].held, u.open_interest.change[1].held, u.open_interest.change[2].held,
    )  # fmt: skip
    long, short = u.burst[0].phase == bursts.OPEN, u.burst[1].phase == bursts.OPEN
    for w in range(3):
        quadrant.step(
            u.quadrant.windows[w], moves[w], coin[w], price.sigma(u.price, w),
            open_interest.sigma(u.open_interest, w), r.funding_excess_apr.value, long, short,
            time_ns, p,
        )  # fmt: skip
    quadrant.publish(u.quadrant, r)


@kernel
def _crowding(u: Record, p: Record) -> None:
    r = u.readings
    r.crowding_long.value = machine.crowding(r.funding_stress_long, r.oi_z, p.score_coverage)
    r.crowding_short.value = machine.crowding(r.funding_stress_short, r.oi_z, p.score_coverage)
    r.crowding_long.coverage = r.crowding_short.coverage = 0.75


@kernel
def _step_machine(u: Record, side: int, time_ns: int, p: Record) -> None:
    """Advance one side's machine on the readings as they stand."""
    r = u.readings
    sign = 1.0 if side == 0 else -1.0
    c = r.crowding_long.value if side == 0 else r.crowding_short.value
    x = r.fragility_long.value if side == 0 else r.fragility_short.value
    excess, usual = r.funding_excess_apr.value, r.funding_excess_median_30d.value
    m = u.machine[side]
    recent_flush = m.flush_ns > 0 and time_ns - m.flush_ns <= machine.DAY_NS
    underneath = not recent_flush and machine.fragile_underneath(
        sign, r.return_4h.value, price.sigma(u.price, 2),
        r.oi_change_4h.value, open_interest.sigma(u.open_interest, 2), excess,
    )  # fmt: skip
    b = u.burst[side]
    if b.said == bursts.ENDED and b.oi_end <= 0.99 * b.oi_start:
        m.flush_ns = time_ns
    forced = b.phase == bursts.OPEN and b.dominant == 1  # now, not only when it opened
    known_flow = u.liquidations.coverage >= p.score_coverage
    known = known_flow and u.open_interest.coverage >= p.score_coverage
    machine.step(
        m, c, x, underneath, forced, r.oi_change_5m.value, sign * excess,
        sign * usual, u.open_interest.log_oi, known, known_flow, time_ns, p,
    )  # fmt: skip


@kernel
def _publish_machines(u: Record) -> None:
    r = u.readings
    r.fragile_underneath_long.value = float(u.machine[0].underneath)
    r.fragile_underneath_short.value = float(u.machine[1].underneath)
    r.oi_drop_long.value = machine.oi_drop(u.machine[0], u.open_interest.log_oi)
    r.oi_drop_short.value = machine.oi_drop(u.machine[1], u.open_interest.log_oi)


@kernel
def _watch_feeds(u: Record, time_ns: int, p: Record) -> None:
    """Say when mandatory feeds cover too little of the market, and when they do again."""
    ok = (
        u.liquidations.coverage >= p.score_coverage
        and u.open_interest.coverage >= p.score_coverage
        and u.readings.funding_excess_apr.value == u.readings.funding_excess_apr.value
    )
    feeds = FEEDS_OK if ok else FEEDS_DEGRADED
    if u.feeds == FEEDS_NEVER and not ok:
        return  # still starting: the machines say UNKNOWN
    if feeds != u.feeds:
        u.feeds, u.feeds_said, u.feeds_ns = feeds, 1, time_ns


@kernel
def speaks(u: Record) -> bool:
    """Return whether the underlying has something to say."""
    return (
        u.feeds_said + u.burst[0].said + u.burst[1].said + u.machine[0].said + u.machine[1].said > 0
    )


@kernel
def tick(
    u: Record, contracts: Record, members: Record, count: int, time_ns: int, live: bool,
    p: Record, n: Record, work: Record, up: Record,
) -> bool:  # fmt: skip
    """Evaluate an underlying at `time_ns`; return whether it has something to say."""
    if u.tick_ns == 0:
        u.origin_ns = time_ns
    dt_s = (time_ns - u.tick_ns) / NS_PER_S if u.tick_ns > 0 else 0.0
    now_s = (time_ns - u.origin_ns) / NS_PER_S
    u.tick_ns = u.time_ns = u.trigger_ns = time_ns
    _markets(u, contracts, members, count, time_ns, dt_s, now_s, live, p, n, work, up)
    _crowding(u, p)
    if not live:
        return False
    _step_bursts(u, dt_s, time_ns, now_s, p)
    _publish_bursts(u, dt_s, now_s, p)
    _step_quadrants(u, time_ns, p)
    _step_machine(u, 0, time_ns, p)
    _step_machine(u, 1, time_ns, p)
    _publish_machines(u)
    _watch_feeds(u, time_ns, p)
    return speaks(u)


@kernel
def _apply_liquidation(
    u: Record, c: Record, side: int, flags: int, quantity: float, notional: float, time_ns: int,
    p: Record,
) -> bool:  # fmt: skip
    """Take a forced order at once: it may open a burst and so a cascade before the next tick."""
    k = 0 if side > 0 else 1
    now_s = (time_ns - u.origin_ns) / NS_PER_S
    usd = liquidations.value_usd(flags, quantity, notional, c.price.mark, c.price.mark_ns, time_ns)
    before = liquidations.apply(u.liquidations, c.liquidations, k, flags, usd, time_ns, now_s, p)
    if not flags & INCOMPLETE:
        cascade.apply(u.cascade, k, before, usd, time_ns, now_s, p)
    bursts.order(u.burst[k], u.burst[1 - k], before, usd, time_ns)
    _step_bursts(u, 0.0, time_ns, now_s, p)
    if u.burst[k].said != bursts.STARTED:
        return False
    u.trigger_ns = time_ns
    _step_machine(u, k, time_ns, p)
    return True


@kernel
def _apply_open_interest(
    u: Record, c: Record, time_ns: int, quantity: float, usd: float, mark: float, p: Record
) -> bool:
    """Take a level; what the venue left out of coin and USD follows at our own mark. False if it cannot."""
    hold_ns = machine.ns(p.oi_hold_s)
    stale_ns = hold_ns if u.live == 1 else price.HISTORY_STALE_NS  # candles are hourly
    ours = c.price.mark if time_ns - c.price.mark_ns <= stale_ns else math.nan
    if usd != usd:
        mark = ours
        usd = quantity * mark
    elif quantity != quantity:  # of inverse contracts, where USD is exact
        mark = ours
        quantity = usd / mark if mark >= SMALLEST_PRICE else math.nan
    elif mark != mark:
        mark = usd / quantity if quantity > 0.0 else ours
    if not SMALLEST_PRICE <= mark < LIMIT:
        return False
    open_interest.apply(
        u.open_interest, c.open_interest, time_ns, quantity, usd, mark, c.feed.inverse == 1, hold_ns
    )
    return True


@kernel
def _price_or_nan(x: float) -> bool:
    return x != x or SMALLEST_PRICE <= x < LIMIT


@kernel
def sane(kind: int, a: float, b: float, c: float, inverse: bool) -> bool:
    """Return whether a market row's numbers can be true: positive, finite, NaN only where allowed.

    Open interest needs coin, or USD of an inverse contract; the other follows at a mark.
    """
    if kind in (TRADE, LIQUIDATION):
        return SMALLEST_PRICE <= a < LIMIT and 0.0 < b < LIMIT and 0.0 < c < LIMIT
    if kind == OPEN_INTEREST:
        coin, usd = 0.0 <= a < LIMIT, 0.0 <= b < LIMIT
        known = (coin and (b != b or usd)) or (inverse and a != a and usd)
        return known and _price_or_nan(c)
    if kind == MARK:
        return _price_or_nan(a) and _price_or_nan(b) and _price_or_nan(c)
    return kind != FUNDING or -1.0 < a < 1.0


@kernel
def _apply_flow(u: Record, c: Record, side: int, quantity: float, usd: float) -> None:
    """Take a trade of the perpetuals' tape."""
    if side > 0:
        u.bought_usd += usd
    else:
        u.sold_usd += usd
    gates.trade(c.gates, usd if c.feed.inverse == 1 else quantity)


@kernel
def _check_open_interest(
    u: Record, c: Record, time_ns: int, quantity: float, usd: float, counts: Record
) -> None:
    """Run a level through both gates. History has no trades beside it."""
    if u.live == 0:
        return
    if time_ns - c.price.mark_ns <= liquidations.MARK_STALE_NS and gates.check_usd(
        c.gates, quantity, usd, c.price.mark, time_ns
    ):
        counts.oi_usd_mismatch += 1
    amount = usd if c.feed.inverse == 1 else quantity
    if c.feed.channels & TRADE_CHANNEL == 0:
        gates.restart(c.gates)
    elif amount == amount and gates.check_volume(c.gates, amount, time_ns):
        counts.oi_volume_violation += 1


@kernel
def _apply_market(
    u: Record, contract: Record, kind: int, side: int, flags: int, time_ns: int,
    a: float, b: float, c: float, interval_ns: int, counts: Record, p: Record,
) -> bool:  # fmt: skip
    """Take one market row; return whether it made the underlying speak."""
    if not sane(kind, a, b, c, contract.feed.inverse == 1) or (
        kind == FUNDING and not funding.plausible_interval(interval_ns)
    ):
        counts.out_of_range += 1
        return False
    if kind == TRADE:
        contract.price.trade = a
        contract.price.trade_ns = time_ns
        if contract.feed.aside == 0:
            _apply_flow(u, contract, side, b, c)
    elif kind == MARK:
        price.apply_mark(contract.price, time_ns, a, b, c)
    elif kind == FUNDING:
        funding.apply(contract.funding, time_ns, a, interval_ns)
    elif contract.feed.aside == 1:
        return False  # its open interest and forced orders are no part of the panel
    elif kind == OPEN_INTEREST:
        if _apply_open_interest(u, contract, time_ns, a, b, c, p):
            _check_open_interest(u, contract, time_ns, a, b, counts)
        else:
            counts.oi_without_mark += 1
    elif flags & SNAPSHOT:
        counts.old_news += 1
    else:
        return _apply_liquidation(u, contract, side, flags, b, c, time_ns, p)
    return False


@kernel
def _apply_feed(c: Record, kind: int, channels: int, time_ns: int) -> None:
    if kind == HEARTBEAT:
        c.feed.channels = channels
        c.feed.heartbeat_ns = time_ns
    elif kind == FEED_UP:
        c.feed.channels |= channels
        c.feed.heartbeat_ns = time_ns
    elif kind == FEED_DOWN:
        c.feed.channels &= ~channels
    if kind != HEARTBEAT and channels & TRADE_CHANNEL:
        gates.restart(c.gates)


@kernel
def find(keys: Record, slots: Record, mask: int, instrument: int) -> int:
    """Return a contract's slot in the open-addressing table, -1 if it is not there."""
    k = instrument & mask
    while keys[k] != 0:
        if keys[k] == instrument:
            return slots[k]
        k = (k + 1) & mask
    return -1


@kernel
def _apply_row(
    u: Record, contract: Record, row: Record, words: Record, time_ns: int, counts: Record, p: Record
) -> bool:
    kind = int(row.kind)
    if kind < HEARTBEAT:
        return _apply_market(
            u,
            contract,
            kind,
            row.side,
            row.flags,
            time_ns,
            row.a,
            row.b,
            row.c,
            words[6],
            counts,
            p,
        )
    _apply_feed(contract, kind, words[5], time_ns)
    return False


@kernel
def fold_rows(
    rows: Record, words: Record, start: int, history: bool, table: Record, world: Record,
    tools: Record, tick_ns: int,
) -> tuple[int, int, int]:  # fmt: skip
    """Apply rows from `start`; return (next row, what is due, underlying).

    Args:
        rows: the block under the neutral dtype.
        words: the same bytes as int64, shape (rows, 8).
        start: first row to apply.
        history: rows are BACKFILL rows of one underlying, in time order.
        table: (keys, slots, mask), instrument ids to contract slots.
        world: (contracts, owner, underlyings, members, sizes, holding, counts as an array of one).
        tools: (parameters as an array of one, excitation, work, up): numbers and scratch space.
        tick_ns: evaluation times are its multiples.
    """
    keys, slots, mask = table
    contracts, owner, underlyings, members, sizes, holding, counted = world
    settings, n, work, up = tools
    p, counts = settings[0], counted[0]
    for i in range(start, rows.size):
        row = rows[i]
        if row.kind >= FIRST_CONTROL or (row.flags & BACKFILL and not history):
            return i, CONTROL, -1
        slot = find(keys, slots, mask, words[i, 1])
        if slot < 0 or row.kind == 0 or LIQUIDATION < row.kind < HEARTBEAT or row.kind > GAP:
            counts.rows += 1
            if slot < 0:
                counts.unknown_instrument += 1
            else:
                counts.unknown_kind += 1
            continue
        k = owner[slot]
        if sizes[k] == 0:  # nothing to stand beside yet
            counts.rows += 1
            continue
        if holding[k] and not history:
            return i, CONTROL, k
        u = underlyings[k]
        time_ns = row.exchange_ns
        if time_ns < u.time_ns:
            time_ns = u.time_ns
            counts.late += 1
        boundary = time_ns // tick_ns * tick_ns
        if boundary > u.tick_ns:
            if not history:
                u.live = 1
            counts.ticks += 1
            if tick(u, contracts, members[k], sizes[k], boundary, not history, p, n, work, up):
                return i, SAID, k
        u.time_ns = time_ns
        counts.rows += 1
        if _apply_row(u, contracts[slot], row, words[i], time_ns, counts, p):
            return i + 1, SAID, k
    return rows.size, DONE, -1
