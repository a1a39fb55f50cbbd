"""Two price paths by the second, of perpetuals and of spot: what lead-lag and information share look at.

A contract has a present price while its last trade is at most a few seconds old. Each second the contracts
of a path that had one then and now contribute the log return of their last trades, and the path moves by the
mean: no market's coming or going moves it. Where a whole path falls silent it resumes with the move since
then of the contracts that were last in it; that is no return of this second. If none of them is back, its
level is lost (`broken`). Returns are bp, paths too.

Trades and not mid prices, because all venues print trades at once but quote at rhythms of their own, which
would pass for a lead. A market that trades less than every few seconds is left out for the same reason.

Whose time. Seconds end where the log's time passes a whole second, and hold what had arrived by then: the log
is in the order of arrival, and a row that is older than others before it counts at the time it came. So this
is received time, as the method asks, except that the seconds are drawn by the quickest venue's clock. A lead
of a venue whose trades take longer to arrive is therefore missed or understated; `trade_delay_perp` and
`trade_delay_spot` say by how much, as the venues' clocks have it.
"""

import math

import numpy as np

from streams.indicators.feeds import is_spot
from streams.kernels.jit import NS_PER_S, Record, kernel

LAGS = 10  # returns kept of each path
PERP, SPOT = 0, 1
DELAY_SHARE = 1e-3  # weight of one trade in the mean delay
LONGEST_DELAY_NS = 5 * NS_PER_S

CONTRACT = np.dtype([("price", "f8"), ("present", "i8")])  # at the last tick that had any price
UNDERLYING = np.dtype([
    ("level", "f8", (2,)), ("known", "i8", (2,)), ("move", "f8", (2,)),  # of this second, else NaN
    ("recent", "f8", (2, LAGS)),  # the returns before it, newest first
    ("broken", "i8"),  # a path's level was lost at this tick
    ("delay_ms", "f8", (2,)),  # EW mean of received less exchange time of trades
])  # fmt: skip
READINGS = (
    ("trade_delay_perp", "ms", "received less venue time of the last thousand perpetual trades"),
    ("trade_delay_spot", "ms", "the same of spot trades"),
)


@kernel
def contract_init(c: Record) -> None:
    """No price yet."""
    c.price = math.nan
    c.present = 0


@kernel
def underlying_init(u: Record) -> None:
    """Both paths begin at zero with the first return."""
    u.recent[:, :] = math.nan
    u.broken = 0
    for i in range(2):
        u.level[i] = 0.0
        u.known[i] = 0
        u.move[i] = u.delay_ms[i] = math.nan


@kernel
def note_delay(u: Record, feed: Record, exchange_ns: int, received_ns: int) -> None:
    """Take a trade's two times; one that was fetched afterwards says nothing of delays."""
    late = abs(received_ns - exchange_ns) > LONGEST_DELAY_NS
    if late or (feed.aside == 1 and not is_spot(feed)):
        return
    i = SPOT if feed.aside == 1 else PERP
    delay_ms = (received_ns - exchange_ns) / 1e6
    known = u.delay_ms[i] == u.delay_ms[i]
    u.delay_ms[i] = u.delay_ms[i] + DELAY_SHARE * (delay_ms - u.delay_ms[i]) if known else delay_ms


@kernel
def _present(c: Record, i: int, time_ns: int, stale_ns: float) -> bool:
    if i == SPOT and not is_spot(c.feed):
        return False
    return bool(time_ns - c.price.trade_ns <= stale_ns and c.price.trade == c.price.trade)


@kernel
def _advance(
    u: Record, i: int, contracts: Record, slots: Record, count: int, time_ns: int, stale_ns: float
) -> None:
    """Move one path by the mean return of the contracts that were in it and are."""
    total = 0.0
    moved = present = 0
    for k in range(count):
        present += 1 if _present(contracts[slots[k]], i, time_ns, stale_ns) else 0
    resumes = u.known[i] == 0
    u.move[i] = math.nan
    u.known[i] = 1 if present > 0 else 0
    if present == 0:
        return
    for k in range(count):
        c = contracts[slots[k]]
        here = _present(c, i, time_ns, stale_ns)
        if here and c.path.present == 1:
            total += math.log(c.price.trade / c.path.price)
            moved += 1
        c.path.present = 1 if here else 0
        if here:
            c.path.price = c.price.trade
    if moved > 0:
        u.level[i] += total / moved * 1e4
        u.move[i] = math.nan if resumes else total / moved * 1e4
    else:
        u.broken = 1


@kernel
def tick(
    u: Record, contracts: Record, members: Record, count: int, beside: Record, beside_count: int,
    time_ns: int, dt_s: float, p: Record,
) -> None:  # fmt: skip
    """Advance both paths; a step over other than one second is no return of a second."""
    for i in range(2):
        for k in range(LAGS - 1, 0, -1):
            u.recent[i, k] = u.recent[i, k - 1]
        u.recent[i, 0] = u.move[i]
    u.broken = 0
    stale_ns = p.trade_path_stale_s * NS_PER_S
    _advance(u, PERP, contracts, members, count, time_ns, stale_ns)
    _advance(u, SPOT, contracts, beside, beside_count, time_ns, stale_ns)
    if dt_s != 1.0:
        u.move[:] = math.nan
        u.recent[:, :] = math.nan


@kernel
def publish(u: Record, r: Record) -> None:
    """Write how late trades arrive."""
    r.trade_delay_perp.value, r.trade_delay_spot.value = u.delay_ms[PERP], u.delay_ms[SPOT]
