"""LEVERAGE_RESET: leverage has been taken out and is not coming back (method 11.4).

It enters when open interest is a tenth below its highest of 14 days, or unusually low for a month; the side
pays neither much nor hardly anything and funding is near neutral; its bursts have shrunk; forced orders no
longer trigger each other within seconds; and no more than a quarter of the fall has been built again. It
stays until half of the fall is back, the side is stressed, or a new burst comes near the largest.

Of each side, of the bursts and the stress of that side.
"""

import math

from streams.breakers.breaker import (
    ACTIVE,
    GE,
    LE,
    LT,
    all_hold,
    all_sure,
    both,
    breaker_record,
    either,
    judge,
    least_coverage,
    likelier,
    live,
    since_last,
    unasked,
)
from streams.kernels.jit import NS_PER_S, Record, kernel

NAME = "LEVERAGE_RESET"
#: What each condition looks at. The first two are alternatives; from STAYS on they end an active breaker.
METRICS = (
    "oi_drawdown_14d", "oi_z", "funding_stress_{side}", "funding_stress_{side}", "funding_excess_apr",
    "funding_excess_apr", "burst_shrinkage_{side}", "branching_fast_{side}", "oi_releverage_14d",
    "oi_releverage_14d", "funding_stress_{side}", "burst_relative_{side}",
)  # fmt: skip
STAYS = 9
BREAKER = breaker_record(len(METRICS))


@kernel
def _judge_entry(b: Record, i: Record, dt_s: float, p: Record) -> None:
    h, share, apr, own = p.margin_half_life_s, p.margin_sd_share, p.margin_sd_apr, math.nan
    c = b.conditions
    judge(c[0], i.oi_drawdown, LE, p.reset_drawdown, p.margin_sd_oi, own, dt_s, h)
    judge(c[1], i.oi_z, LE, p.reset_oi_z, 1.0, 1.0, dt_s, h)
    judge(c[2], i.stress, GE, p.reset_stress_low, share, own, dt_s, h)
    judge(c[3], i.stress, LE, p.reset_stress_high, share, own, dt_s, h)
    judge(c[4], i.excess, GE, -p.reset_excess_apr, apr, own, dt_s, h)
    judge(c[5], i.excess, LE, p.reset_excess_apr, apr, own, dt_s, h)
    judge(c[6], i.shrinkage, LE, p.reset_shrinkage, share, own, dt_s, h)
    judge(c[7], i.n_fast, LE, p.reset_branching, p.margin_sd_branching, i.n_fast_se.value, dt_s, h)
    judge(c[8], i.releverage, LE, p.reset_releverage, share, own, dt_s, h)


@kernel
def _judge_stay(b: Record, i: Record, dt_s: float, p: Record) -> None:
    """Look at what would end it; only a burst that began since can."""
    h, share, own = p.margin_half_life_s, p.margin_sd_share, math.nan
    c = b.conditions
    judge(c[9], i.releverage, LT, p.reset_releverage_exit, share, own, dt_s, h)
    judge(c[10], i.stress, LT, p.reset_stress_exit, share, own, dt_s, h)
    if b.status == ACTIVE and i.burst_ns > b.since_ns:
        judge(c[11], i.relative, LT, p.reset_burst_exit, share, own, dt_s, h)
    else:
        unasked(c[11])


@kernel
def step(b: Record, i: Record, now_ns: int, p: Record) -> None:
    """Advance one side's breaker to `now_ns` on the inputs as they stand."""
    dt_s = since_last(b, now_ns)
    _judge_entry(b, i, dt_s, p)
    _judge_stay(b, i, dt_s, p)
    c = b.conditions
    enter = both(either(c[0].passed, c[1].passed), all_hold(b, 2, STAYS))
    b.belief = likelier(c[0].sure, c[1].sure) * all_sure(b, 2, STAYS)
    b.coverage = least_coverage(b)
    live(
        b, enter, all_hold(b, STAYS, c.size), now_ns, int(p.reset_candidate_s * NS_PER_S),
        int(p.reset_hold_s * NS_PER_S), int(p.reset_expiry_s * NS_PER_S),
        int(p.breaker_grace_s * NS_PER_S),
    )  # fmt: skip
