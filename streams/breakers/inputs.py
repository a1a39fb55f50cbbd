"""What the breakers look at, gathered from the readings for one side: a breaker knows names, not places."""

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
    _take(i.oi_drawdown, r.oi_drawdown_14d)
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
    _take(i.absorbed_flow, r.absorbed_flow_long if long else r.absorbed_flow_short)
    _take(i.absorbed_flow_2, r.absorbed_flow_2_long if long else r.absorbed_flow_2_short)
    _take(i.absorbed_price, r.absorbed_price_long if long else r.absorbed_price_short)
    _take(i.absorbed_price_2, r.absorbed_price_2_long if long else r.absorbed_price_2_short)
    _take(i.retracement, r.retracement_120m_long if long else r.retracement_120m_short)
    _take(i.premium, r.coinbase_premium_bp)
    _take(i.spot_usd, r.taker_net_usd_spot_4h)
    _take(i.perp_usd, r.taker_net_usd_perp_4h)
    _take(i.spot_z, r.taker_net_z_spot_4h)


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
