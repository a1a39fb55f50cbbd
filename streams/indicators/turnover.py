"""Gross opens and closes: what the net change of open interest hides (method 2.4).

Count sides. Every traded coin has a buyer and a seller, and each either opens or closes a position. With V
traded and q the change of open interest over the same time on one contract

    opening sides = V + q,      closing sides = V - q

exactly. Both are summed over contracts and windows from steps between two values of open interest, at the
venue's own cadence but at least 10 s apart. `churn` is V over the sum of |q| of those steps: how many coins
change hands for one by which open interest moves. That sum grows the more often one looks, so a churn means
nothing without its 10 s.

Coins of an inverse contract are those of `open_interest`: USD at the first mark seen, which price cannot
move. A step in which trades may have been missed is left out of all three sums and flagged GAP_IN_WINDOW.
History has no trades beside it: there the readings are unknown.
"""

import math

import numpy as np

from streams.kernels.buckets import (
    bucket_add,
    bucket_full,
    bucket_init,
    bucket_move,
    bucket_ring,
    bucket_sum,
)
from streams.kernels.jit import NS_PER_S, Record, kernel
from streams.readings import Quality

PARTIAL, GAP = int(Quality.PARTIAL_COVERAGE), int(Quality.GAP_IN_WINDOW)
STEP_NS = 10 * NS_PER_S
HOUR_BUCKET_NS, DAY_BUCKET_NS = 120 * NS_PER_S, 1800 * NS_PER_S
HOUR_NS, DAY_NS = 3600 * NS_PER_S, 86_400 * NS_PER_S
TRADED, CHANGED, MOVED = range(3)  # V, q and |q|

CONTRACT = np.dtype([
    ("traded", "f8"),  # since the level: coin, of inverse contracts USD
    ("level", "f8"), ("level_ns", "i8"),  # NaN: no step has begun
])  # fmt: skip
UNDERLYING = np.dtype([
    ("hour", bucket_ring(30, 3)), ("day", bucket_ring(48, 3)),
    ("gap_ns", "i8"),  # when a step was last left out
])  # fmt: skip
READINGS = tuple(
    item
    for name in ("1h", "24h")
    for item in (
        (f"opening_coin_{name}", "coin", f"sides of trades that opened a position over {name}"),
        (f"closing_coin_{name}", "coin", f"sides of trades that closed a position over {name}"),
        (f"churn_{name}", "ratio", f"coin traded over {name} for each by which OI moved, in 10 s steps"),
    )
)  # fmt: skip


@kernel
def contract_init(c: Record) -> None:
    """No step has begun."""
    c.level_ns = 0
    restart(c)


@kernel
def underlying_init(u: Record) -> None:
    """Nothing was seen."""
    bucket_init(u.hour)
    bucket_init(u.day)
    u.gap_ns = 0


@kernel
def restart(c: Record) -> None:
    """Begin a step anew: trades may have been missed."""
    c.traded = 0.0
    c.level = math.nan


@kernel
def trade(c: Record, amount: float) -> None:
    """Take a trade: coin, of inverse contracts USD."""
    c.traded += amount


@kernel
def sides(traded: float, changed: float) -> tuple[float, float]:
    """Return opening and closing sides of what was traded while open interest changed.

    >>> sides(10.0, 4.0), sides(10.0, -10.0)
    ((14.0, 6.0), (0.0, 20.0))
    """
    return traded + changed, traded - changed


@kernel
def _move(u: Record, time_ns: int) -> None:
    bucket_move(u.hour, time_ns // HOUR_BUCKET_NS)
    bucket_move(u.day, time_ns // DAY_BUCKET_NS)


@kernel
def level(u: Record, c: Record, amount: float, coin: float, time_ns: int) -> None:
    """Take a value of open interest, trades being complete: end a step if it is long enough.

    `amount` is in the unit of trades (coin, of inverse contracts USD) and `coin` what one unit is worth.
    """
    if c.level == c.level and time_ns - c.level_ns < STEP_NS:
        return
    if c.level == c.level:
        changed = (amount - c.level) * coin
        _move(u, time_ns)
        bucket_add(u.hour, TRADED, c.traded * coin)
        bucket_add(u.hour, CHANGED, changed)
        bucket_add(u.hour, MOVED, abs(changed))
        bucket_add(u.day, TRADED, c.traded * coin)
        bucket_add(u.day, CHANGED, changed)
        bucket_add(u.day, MOVED, abs(changed))
    elif c.level_ns > 0:
        u.gap_ns = time_ns
    c.traded = 0.0
    c.level = amount
    c.level_ns = time_ns


@kernel
def coverage(contracts: Record, members: Record, count: int, time_ns: int, hold_ns: int) -> float:
    """Return the share of open interest whose steps are going on."""
    weight = covered = 0.0
    for k in range(count):
        contract = contracts[members[k]]
        c, held = contract.turnover, contract.open_interest.weight
        w = held.mean if held.observed_s > 0.0 else 0.0
        weight += w
        if c.level == c.level and time_ns - c.level_ns <= hold_ns:
            covered += w
    return covered / weight if weight > 0.0 else 0.0


@kernel
def _write(
    ring: Record, opening: Record, closing: Record, churn: Record, known: bool, covered: float,
    quality: int,
) -> None:  # fmt: skip
    opening.value = closing.value = churn.value = math.nan
    opening.coverage = closing.coverage = churn.coverage = covered
    opening.quality = closing.quality = churn.quality = quality
    if not (known and bucket_full(ring)):
        return
    traded, moved = bucket_sum(ring, TRADED), bucket_sum(ring, MOVED)
    opened, closed = sides(traded, bucket_sum(ring, CHANGED))
    if opened >= 0.0 and closed >= 0.0:  # fewer than none: the amounts do not fit each other
        opening.value, closing.value = opened, closed
    churn.value = traded / moved if moved > 0.0 else math.nan


@kernel
def publish(
    u: Record, contracts: Record, members: Record, count: int, r: Record, time_ns: int, live: bool,
    p: Record,
) -> None:  # fmt: skip
    """Write the sums of both windows, which begin when the market is first seen live."""
    if live:
        _move(u, time_ns)
    covered = coverage(contracts, members, count, time_ns, int(p.oi_hold_s * NS_PER_S))
    known = live and covered >= p.oi_panel_coverage
    flags = 0 if covered >= 0.999 else PARTIAL
    gap = u.gap_ns > 0 and time_ns - u.gap_ns <= HOUR_NS
    _write(u.hour, r.opening_coin_1h, r.closing_coin_1h, r.churn_1h, known, covered,
           flags | (GAP if gap else 0))  # fmt: skip
    gap = u.gap_ns > 0 and time_ns - u.gap_ns <= DAY_NS
    _write(u.day, r.opening_coin_24h, r.closing_coin_24h, r.churn_24h, known, covered,
           flags | (GAP if gap else 0))  # fmt: skip
