"""SPOT_ABSORPTION: spot takes what is forced out, and the price holds (method 11.4).

There must have been something to absorb: two bursts of the side within a day, or forced flow of a day worth
noting. Of the last two bursts, or of the last where there are not two, spot took a share of the flow,
less of the expected move came than usual, and half of the move came back within two hours. Spot pays a
premium, or buys while perpetuals sell. It stays until a later burst goes unabsorbed, or spot turns.

Prints, prices and flows must agree: none of them alone is absorption. For shorts, spot sells to who must buy.
"""

import math

from streams.breakers.breaker import (
    ACTIVE,
    DISCRETE,
    GE,
    GT,
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

NAME = "SPOT_ABSORPTION"
#: What each condition looks at; `{two}` is ``_2`` while two bursts are looked at.
METRICS = (
    "recent_bursts_{side}", "forced_share_24h_{side}", "absorbed_flow{two}_{side}",
    "absorbed_price{two}_{side}", "retracement_120m_{side}", "coinbase_premium_bp", "taker_net_usd_spot_4h",
    "taker_net_usd_perp_4h", "absorbed_flow_{side}", "taker_net_z_spot_4h",
)  # fmt: skip
STAYS = 8
BREAKER = breaker_record(len(METRICS))
TWO = 2.0


@kernel
def mirrored(op: int, mirror: float) -> int:
    """Return how a signed reading is compared on the other side.

    >>> mirrored(GE, 1.0) == GE, mirrored(GE, -1.0) == LE, mirrored(LT, -1.0) == GT
    (True, True, True)
    """
    if mirror > 0.0:
        return op
    if op in (GE, LE):
        return LE if op == GE else GE
    return LT if op == GT else GT


@kernel
def _judge_bursts(b: Record, i: Record, dt_s: float, p: Record) -> None:
    """Look at what was forced and how much of it was absorbed."""
    h, share, own = p.margin_half_life_s, p.margin_sd_share, math.nan
    c = b.conditions
    judge(c[0], i.bursts, GE, TWO, DISCRETE, own, dt_s, h)
    judge(c[1], i.forced_share, GE, p.absorption_forced, p.margin_sd_forced, own, dt_s, h)
    b.variant = 1 if i.bursts.value >= TWO else 0
    flow = i.absorbed_flow_2 if b.variant == 1 else i.absorbed_flow
    price = i.absorbed_price_2 if b.variant == 1 else i.absorbed_price
    judge(c[2], flow, GE, p.absorption_flow, share, own, dt_s, h)
    judge(c[3], price, GE, p.absorption_price, share, own, dt_s, h)
    judge(c[4], i.retracement, GE, p.absorption_retracement, share, own, dt_s, h)


@kernel
def _judge_flows(b: Record, i: Record, dt_s: float, p: Record) -> None:
    """Look at what spot and perpetuals do; a premium and a flow are of the other sign for shorts."""
    h, m, own = p.margin_half_life_s, i.mirror, math.nan
    c = b.conditions
    judge(c[5], i.premium, mirrored(GE, m), 0.0, p.margin_sd_bp, own, dt_s, h)
    judge(c[6], i.spot_usd, mirrored(GT, m), 0.0, 1.0, own, dt_s, h)
    judge(c[7], i.perp_usd, mirrored(LE, m), 0.0, 1.0, own, dt_s, h)


@kernel
def _judge_stay(b: Record, i: Record, dt_s: float, p: Record) -> None:
    """Look at what would end it; of the bursts only one that ended since can."""
    h, m, own = p.margin_half_life_s, i.mirror, math.nan
    c = b.conditions
    if b.status == ACTIVE and i.burst_end_ns > b.since_ns:
        judge(c[8], i.absorbed_flow, GE, p.absorption_flow_exit, p.margin_sd_share, own, dt_s, h)
    else:
        unasked(c[8])
    judge(c[9], i.spot_z, mirrored(GE, m), -m * p.absorption_spot_exit, 1.0, 1.0, dt_s, h)


@kernel
def step(b: Record, i: Record, now_ns: int, p: Record) -> None:
    """Advance one side's breaker to `now_ns` on the inputs as they stand."""
    dt_s = since_last(b, now_ns)
    _judge_bursts(b, i, dt_s, p)
    _judge_flows(b, i, dt_s, p)
    _judge_stay(b, i, dt_s, p)
    c = b.conditions
    forced = either(c[0].passed, c[1].passed)
    spot = either(c[5].passed, both(c[6].passed, c[7].passed))
    b.belief = (
        likelier(c[0].sure, c[1].sure)
        * all_sure(b, 2, 5)
        * likelier(c[5].sure, c[6].sure * c[7].sure)
    )
    b.coverage = least_coverage(b)
    live(
        b, both(both(forced, spot), all_hold(b, 2, 5)), all_hold(b, STAYS, c.size), now_ns,
        int(p.absorption_candidate_s * NS_PER_S), int(p.absorption_hold_s * NS_PER_S),
        int(p.absorption_expiry_s * NS_PER_S), int(p.breaker_grace_s * NS_PER_S),
    )  # fmt: skip
