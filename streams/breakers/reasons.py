"""Why a crowded side is fragile although nothing has happened yet (method 11.2, 11.3): two conditions.

* Fragile underneath: price moved against the side by a usual move of 4 hours, open interest stayed, the crowd
  still pays, and no burst of the last day has cut open interest by a hundredth.
* Near a zone: the price is within a day's standard deviation of a dense zone of the heatmap that holds a
  hundredth of open interest.

Both are YES, NO or UNKNOWN: a part that fails decides, whatever is not known beside it.
"""

import math

from streams.breakers.breaker import NO, UNKNOWN, YES, both
from streams.kernels.jit import Record, kernel


@kernel
def truth(known: bool, holds: bool) -> int:
    """Return a condition in three values.

    >>> truth(True, False) == NO, truth(False, False) == UNKNOWN
    (True, True)
    """
    if not known:
        return UNKNOWN
    return YES if holds else NO


@kernel
def fragile_underneath(
    sign: float, r: float, sigma_r: float, g: float, sigma_g: float, excess: float,
    recent_flush: bool, p: Record,
) -> int:  # fmt: skip
    """Return whether price fell (rose, for shorts: `sign` -1), OI stayed and the crowd still pays.

    Args:
        sign: 1 for longs, -1 for shorts.
        r: log return of 4 hours.
        sigma_r: its usual size.
        g: change of coin OI over 4 hours.
        sigma_g: its usual size.
        excess: funding over its neutral level.
        recent_flush: whether a burst of the side cut open interest within the last day.
        p: parameters.
    """
    moved = truth(r == r and sigma_r > 0.0, sign * r <= -p.underneath_sigmas * sigma_r)
    stayed = truth(g == g and sigma_g > 0.0, abs(g) <= p.underneath_oi_sigmas * sigma_g)
    pays = truth(excess == excess, sign * excess > 0.0)
    return both(both(moved, stayed), both(pays, NO if recent_flush else YES))


@kernel
def near_zone(
    mapped: bool, distance_pct: float, zone_usd: float, oi_usd: float, day_sigma: float, p: Record
) -> int:
    """Return whether the price is near a dense zone that matters.

    Args:
        mapped: whether there is a map of the side, and a price; without a zone in it the answer is NO.
        distance_pct: how far the zone's near end is, NaN if there is none.
        zone_usd: what it holds.
        oi_usd: open interest.
        day_sigma: standard deviation of a day's log return.
        p: parameters.
    """
    if not mapped:
        return UNKNOWN
    if math.isnan(distance_pct):
        return NO
    near = truth(day_sigma > 0.0, distance_pct <= 100.0 * p.fragile_zone_sigmas * day_sigma)
    return both(near, truth(oi_usd > 0.0, zone_usd >= p.fragile_zone_share * oi_usd))
