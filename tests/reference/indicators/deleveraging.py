"""Open interest over days, from every tick's values."""

import math

from tests.reference.indicators.open_interest import Venue

DAY_S = 86_400


def _at(venue: Venue, second: int, window_s: int, bucket_s: int) -> float:
    """Return the last value by the end of the bucket that holds the window's start."""
    end = ((second - window_s) // bucket_s + 1) * bucket_s
    known = [v for s, v in zip(venue.path.seconds, venue.path.values, strict=True) if s < end]
    return known[-1] if known else math.nan


def week_change(venues: list[Venue], second: int) -> float:
    """Return the matched-panel change since the end of the 3 hours that held a week ago."""
    pairs = [(_at(v, second, 7 * DAY_S, 3 * 3600), v.path.values[-1]) for v in venues]
    pairs = [(then, now) for then, now in pairs if then == then and now == now]
    old = math.fsum(then for then, _ in pairs)
    return math.fsum(now - then for then, now in pairs) / old if old > 0.0 else math.nan


def drawdown(seconds: list[int], log_oi: list[float]) -> float:
    """Return how far the last value is below the highest since 14 days ago, to the full 4 hours."""
    first = (seconds[-1] // (4 * 3600) - 84) * 4 * 3600
    peak = max(x for s, x in zip(seconds, log_oi, strict=True) if s >= first and x == x)
    return math.exp(log_oi[-1] - peak) - 1.0
