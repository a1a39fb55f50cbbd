"""What a row does: the inner loop over a block, and how each kind of row reaches its contract.

`fold_rows` runs until Python has something to do: a contract fact or history row to take (CONTROL), or a
signal to write (SAID).
"""

import math

from streams.breakers import machine
from streams.conclude import step_machine
from streams.evaluate import step_bursts, tick
from streams.events import Channel, Flag, Kind
from streams.indicators import (
    branching_fit,
    burst_record,
    bursts,
    carry,
    cascade,
    flows,
    funding,
    gates,
    groups,
    heatmap,
    heatmap_score,
    impact,
    liquidations,
    open_interest,
    price,
    throttling,
    trade_paths,
    turnover,
)
from streams.kernels.jit import NS_PER_S, Record, kernel

DONE, CONTROL, SAID = 0, 1, 2

TRADE, MARK, FUNDING, OPEN_INTEREST, LIQUIDATION = (
    int(Kind.TRADE), int(Kind.MARK), int(Kind.FUNDING), int(Kind.OPEN_INTEREST), int(Kind.LIQUIDATION),
)  # fmt: skip
HEARTBEAT, FEED_UP, FEED_DOWN, GAP = (
    int(Kind.HEARTBEAT), int(Kind.FEED_UP), int(Kind.FEED_DOWN), int(Kind.GAP),
)  # fmt: skip
FIRST_CONTROL = int(Kind.INSTRUMENT)
BACKFILL, SNAPSHOT = int(Flag.BACKFILL), int(Flag.SNAPSHOT)
SAMPLED = int(Flag.SAMPLED)
INCOMPLETE = int(Flag.SAMPLED | Flag.PARTIAL)
TRADE_CHANNEL = int(Channel.TRADE)
SMALLEST_PRICE, LIMIT = 1e-15, 1e15
LATE_PRICE_NS = 5 * NS_PER_S  # a trade fetched afterwards counts as flow, but is no present price


@kernel
def forced_at(c: Record, printed: float, time_ns: int) -> float:
    """Return the mark at which an order was forced, the printed price where no recent mark is known."""
    fresh = time_ns - c.price.mark_ns <= liquidations.MARK_STALE_NS
    return c.price.mark if fresh and c.price.mark == c.price.mark else printed


@kernel
def _apply_liquidation(
    u: Record, c: Record, side: int, flags: int, quantity: float, notional: float, time_ns: int,
    late_ns: int, p: Record,
) -> bool:  # fmt: skip
    """Take a forced order at once: it may open a burst and so a cascade before the next tick."""
    k = 0 if side > 0 else 1
    now_s = (time_ns - u.origin_ns) / NS_PER_S
    usd = liquidations.value_usd(flags, quantity, notional, c.price.mark, c.price.mark_ns, time_ns)
    before = liquidations.apply(u.liquidations, c.liquidations, k, flags, usd, time_ns, now_s, p)
    if flags & SAMPLED:
        at_s = throttling.clock_s(time_ns - late_ns, u.origin_ns, p)
        throttling.step(c.throttling, at_s, usd, p)
    if not flags & INCOMPLETE:
        branching_fit.apply(u.branching, u.cascade, k, before, usd, time_ns, now_s, p)
        cascade.apply(u.cascade, k, before, usd, time_ns, now_s, p)
    impact.apply(u.impact, k, flags, usd)
    bursts.order(u.burst[k], u.burst[1 - k], before, usd, time_ns)
    burst_record.order(u.burst_record[k], u.burst[k], c.liquidations, k, quantity)
    heatmap_score.forced(u.heat_score, k, forced_at(c, usd / quantity, time_ns), usd, p.heat_bin)
    step_bursts(u, 0.0, time_ns, now_s, p)
    if u.burst[k].said != bursts.STARTED:
        return False
    u.trigger_ns = time_ns
    step_machine(u, k, time_ns, p)
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
    """Take a trade: its group's taker flow and, of a perpetual, what is held against open interest."""
    u.taker_usd[c.feed.group, 0 if side > 0 else 1] += usd
    if u.live == 1:
        flows.trade(u.flows, c.flows, c.feed.group, side, usd)
    if c.feed.aside == 1:
        return
    gates.trade(c.gates, usd if c.feed.inverse == 1 else quantity)
    turnover.trade(c.turnover, usd if c.feed.inverse == 1 else quantity)
    heatmap.trade(c.heat, side, quantity, usd)


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
        turnover.restart(c.turnover)
        return
    if amount != amount:
        return
    if gates.check_volume(c.gates, amount, time_ns):
        counts.oi_volume_violation += 1
    coin = 1.0 / c.open_interest.anchor if c.feed.inverse == 1 else 1.0
    turnover.level(u.turnover, c.turnover, amount, coin, time_ns)


