"""Two sanity gates on every contract's open interest (method 2.1): a wrong unit shows before it is believed.

* usd: the venue's own USD must equal quantity times mark within 2 %;
* volume: open interest cannot move by more than was traded, ``|dq| <= V`` on one contract and interval.

Intervals are of 60 s at least, and the one before counts as well, because venues publish open interest some
seconds late. Nothing is judged over an interval in which trades may have been missed. Inverse contracts are
measured in USD, which price cannot move. A contract that has tripped within an hour is not to be trusted in
its unit: open interest readings carry UNIT_ASSUMED.
"""

import math

import numpy as np

from streams.kernels.jit import NS_PER_S, Record, kernel

USD_TOLERANCE = 0.02
VOLUME_SLACK = 0.05
SPAN_NS = 60 * NS_PER_S
REMEMBER_NS = 3600 * NS_PER_S

CONTRACT = np.dtype([
    ("volume", "f8"), ("before", "f8"),  # traded since the level, and in the interval before it; NaN: unknown
    ("level", "f8"), ("level_ns", "i8"),
    ("usd_trips", "i8"), ("volume_trips", "i8"), ("tripped_ns", "i8"),
])  # fmt: skip


@kernel
def contract_init(g: Record) -> None:
    """Nothing measured, nothing tripped."""
    g.usd_trips = g.volume_trips = g.tripped_ns = 0
    restart(g)


@kernel
def restart(g: Record) -> None:
    """Measure anew: trades may have been missed."""
    g.volume = 0.0
    g.before = g.level = math.nan
    g.level_ns = 0


@kernel
def trade(g: Record, amount: float) -> None:
    """Take a trade: coin, of inverse contracts USD."""
    g.volume += amount


@kernel
def check_usd(g: Record, quantity: float, usd: float, mark: float, time_ns: int) -> bool:
    """Take the venue's own USD of a level; return whether it trips. What is NaN is not judged."""
    if not abs(usd - quantity * mark) > USD_TOLERANCE * quantity * mark:
        return False
    g.usd_trips += 1
    g.tripped_ns = time_ns
    return True


@kernel
def check_volume(g: Record, amount: float, time_ns: int) -> bool:
    """Take a level: coin, of inverse contracts USD; return whether it moved more than was traded."""
    if g.level == g.level and time_ns - g.level_ns < SPAN_NS:
        return False
    traded = (g.volume + g.before) * (1.0 + VOLUME_SLACK)
    tripped = traded > 0.0 and abs(amount - g.level) > traded
    g.before = g.volume if g.level == g.level else math.nan
    g.volume = 0.0
    g.level = amount
    g.level_ns = time_ns
    if tripped:
        g.volume_trips += 1
        g.tripped_ns = time_ns
    return tripped


@kernel
def any_tripped(contracts: Record, members: Record, count: int, time_ns: int) -> bool:
    """Return whether a contract of an underlying has tripped lately."""
    for k in range(count):
        g = contracts[members[k]].gates
        if g.tripped_ns > 0 and time_ns - g.tripped_ns <= REMEMBER_NS:
            return True
    return False
