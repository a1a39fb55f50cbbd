"""Cascade intensity: a marked Hawkes recursion with price sources, at configured excitation.

``lambda_i(t) = mu_i + sum_j sum_k n_ijk beta_k A_jk(t)`` for targets i in {longs, shorts liquidated} and
sources j in {long, short liquidations, down moves, up moves}; half-lives 2 s, 15 s, 120 s (method 5.1).
A liquidation's mark is ``sqrt(usd / EW mean)`` with unit mean, capped; a price source's is |return| in bp
of each second. Only complete feeds drive it. The excitation ``n`` is configured here and estimated in a
later stage, so every number is MODELLED. `cascade_intensity` is ``ln(lambda / mu)``: 0 is background.

While no complete feed is live the numbers are NaN; for ten minutes after they carry GAP_IN_WINDOW,
because events nobody saw are missing from the memory.
"""

import math

import numpy as np

from streams.kernels.decay import decay, point_rate
from streams.kernels.excitation import (
    EXCITATION,
    excitation_add,
    excitation_advance,
    excitation_init,
    excitation_intensity,
    excitation_part,
)
from streams.kernels.jit import NS_PER_S, Record, kernel
from streams.readings import Quality

MODELLED = int(Quality.MODELLED)
WARMUP = int(Quality.WARMUP)
GAP = int(Quality.GAP_IN_WINDOW)
THROTTLED = int(Quality.THROTTLED_SOURCE)
MARK_HALF_LIFE_S = 86_400.0
GAP_FLAG_NS = 5 * 120 * NS_PER_S
WARM_EVENTS = 200.0

UNDERLYING = np.dtype([
    ("excitation", EXCITATION),
    ("mark_sum", "f8"), ("mark_weight", "f8"), ("mark_ns", "i8"),  # EW mean of sqrt(usd)
    ("events", "f8", (2,)), ("events_ns", "i8"),  # EW counts, a day
    ("seen", "f8"), ("observed_s", "f8"),
    ("gap_ns", "i8"),
])  # fmt: skip
READINGS = (
    *((f"liquidation_intensity_{side}", "events/s", f"modelled rate of {side} liquidations now")
      for side in ("long", "short")),
    *((f"cascade_intensity_{side}", "ln ratio", "ln of that rate over its background; 0 is calm")
      for side in ("long", "short")),
    *((f"intensity_self_{side}", "events/s", f"part excited by liquidations of {side}s")
      for side in ("long", "short")),
    *((f"intensity_cross_{side}", "events/s", "part excited by the other side's liquidations")
      for side in ("long", "short")),
    *((f"intensity_price_{side}", "events/s", "part excited by the price's own moves")
      for side in ("long", "short")),
)  # fmt: skip


@kernel
def underlying_init(u: Record) -> None:
    """No event yet."""
    excitation_init(u.excitation)
    u.mark_sum = u.mark_weight = u.seen = u.observed_s = 0.0
    u.events[0] = u.events[1] = 0.0
    u.mark_ns = u.events_ns = u.gap_ns = 0


@kernel
def mark_of(u: Record, usd: float, cap: float) -> float:
    """Return the mark of an order of `usd` against the EW mean of past ones; 1 for the first."""
    if u.mark_weight <= 0.0:
        return 1.0
    return min(math.sqrt(usd) * u.mark_weight / u.mark_sum, cap)


@kernel
def apply(
    u: Record, side: int, usd_before: float, usd: float, time_ns: int, now_s: float, p: Record
) -> None:
    """Take a print of a complete feed; `usd_before` > 0 means it continues an order."""
    excitation_advance(u.excitation, now_s, p.hawkes_half_lives_s)
    if usd_before > 0.0:  # the order grew: its mark grows, it is no second event
        added = mark_of(u, usd_before + usd, p.mark_cap) - mark_of(u, usd_before, p.mark_cap)
        excitation_add(u.excitation, side, added)
        return
    excitation_add(u.excitation, side, mark_of(u, usd, p.mark_cap))
    g = decay((time_ns - u.mark_ns) / NS_PER_S, MARK_HALF_LIFE_S) if u.mark_ns > 0 else 0.0
    u.mark_sum = u.mark_sum * g + math.sqrt(usd)
    u.mark_weight = u.mark_weight * g + 1.0
    u.mark_ns = time_ns
    _decay_counts(u, time_ns, p)
    u.events[side] += 1.0
    u.seen += 1.0


