"""Fragility: how little it would take (method 11.1).

``X = 0.50 C + 0.20 rank_90d(fuel) + 0.15 min(1, R0) + 0.15 (1 - rank_30d(absorption))`` with crowding C, the
modelled forced orders within 5 % of the price over open interest as fuel, the structural R0, and the EW mean
share of forced flow that spot takers took. Unknown parts are left out as in `crowding`.

Ranks are those of `streams.kernels.shares`. Fuel x lies at ``x / (x + 0.1)`` in 144 bins: at the usual tenth
of open interest a bin is 3 % of x, and ranks are right to 0.01 where fuel spreads over half of itself, to
0.03 where over a fifth.
Absorption -1..2 lies in 64 bins of 0.05. What either was while the map was young is not remembered.
"""

import math

import numpy as np

from streams.indicators.crowding import put_score, usable
from streams.kernels.jit import NS_PER_S, Record, kernel
from streams.kernels.shares import share_init, share_insert, share_rank, share_record, share_warm
from streams.readings import Quality

WARMUP = int(Quality.WARMUP)
STEP_NS = 10 * NS_PER_S  # as often as the heatmap is told
USUAL_FUEL = 0.1  # of open interest
INSERTS = 200.0

RANKS = np.dtype([
    ("fuel", share_record(144)), ("absorption", share_record(64)),
    ("step_ns", "i8"),
])  # fmt: skip
READINGS = (
    *((f"fuel_rank_90d_{side}", "0..1", f"90-day percentile of forced {side}s within 5 % over OI")
      for side in ("long", "short")),
    *((f"absorption_rank_30d_{side}", "0..1", f"30-day percentile of how much of forced {side}s spot absorbs")
      for side in ("long", "short")),
    *((f"fragility_{side}", "0..1", f"how little it would take to force {side}s out")
      for side in ("long", "short")),
)  # fmt: skip


@kernel
def ranks_init(f: Record) -> None:
    """Nothing is known yet."""
    share_init(f.fuel)
    share_init(f.absorption)
    f.step_ns = 0


@kernel
def fuel_place(share: float) -> float:
    """Return where a share of open interest lies between 0 and 1.

    >>> fuel_place(0.0), fuel_place(0.1)
    (0.0, 0.5)
    """
    return share / (share + USUAL_FUEL)


@kernel
def absorption_place(share: float) -> float:
    """Return where an absorbed share lies between 0 and 1.

    >>> absorption_place(-1.0), absorption_place(0.5), absorption_place(2.0)
    (0.0, 0.5, 1.0)
    """
    return (share + 1.0) / 3.0


@kernel
def _rank(
    h: Record, place: float, x: Record, now_s: float, dt_s: float, half_life_s: float, out: Record
) -> None:
    """Let a value at `place` stand for the time since the last look, and write its rank."""
    share_insert(h, now_s, place, dt_s, half_life_s)
    out.value = share_rank(h, place)
    out.coverage = x.coverage
    out.quality = x.quality
    if not share_warm(h, now_s, half_life_s, INSERTS):
        out.quality |= WARMUP


@kernel
def step(
    f: Record, risk_usd: Record, oi_usd: float, absorbed: Record, time_ns: int, now_s: float,
    fuel_rank: Record, absorption_rank: Record, p: Record,
) -> None:  # fmt: skip
    """Rank one side's fuel and absorption, each ten seconds.

    Args:
        f: the side's memory.
        risk_usd: modelled forced orders within 5 %.
        oi_usd: open interest.
        absorbed: EW mean of the absorbed shares.
        time_ns: the tick.
        now_s: the same in seconds from the start.
        fuel_rank: to write the first rank to.
        absorption_rank: to write the second rank to.
        p: parameters.
    """
    if time_ns // STEP_NS == f.step_ns // STEP_NS:
        return
    dt_s = (time_ns - f.step_ns) / NS_PER_S if f.step_ns > 0 else 0.0
    f.step_ns = time_ns
    fuel = math.nan
    if usable(risk_usd) and oi_usd > 0.0:
        fuel = fuel_place(risk_usd.value / oi_usd)
    _rank(f.fuel, fuel, risk_usd, now_s, dt_s, p.fuel_rank_half_life_s, fuel_rank)
    share = absorption_place(absorbed.value) if usable(absorbed) else math.nan
    _rank(
        f.absorption, share, absorbed, now_s, dt_s, p.absorption_rank_half_life_s, absorption_rank
    )


@kernel
def fragility(
    score: Record,
    crowding: Record,
    fuel_rank: Record,
    r0: Record,
    absorption_rank: Record,
    p: Record,
) -> None:
    """Write `score` from its four parts."""
    total = weight = 0.0
    quality = 0
    w = p.fragility_weights
    if usable(crowding):
        total += w[0] * crowding.value
        weight += w[0]
        quality |= crowding.quality
    if usable(fuel_rank):
        total += w[1] * fuel_rank.value
        weight += w[1]
        quality |= fuel_rank.quality
    if usable(r0):
        total += w[2] * min(1.0, max(0.0, r0.value))
        weight += w[2]
        quality |= r0.quality
    if usable(absorption_rank):
        total += w[3] * (1.0 - absorption_rank.value)
        weight += w[3]
        quality |= absorption_rank.quality
    put_score(score, total, weight, quality, p.score_coverage)