@kernel
def _apply_funding(
    u: Record, c: Record, flags: int, time_ns: int, late_ns: int, rate: float, interval_ns: int,
    next_ns: int, p: Record,
) -> None:  # fmt: skip
    """Take a rate; of perpetuals it is also paid on open interest."""
    funding.apply(c.funding, flags, time_ns, rate, interval_ns)
    if c.feed.aside == 0:
        hold_ns = machine.ns(p.oi_hold_s)
        carry.apply(u.carry, c, flags, time_ns, time_ns - late_ns, rate, next_ns, hold_ns)


@kernel
def _apply_market(
    u: Record, contract: Record, kind: int, side: int, flags: int, time_ns: int, late_ns: int,
    a: float, b: float, c: float, interval_ns: int, next_ns: int, counts: Record, p: Record,
) -> bool:  # fmt: skip
    """Take one market row; return whether it made the underlying speak."""
    if not sane(kind, a, b, c, contract.feed.inverse == 1) or (
        kind == FUNDING and not funding.plausible_interval(interval_ns)
    ):
        counts.out_of_range += 1
        return False
    if kind == TRADE:
        if late_ns <= LATE_PRICE_NS:
            contract.price.trade = a
            contract.price.trade_ns = time_ns
        _apply_flow(u, contract, side, b, c)
    elif kind == MARK:
        price.apply_mark(contract.price, time_ns, a, b, c)
        heatmap.mark(contract.heat, a)
    elif kind == FUNDING:
        _apply_funding(u, contract, flags, time_ns, late_ns, a, interval_ns, next_ns, p)
    elif contract.feed.aside == 1:  # its open interest and forced orders are no part of the panel
        if kind == OPEN_INTEREST and not groups.take_open_interest(
            contract, time_ns - late_ns, a, b, c
        ):
            counts.oi_without_mark += 1
    elif kind == OPEN_INTEREST:
        if _apply_open_interest(u, contract, time_ns, a, b, c, p):
            _check_open_interest(u, contract, time_ns, a, b, counts)
        else:
            counts.oi_without_mark += 1
    elif flags & SNAPSHOT:
        counts.old_news += 1
    else:
        return _apply_liquidation(u, contract, side, flags, b, c, time_ns, late_ns, p)
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
        turnover.restart(c.turnover)


@kernel
def find(table: Record, instrument: int) -> int:
    """Return a contract's slot in the open-addressing table, -1 if it is not there."""
    mask = table.shape[0] - 1
    k = instrument & mask
    while table[k, 0] != 0:
        if table[k, 0] == instrument:
            return table[k, 1]
        k = (k + 1) & mask
    return -1


@kernel
def _apply_early(contract: Record, row: Record) -> None:
    """Take what is said before there are perpetuals to stand beside: a settlement is said once a day."""
    if row.kind == OPEN_INTEREST and sane(OPEN_INTEREST, row.a, row.b, row.c, False):
        groups.take_open_interest(contract, row.exchange_ns, row.a, row.b, row.c)


@kernel
def _apply_row(
    u: Record, contract: Record, row: Record, words: Record, time_ns: int, counts: Record, p: Record
) -> bool:
    kind = int(row.kind)
    if kind == LIQUIDATION and contract.feed.aside == 0 and sane(kind, row.a, row.b, row.c, False):
        throttling.apply(contract.throttling, row.flags, row.exchange_ns, row.received_ns, p)
    if kind == TRADE and sane(kind, row.a, row.b, row.c, False):
        trade_paths.note_delay(u.paths, contract.feed, row.exchange_ns, row.received_ns)
    if kind < HEARTBEAT:
        return _apply_market(
            u,
            contract,
            kind,
            row.side,
            row.flags,
            time_ns,
            time_ns - row.exchange_ns,
            row.a,
            row.b,
            row.c,
            words[6],
            words[7],
            counts,
            p,
        )
    _apply_feed(contract, kind, words[5], time_ns)
    if kind == GAP and words[5] & TRADE_CHANNEL:
        flows.gap(u.flows, contract.feed.group, words[7], time_ns)
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
        table: instrument ids and contract slots, see `streams.slots`.
        world: (contracts, owner, underlyings, members, sizes, beside, how many beside, holding, counts as an
            array of one).
        tools: (parameters as an array of one, excitation, work, up): numbers and scratch space.
        tick_ns: evaluation times are its multiples.
    """
    contracts, owner, underlyings, members, sizes, beside, asides, holding, counted = world
    settings, n, work, up = tools
    p, counts = settings[0], counted[0]
    for i in range(start, rows.size):
        row = rows[i]
        if row.kind >= FIRST_CONTROL or (row.flags & BACKFILL and not history):
            return i, CONTROL, -1
        slot = find(table, words[i, 1])
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
            _apply_early(contracts[slot], row)
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
            if tick(
                u, contracts, members[k], sizes[k], beside[k], asides[k], boundary, not history,
                p, n, work, up,
            ):  # fmt: skip
                return i, SAID, k
        u.time_ns = time_ns
        counts.rows += 1
        if _apply_row(u, contracts[slot], row, words[i], time_ns, counts, p):
            return i + 1, SAID, k
    return rows.size, DONE, -1
