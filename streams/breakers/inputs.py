"""What the breakers look at, gathered from the readings for one side: a breaker knows names, not places.

A reading that this build does not have is `u.unknown`: NaN, so what rests on it is unknown.
"""

import math

import numpy as np

from streams.indicators import burst_sizes
from streams.kernels.jit import Record, kernel
from streams.readings import VALUE, Quality

WARMUP = int(Quality.WARMUP)

#: Without a side: the name holds for the side that is looked at.
NAMES = (
    "oi_drawdown", "oi_z", "stress", "excess", "shrinkage", "relative", "n_fast", "n_fast_se", "releverage",
    "bursts", "forced_share", "absorbed_flow", "absorbed_flow_2", "absorbed_price", "absorbed_price_2",
    "retracement", "premium", "spot_usd", "perp_usd", "spot_z",
    "vol_switch", "vol_change", "vol_ratio",
)  # fmt: skip
INPUTS = np.dtype([
    *((name, VALUE) for name in NAMES),
    ("mirror", "f8"),  # 1 for longs, -1 for shorts
    ("burst_ns", "i8"), ("burst_end_ns", "i8"),  # begin of the last burst, end of the last finished; 0: none
])  # fmt: skip


# What is not measured yet. Each is `u.unknown` until its reading is there.


@kernel
def oi_to_mcap_rank_180d(u: Record) -> Record:
    """Return the 180-day percentile of open interest over market capitalisation."""
    return u.unknown


@kernel
def oi_change_24h_sigma(u: Record) -> Record:
    """Return the usual size, one standard deviation, of the change of coin OI over 24 hours."""
    return u.unknown


@kernel
def oi_drawdown_14d(u: Record) -> Record:
    """Return coin OI over its highest of 14 days, less one."""
    return u.unknown


@kernel
def absorbed_flow_ew(u: Record, side: int) -> Record:  # noqa: ARG001
    """Return the forgetting mean of a side's absorbed shares of forced flow."""
    return u.unknown


@kernel
def absorbed_flow(u: Record, side: int) -> Record:  # noqa: ARG001
    """Return which share of the last burst spot takers bought (sold, for shorts)."""
    return u.unknown


@kernel
def absorbed_flow_2(u: Record, side: int) -> Record:  # noqa: ARG001
    """Return the mean of that over the last two bursts."""
    return u.unknown


@kernel
def absorbed_price(u: Record, side: int) -> Record:  # noqa: ARG001
    """Return which share of the expected move of the last burst did not happen."""
    return u.unknown


@kernel
def absorbed_price_2(u: Record, side: int) -> Record:  # noqa: ARG001
    """Return the mean of that over the last two bursts."""
    return u.unknown


@kernel
def retracement_120m(u: Record, side: int) -> Record:  # noqa: ARG001
    """Return which share of the last burst's move had come back two hours later."""
    return u.unknown


@kernel
def coinbase_premium_bp(u: Record) -> Record:
    """Return the premium of Coinbase's dollar price."""
    return u.unknown


@kernel
def taker_net_usd_spot_4h(u: Record) -> Record:
    """Return what takers of spot bought less what they sold in four hours."""
    return u.unknown


@kernel
def taker_net_usd_perp_4h(u: Record) -> Record:
    """Return the same of perpetuals."""
    return u.unknown


@kernel
def taker_net_z_spot_4h(u: Record) -> Record:
    """Return that of spot over its own standard deviation."""
    return u.unknown


# Gathering


@kernel
def known(x: Record) -> float:
    """Return a reading's value, NaN while it warms up."""
    return math.nan if x.quality & WARMUP else x.value


@kernel
def _take(to: Record, x: Record) -> None:
    to.value, to.coverage, to.quality = x.value, x.coverage, x.quality


@kernel
def _put(to: Record, value: float, coverage: float, quality: int) -> None:
    to.value, to.coverage, to.quality = value, coverage, quality


@kernel
def _gather_leverage(i: Record, u: Record, side: int) -> None:
    r, long = u.readings, side == 0
    _take(i.oi_drawdown, oi_drawdown_14d(u))
    _take(i.oi_z, r.oi_z)
    _take(i.stress, r.funding_stress_long if long else r.funding_stress_short)
    _take(i.excess, r.funding_excess_apr)
    _take(i.shrinkage, r.burst_shrinkage_long if long else r.burst_shrinkage_short)
    _take(i.relative, r.burst_relative_long if long else r.burst_relative_short)
    _take(i.n_fast, r.branching_fast_long if long else r.branching_fast_short)
    _take(i.n_fast_se, r.branching_fast_se_long if long else r.branching_fast_se_short)
    _take(i.releverage, r.oi_releverage_14d)


@kernel
def _gather_absorption(i: Record, u: Record, side: int) -> None:
    r, long = u.readings, side == 0
    _take(i.bursts, r.recent_bursts_long if long else r.recent_bursts_short)
    _take(i.forced_share, r.forced_share_24h_long if long else r.forced_share_24h_short)
    _take(i.absorbed_flow, absorbed_flow(u, side))
    _take(i.absorbed_flow_2, absorbed_flow_2(u, side))
    _take(i.absorbed_price, absorbed_price(u, side))
    _take(i.absorbed_price_2, absorbed_price_2(u, side))
    _take(i.retracement, retracement_120m(u, side))
    _take(i.premium, coinbase_premium_bp(u))
    _take(i.spot_usd, taker_net_usd_spot_4h(u))
    _take(i.perp_usd, taker_net_usd_perp_4h(u))
    _take(i.spot_z, taker_net_z_spot_4h(u))


@kernel
def gather(i: Record, u: Record, side: int) -> None:
    """Fill the inputs of one side with the readings as they stand."""
    i.mirror = 1.0 if side == 0 else -1.0
    i.burst_ns = u.burst[side].start_ns
    i.burst_end_ns = burst_sizes.last_end(u.burst_sizes[side])
    _gather_leverage(i, u, side)
    _gather_absorption(i, u, side)
    r = u.readings
    _take(i.vol_switch, r.vol_switch)
    _take(i.vol_change, r.vol_regime_change)
    _take(i.vol_ratio, r.vol_expansion)
