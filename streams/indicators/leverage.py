"""Leverage: open interest against what there is and what is traded (method 2.6). Relative readings only.

``oi_to_mcap = U / (supply * P)`` is the share of all coins that stands in open contracts, with the supply
of `streams.supply`, Bitcoin's in closed form; ``oi_to_adv = U / V`` is how many days of trading, perpetual
and spot, it would take to turn it over once. Each comes with its 180-day percentile, see
`streams.kernels.ranks`.
"""

import math

import numpy as np

from streams.kernels.bitcoin import bitcoin_at, bitcoin_height
from streams.kernels.jit import Record, kernel
from streams.kernels.ranks import RANKS, ranks_init, ranks_insert, ranks_rank, ranks_warm
from streams.readings import Quality
from streams.supply import BITCOIN

WARMUP, MODELLED, PARTIAL = (
    int(Quality.WARMUP),
    int(Quality.MODELLED),
    int(Quality.PARTIAL_COVERAGE),
)
ASSUMED = int(Quality.UNIT_ASSUMED)
MIN_INSERTS = 200.0
# Widths of the percentiles' bins in ln: volume moves more than supply.
MCAP_STEP, ADV_STEP = 0.015, 0.03

UNDERLYING = np.dtype([("supply", "f8"), ("to_mcap", RANKS), ("to_adv", RANKS)])
READINGS = (
    ("oi_to_mcap", "ratio", "open interest over the value of all coins there are"),
    ("oi_to_mcap_rank_180d", "0..1", "180-day percentile of the same"),
    ("oi_to_adv", "days", "open interest over what is traded in 24 hours, perpetual and spot"),
    ("oi_to_adv_rank_180d", "0..1", "180-day percentile of the same"),
)


@kernel
def underlying_init(u: Record) -> None:
    """The supply is not known; the engine sets it when it learns the underlying's name."""
    u.supply = math.nan
    ranks_init(u.to_mcap)
    ranks_init(u.to_adv)


@kernel
def coins(supply: float, time_ns: int) -> float:
    """Return how many coins there are at `time_ns`, `supply` being what `streams.supply` says.

    >>> coins(7.0, 0), coins(BITCOIN, 1_713_571_767_000_000_000)
    (7.0, 19687500.0)
    """
    return bitcoin_at(bitcoin_height(time_ns)) if supply == BITCOIN else supply


@kernel
def to_mcap(oi_usd: float, price: float, supply: float) -> float:
    """Return open interest as a share of all coins' value; NaN when any part is unknown.

    >>> to_mcap(20e9, 100_000.0, 20e6), to_mcap(20e9, math.nan, 20e6)
    (0.01, nan)
    """
    return oi_usd / (price * supply) if supply > 0.0 else math.nan


@kernel
def to_adv(oi_usd: float, perp_usd: float, spot_usd: float) -> float:
    """Return open interest in days of trading; without spot markets in days of perpetuals' alone.

    >>> to_adv(30e9, 50e9, 10e9), to_adv(30e9, 50e9, math.nan), to_adv(30e9, math.nan, 10e9)
    (0.5, 0.6, nan)
    """
    volume = perp_usd + (spot_usd if spot_usd == spot_usd else 0.0)
    return oi_usd / volume if volume > 0.0 else math.nan


@kernel
def _rank(
    h: Record,
    x: float,
    step: float,
    value: Record,
    rank: Record,
    dt_s: float,
    now_s: float,
    p: Record,
) -> None:
    half_life_s = p.leverage_rank_half_life_s
    ranks_insert(h, now_s, x, dt_s, step, half_life_s)
    value.value, rank.value = x, ranks_rank(h, x, step)
    warm = ranks_warm(h, now_s, half_life_s, MIN_INSERTS)
    rank.quality = value.quality | (0 if warm else WARMUP)
    rank.coverage = value.coverage


@kernel
def publish(
    u: Record, r: Record, perp_usd: float, spot_usd: float, time_ns: int, dt_s: float, now_s: float,
    known: bool, p: Record,
) -> None:  # fmt: skip
    """Write both ratios and where they stand; `known`: enough of the open interest is covered."""
    oi_usd = r.oi_usd.value if known else math.nan
    flags = r.oi_usd.quality | (0 if r.oi_usd.coverage >= 0.999 else PARTIAL)
    r.oi_to_mcap.coverage = r.oi_to_adv.coverage = r.oi_usd.coverage
    r.oi_to_mcap.quality = flags | (MODELLED if u.supply == BITCOIN else ASSUMED)
    r.oi_to_adv.quality = flags | (0 if spot_usd == spot_usd else PARTIAL)
    mcap = to_mcap(oi_usd, r.price.value, coins(u.supply, time_ns))
    _rank(u.to_mcap, mcap, MCAP_STEP, r.oi_to_mcap, r.oi_to_mcap_rank_180d, dt_s, now_s, p)
    adv = to_adv(oi_usd, perp_usd, spot_usd)
    _rank(u.to_adv, adv, ADV_STEP, r.oi_to_adv, r.oi_to_adv_rank_180d, dt_s, now_s, p)
