"""Lead and lag: do perpetuals move first, or spot (method 8.6)?

Exponentially weighted cross-products of the one-second returns of `trade_paths` at lags of 1, 2, 5 and 10
seconds, half-life half an hour. `lead_lag_ratio` is the sum of squared correlations of past perpetual with
present spot returns over that of past spot with present perpetual ones: above 1 perpetuals lead. Noise adds
alike above and below, so the ratio errs towards 1.

`perp_leads` is 1 or 0 by that ratio, and unknown where the correlations together are no larger than chance
makes them in one case of twenty: then nothing leads by seconds. Two minutes on either side of whole hours are
left out, as in `impact`.
"""

import math

import numpy as np

from streams.indicators import trade_paths
from streams.indicators.impact import settling
from streams.kernels.cross import (
    CHANCE,
    CROSS,
    cross_add,
    cross_fade,
    cross_init,
    lead_evidence,
    lead_ratio,
)
from streams.kernels.decay import decay
from streams.kernels.jit import LN2, NS_PER_S, Record, kernel
from streams.readings import Quality

WARMUP = int(Quality.WARMUP)
PERP, SPOT = trade_paths.PERP, trade_paths.SPOT
WARM = 0.75  # share of the memory that is data

UNDERLYING = np.dtype([("cross", CROSS), ("told_ns", "i8"), ("faded_ns", "i8")])
READINGS = (
    ("lead_lag_ratio", "ratio", "squared correlations with perpetuals ahead over those with spot ahead"),
    ("perp_leads", "0/1", "perpetuals lead; unknown where nothing leads beyond chance"),
)  # fmt: skip


@kernel
def underlying_init(u: Record) -> None:
    """Nothing is known yet."""
    cross_init(u.cross)
    u.told_ns = u.faded_ns = 0


@kernel
def tick(u: Record, paths: Record, time_ns: int, p: Record) -> None:
    """Take the second's returns."""
    if u.faded_ns > 0:
        cross_fade(u.cross, decay((time_ns - u.faded_ns) / NS_PER_S, p.lead_lag_half_life_s))
    u.faded_ns = time_ns
    perp, spot = paths.move[PERP], paths.move[SPOT]
    if settling(time_ns, p.settlement_mask_s) or perp != perp or spot != spot:
        return
    cross_add(u.cross, perp, spot, paths.recent)
    u.told_ns = time_ns


@kernel
def publish(u: Record, r: Record, coverage: float, time_ns: int, p: Record) -> None:
    """Write the readings; unknown when nothing was told for a half-life."""
    half_life_s = p.lead_lag_half_life_s
    known = u.told_ns > 0 and time_ns - u.told_ns <= half_life_s * NS_PER_S
    ratio = lead_ratio(u.cross) if known else math.nan
    beyond = ratio == ratio and lead_evidence(u.cross) > CHANCE
    full = u.cross.weights[0, 3] * LN2 / half_life_s >= WARM
    r.lead_lag_ratio.value = ratio
    r.perp_leads.value = (1.0 if ratio > 1.0 else 0.0) if beyond else math.nan
    r.lead_lag_ratio.quality = r.perp_leads.quality = 0 if full else WARMUP
    r.lead_lag_ratio.coverage = r.perp_leads.coverage = coverage
