"""Crowding: how much leverage a side has taken, and how dearly it pays for it (method 11.1).

``C = 0.40 FS + 0.35 Phi(oi_z) + 0.25 rank_180d(OI / market capitalisation)``. Parts that are unknown or still
warm up are left out and the rest re-normalised. `coverage` is the share of the weights that is known; with
too little of it crowding is unknown.
"""

import math

from streams.kernels.jit import Record, kernel
from streams.readings import Quality

WARMUP, PARTIAL = int(Quality.WARMUP), int(Quality.PARTIAL_COVERAGE)
ROUNDING = 1e-9  # 0.35 + 0.25 must not miss 0.60

READINGS = tuple(
    (f"crowding_{side}", "0..1", f"how crowded {side}s are: what they pay, unusual OI, OI over market value")
    for side in ("long", "short")
)  # fmt: skip


@kernel
def normal(x: float) -> float:
    """Return the standard normal distribution function.

    >>> normal(0.0)
    0.5
    """
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


@kernel
def usable(x: Record) -> bool:
    """Return whether a part may count: known, and no longer warming up."""
    return x.value == x.value and x.quality & WARMUP == 0


@kernel
def put_score(score: Record, total: float, weight: float, quality: int, needed: float) -> None:
    """Write a weighted mean of known parts with the share of weights behind it; NaN below `needed`."""
    score.value = total / weight if weight >= needed - ROUNDING else math.nan
    score.coverage = weight
    score.quality = quality | (PARTIAL if weight < 1.0 - ROUNDING else 0)


@kernel
def crowding(score: Record, stress: Record, oi_z: Record, oi_to_mcap: Record, p: Record) -> None:
    """Write `score` from funding stress, the z-score of open interest and its rank over market value."""
    total = weight = 0.0
    quality = 0
    w = p.crowding_weights
    if usable(stress):
        total += w[0] * stress.value
        weight += w[0]
        quality |= stress.quality
    if usable(oi_z):
        total += w[1] * normal(oi_z.value)
        weight += w[1]
        quality |= oi_z.quality
    if usable(oi_to_mcap):
        total += w[2] * oi_to_mcap.value
        weight += w[2]
        quality |= oi_to_mcap.quality
    put_score(score, total, weight, quality, p.score_coverage)
