"""The two gates on open interest, from their definitions over plain lists."""

import math
from collections.abc import Sequence

SPAN_S = 60.0


def usd_trips(levels: Sequence[tuple[float, float, float]]) -> int:
    """Count (quantity, usd, mark) whose USD is more than 2 % away from quantity times mark."""
    return sum(
        abs(usd / (quantity * mark) - 1.0) > 0.02
        for quantity, usd, mark in levels
        if quantity * mark > 0.0 and not math.isnan(usd)
    )


def volume_trips(
    levels: Sequence[tuple[float, float]],
    trades: Sequence[tuple[float, float]],
    breaks: Sequence[float] = (),
) -> int:
    """Count levels that moved more than 1.05 times what was traded in their interval and the one before.

    `levels` and `trades` are (seconds, amount); of levels closer than a minute the first counts. `breaks` are
    when trades may have been missed: no pair of intervals across one is judged.
    """
    taken: list[tuple[float, float]] = []
    for at, amount in levels:
        since = [t for t, _ in taken if not any(t < b <= at for b in breaks)]
        if not since or at - since[-1] >= SPAN_S:
            taken.append((at, amount))
    trips = 0
    for (t0, _), (t1, q1), (t2, q2) in zip(taken, taken[1:], taken[2:], strict=False):
        if any(t0 < b <= t2 for b in breaks):
            continue
        volume = math.fsum(v for t, v in trades if t0 < t <= t2)
        trips += volume > 0.0 and abs(q2 - q1) > 1.05 * volume and t1 < t2
    return trips
