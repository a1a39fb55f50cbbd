"""Funding apart: linear against inverse, the dearest against the cheapest, since when (method 3.3, 3.4).

Longs of inverse contracts are paid in coin and are often hedgers; their funding moves apart from that of
linear ones. `funding_spread_apr` is the highest less the lowest excess of any contract, however thin: the
two are named in the state's ``funding`` part. `funding_hours_long` counts the hours in a row for which the
OI-weighted excess has been above +10 points of APR, until it falls to +7; the short side mirrors it. Hours
in which funding was unknown are not counted, and break nothing.
"""

import math

import numpy as np

from streams.indicators.funding import EIGHT_HOURS_NS, apr, known
from streams.kernels.jit import Record, kernel
from streams.readings import Quality

PARTIAL = int(Quality.PARTIAL_COVERAGE)

UNDERLYING = np.dtype([
    ("above", "i8", (2,)), ("seconds", "f8", (2,)),  # long, short
    ("known", "i8"),  # at the last tick
])  # fmt: skip
READINGS = (
    ("funding_excess_apr_linear", "per year", "OI-weighted excess funding of linear contracts"),
    ("funding_excess_apr_inverse", "per year", "the same of inverse contracts"),
    ("funding_spread_apr", "per year", "highest less lowest excess funding of a contract"),
    ("funding_hours_long", "hours", "hours in a row with excess above +10 points of APR, until +7"),
    ("funding_hours_short", "hours", "the same with excess below -10 points, until -7"),
)  # fmt: skip


@kernel
def underlying_init(u: Record) -> None:
    """Funding is nowhere near."""
    for side in range(2):
        u.above[side] = 0
        u.seconds[side] = 0.0
    u.known = 0


@kernel
def hours(u: Record, excess: float, dt_s: float, enter: float, leave: float) -> None:
    """Let `dt_s` pass as it was, then take the excess; NaN is unknown.

    >>> u, told = np.zeros(1, UNDERLYING)[0], []
    >>> for excess in (0.11, 0.08, math.nan, 0.08, 0.07, 0.09, 0.12):
    ...     hours(u, excess, 3600.0, 0.10, 0.07)
    ...     told.append(float(u["seconds"][0]) / 3600.0)
    >>> told
    [0.0, 1.0, 2.0, 2.0, 0.0, 0.0, 0.0]
    """
    for side in range(2):
        if u.known == 1 and u.above[side] == 1:
            u.seconds[side] += dt_s
        against = excess if side == 0 else -excess
        if against > enter:
            u.above[side] = 1
        elif against <= leave:
            u.above[side] = 0
            u.seconds[side] = 0.0
    u.known = 1 if excess == excess else 0


@kernel
def _class_mean(
    contracts: Record, members: Record, count: int, inverse: int, neutral: float, time_ns: int,
    out: Record,
) -> None:  # fmt: skip
    """Write one class's weighted mean excess, with the share of its open interest that is known."""
    weight = rated = total = 0.0
    for k in range(count):
        contract = contracts[members[k]]
        if contract.feed.inverse != inverse:
            continue
        held, c = contract.open_interest.weight, contract.funding
        w = held.mean if held.observed_s > 0.0 else 0.0
        weight += w
        if known(c, time_ns):
            rated += w
            total += w * (apr(c.rate, c.interval_ns) - neutral)
    out.coverage = rated / weight if weight > 0.0 else 0.0
    out.value = total / rated if rated > 0.0 else math.nan
    out.quality = 0 if out.coverage >= 0.999 else PARTIAL


@kernel
def spread(contracts: Record, members: Record, count: int, time_ns: int) -> float:
    """Return the highest less the lowest yearly rate of all contracts; NaN when none is known."""
    lowest, highest = math.inf, -math.inf
    for k in range(count):
        c = contracts[members[k]].funding
        if known(c, time_ns):
            yearly = apr(c.rate, c.interval_ns)
            lowest, highest = min(lowest, yearly), max(highest, yearly)
    return highest - lowest if highest >= lowest else math.nan


@kernel
def tick(
    u: Record, contracts: Record, members: Record, count: int, r: Record, time_ns: int, dt_s: float,
    p: Record,
) -> None:  # fmt: skip
    """Write the readings; the cross-venue excess has been written already."""
    neutral = apr(p.neutral_rate_8h, EIGHT_HOURS_NS)
    _class_mean(contracts, members, count, 0, neutral, time_ns, r.funding_excess_apr_linear)
    _class_mean(contracts, members, count, 1, neutral, time_ns, r.funding_excess_apr_inverse)
    excess, all_of_it = r.funding_excess_apr.value, r.funding_excess_apr
    hours(u, excess, dt_s, p.persist_apr, p.funding_hours_leave_apr)
    r.funding_spread_apr.value = spread(contracts, members, count, time_ns)
    r.funding_hours_long.value = u.seconds[0] / 3600.0 if u.known == 1 else math.nan
    r.funding_hours_short.value = u.seconds[1] / 3600.0 if u.known == 1 else math.nan
    r.funding_spread_apr.coverage, r.funding_spread_apr.quality = (
        all_of_it.coverage,
        all_of_it.quality,
    )
    r.funding_hours_long.coverage, r.funding_hours_long.quality = (
        all_of_it.coverage,
        all_of_it.quality,
    )
    r.funding_hours_short.coverage, r.funding_hours_short.quality = (
        all_of_it.coverage,
        all_of_it.quality,
    )