@kernel
def _decay_counts(u: Record, time_ns: int, p: Record) -> None:
    g = decay((time_ns - u.events_ns) / NS_PER_S, p.hawkes_mu_half_life_s)
    u.events[0] *= g
    u.events[1] *= g
    u.events_ns = time_ns


@kernel
def tick(
    u: Record, last_return: float, complete_live: int, time_ns: int, now_s: float, dt_s: float,
    p: Record,
) -> None:  # fmt: skip
    """Add the second's price move as a source; note gaps of the complete feeds."""
    excitation_advance(u.excitation, now_s, p.hawkes_half_lives_s)
    _decay_counts(u, time_ns, p)
    if last_return == last_return and dt_s <= 10.0:
        excitation_add(u.excitation, 2 if last_return < 0.0 else 3, abs(last_return) * 1e4)
    if complete_live > 0:
        u.observed_s += dt_s
    else:
        u.gap_ns = time_ns


@kernel
def background(u: Record, side: int, p: Record) -> float:
    """Return ``mu``: the day's rate less what the configured excitation explains, with a floor."""
    fraction = 0.0
    for k in range(3):
        fraction += p.hawkes_self[k] + p.hawkes_cross[k]
    elapsed = -math.expm1(-0.6931471805599453 * u.observed_s / p.hawkes_mu_half_life_s)
    if elapsed <= 0.0:
        return p.hawkes_mu_floor
    rate = point_rate(u.events[side], p.hawkes_mu_half_life_s) / elapsed
    return max(rate * max(0.0, 1.0 - fraction), p.hawkes_mu_floor)


@kernel
def fill_excitation(n: Record, p: Record) -> None:
    """Write the configured ``n[target, source, component]``; down moves excite longs, up moves shorts."""
    for k in range(3):
        for target in range(2):
            n[target, target, k] = p.hawkes_self[k]
            n[target, 1 - target, k] = p.hawkes_cross[k]
            n[target, 2 + target, k] = p.hawkes_price_gain[k]
            n[target, 3 - target, k] = 0.0


@kernel
def _write(
    u: Record, side: int, n: Record, flags: int, known: bool, p: Record,
    rate: Record, log_ratio: Record, own: Record, cross: Record, price: Record,
) -> None:  # fmt: skip
    mu = background(u, side, p)
    lam = excitation_intensity(u.excitation, side, mu, n, p.hawkes_half_lives_s)
    rate.value = lam if known else math.nan
    log_ratio.value = math.log(lam / mu) if known else math.nan
    own.value = excitation_part(u.excitation, side, side, n, p.hawkes_half_lives_s)
    cross.value = excitation_part(u.excitation, side, 1 - side, n, p.hawkes_half_lives_s)
    price.value = excitation_part(u.excitation, side, 2 + side, n, p.hawkes_half_lives_s)
    if not known:
        own.value = cross.value = price.value = math.nan
    rate.quality = log_ratio.quality = own.quality = cross.quality = price.quality = flags


@kernel
def publish(u: Record, r: Record, n: Record, complete_live: int, time_ns: int, p: Record) -> None:
    """Write the intensities as of the last advance."""
    warm = u.seen >= WARM_EVENTS and u.observed_s >= 2.0 * p.hawkes_mu_half_life_s
    known = complete_live > 0
    flags = MODELLED | (0 if warm else WARMUP)
    if u.gap_ns > 0 and time_ns - u.gap_ns <= GAP_FLAG_NS:
        flags |= GAP
    if not known:
        flags |= THROTTLED
    _write(u, 0, n, flags, known, p, r.liquidation_intensity_long, r.cascade_intensity_long,
           r.intensity_self_long, r.intensity_cross_long, r.intensity_price_long)  # fmt: skip
    _write(u, 1, n, flags, known, p, r.liquidation_intensity_short, r.cascade_intensity_short,
           r.intensity_self_short, r.intensity_cross_short, r.intensity_price_short)  # fmt: skip
