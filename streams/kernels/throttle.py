"""Event rate behind a throttled liquidation feed: events seen over the time they could be seen.

A feed that shows at most one event a second hides most of a cascade. The maximum likelihood
estimate for events of constant rate is N / L: N events seen, L the live time, both exponentially
forgotten.

    model A, dead time       an event is pushed at once, then the symbol is blind for tau.
                             Live: more than tau after the last event seen.
    model B, clock snapshot  the last event of each wall-clock period is pushed at its end.
                             Live: from the event to the end of its period; all of an empty period.

Between updates N <- N*g and L <- L*g + (1 - exp(-delta*dt_live))/delta with delta = ln2/h. In
model B a period counts, with or without its event, only when the next one has ended or has shown
an event, because its own event is pushed at its end and travels; `counted_s` is how far that went.
What happened just before the start is unknown, so in model A the first tau is not live.

The USD rate is the estimated rate times the forgotten mean of the sizes seen, which are a fair
draw if size has nothing to do with being shown. It is 0 while nothing was ever seen. With h = 5 s
and tau = 1 s a Poisson feed of any rate is overestimated by 6 to 9 % (A) and 2 to 8 % (B), and
bursts are met within 12 %; a shorter memory overestimates more, a longer one misses the peak. The
estimate means nothing beyond `cap_rate`, about one over the clock jitter. It is a correction:
publish it beside the raw sum, and never use it as events.

Times are seconds since any fixed origin; model B needs an origin on a period's boundary.
"""

import math

import numpy as np

from streams.kernels.decay import decay
from streams.kernels.jit import LN2, Record, kernel

THROTTLE = np.dtype(
    [
        ("events", "f8"),
        ("live_s", "f8"),
        ("last_event_s", "f8"),
        ("time_s", "f8"),
        ("mark_mean", "f8"),
        ("mark_weight", "f8"),
        ("counted_s", "f8"),
    ]
)


@kernel
def throttle_init(s: Record, t_s: float, prior_rate: float, half_life_s: float) -> None:
    """Start listening at `t_s`, as after a half-life lived at `prior_rate` events per second.

    >>> s = np.zeros(1, THROTTLE)[0]
    >>> throttle_init(s, 100.0, 0.02, 5.0)
    >>> round(throttle_rate(s, 100.0), 12), throttle_usd_rate(s, 100.0)
    (0.02, 0.0)
    """
    s.events = prior_rate * half_life_s
    s.live_s = half_life_s
    s.last_event_s = t_s
    s.time_s = t_s
    s.mark_mean = 0.0
    s.mark_weight = 0.0
    s.counted_s = t_s


@kernel
def _live(now_s: float, from_s: float, to_s: float, half_life_s: float) -> float:
    """Return the forgotten live time, as of `now_s`, of the interval; 0 when it is empty."""
    if not to_s > from_s:
        return 0.0
    delta = LN2 / half_life_s
    weight = math.exp(-delta * (now_s - to_s))
    return weight * -math.expm1(-delta * (to_s - from_s)) / delta


@kernel
def _forget(s: Record, t_s: float, half_life_s: float, mark_half_life_s: float) -> None:
    dt_s = t_s - s.time_s
    if not dt_s > 0.0:
        return
    g = decay(dt_s, half_life_s)
    s.events *= g
    s.live_s *= g
    s.mark_weight *= decay(dt_s, mark_half_life_s)
    s.time_s = t_s


@kernel
def _see_mark(s: Record, usd: float) -> None:
    s.mark_weight += 1.0
    s.mark_mean += (usd - s.mark_mean) / s.mark_weight


@kernel
def dead_time_step(
    s: Record, t_s: float, usd: float, dead_s: float, half_life_s: float, mark_half_life_s: float
) -> None:
    """Model A: advance to `t_s`, where an event of `usd` was seen if `usd` is above 0.

    A late `t_s` counts as now. Sizes that are NaN, infinite or not positive only advance time.

    >>> s = np.zeros(1, THROTTLE)[0]
    >>> throttle_init(s, 0.0, 0.02, 5.0)
    >>> for i in range(1, 101):
    ...     dead_time_step(s, i * 1.1, 5_000.0, 1.0, 5.0, 60.0)
    >>> round(throttle_rate(s, 100.0), 1), round(throttle_usd_rate(s, 100.0))
    (10.1, 50347)
    """
    before_s = s.time_s
    _forget(s, t_s, half_life_s, mark_half_life_s)
    s.live_s += _live(s.time_s, max(before_s, s.last_event_s + dead_s), s.time_s, half_life_s)
    if 0.0 < usd < math.inf:
        s.events += 1.0
        s.last_event_s = s.time_s
        _see_mark(s, usd)


@kernel
def _weight(s: Record, t_s: float, half_life_s: float) -> float:
    return math.exp(-LN2 * (s.time_s - t_s) / half_life_s)


@kernel
def _has_snapshot_from(s: Record, from_s: float) -> bool:
    return bool(s.mark_weight > 0.0 and s.last_event_s >= from_s)


@kernel
def _settle(s: Record, to_s: float, period_s: float, half_life_s: float) -> None:
    """Count the periods that end by `to_s`: the last one seen with its event, the rest as empty."""
    if not to_s > s.counted_s:
        return
    if _has_snapshot_from(s, s.counted_s):
        end_s = (math.floor(s.last_event_s / period_s) + 1.0) * period_s
        s.events += _weight(s, s.last_event_s, half_life_s)
        s.live_s += _live(s.time_s, s.last_event_s, end_s, half_life_s)
        s.counted_s = end_s
    s.live_s += _live(s.time_s, s.counted_s, to_s, half_life_s)
    s.counted_s = to_s


@kernel
def _see_late_snapshot(s: Record, t_s: float, start_s: float, half_life_s: float) -> None:
    """Correct a period that was counted already: as empty, or with an earlier event."""
    if _has_snapshot_from(s, start_s):
        if t_s <= s.last_event_s:
            return
        s.events -= _weight(s, s.last_event_s, half_life_s)
        start_s = s.last_event_s
    s.events += _weight(s, t_s, half_life_s)
    s.live_s = max(s.live_s - _live(s.time_s, start_s, t_s, half_life_s), 0.0)
    s.last_event_s = max(s.last_event_s, t_s)


@kernel
def clock_snapshot_step(
    s: Record, t_s: float, usd: float, period_s: float, half_life_s: float, mark_half_life_s: float
) -> None:
    """Model B: an event of `usd` happened at `t_s` if `usd` is above 0; time never goes back.

    `t_s` of an event is when it happened, not when it was pushed, and may lie before the record's
    time. If a period shows several events its last one counts: a complete feed gives the same rate.

    >>> s = np.zeros(1, THROTTLE)[0]
    >>> throttle_init(s, 0.0, 0.02, 3.0)
    >>> for i in range(100):
    ...     clock_snapshot_step(s, i + 0.9, 5_000.0, 1.0, 3.0, 60.0)
    >>> round(throttle_rate(s, 100.0), 1)
    9.9
    """
    _forget(s, t_s, half_life_s, mark_half_life_s)
    _settle(s, (math.floor(s.time_s / period_s) - 1.0) * period_s, period_s, half_life_s)
    if not 0.0 < usd < math.inf:
        return
    start_s = math.floor(t_s / period_s) * period_s
    if t_s < s.counted_s:
        _see_late_snapshot(s, t_s, start_s, half_life_s)
    else:
        _settle(s, start_s, period_s, half_life_s)
        s.last_event_s = max(s.last_event_s, t_s)
    _see_mark(s, usd)


@kernel
def throttle_rate(s: Record, cap_rate: float) -> float:
    """Return the estimated events per second, at most `cap_rate`.

    >>> s = np.zeros(1, THROTTLE)[0]
    >>> throttle_init(s, 0.0, 250.0, 5.0)
    >>> throttle_rate(s, 100.0)
    100.0
    """
    if not s.events > 0.0:
        return 0.0
    return float(min(s.events / s.live_s, cap_rate))


@kernel
def throttle_usd_rate(s: Record, cap_rate: float) -> float:
    """Return the estimated USD per second: the capped rate times the mean size seen.

    >>> s = np.zeros(1, THROTTLE)[0]
    >>> throttle_init(s, 0.0, 0.02, 5.0)
    >>> dead_time_step(s, 9.0, 1_000.0, 1.0, 5.0, 60.0)
    >>> bool(throttle_usd_rate(s, 0.1) == 100.0)
    True
    """
    return float(throttle_rate(s, cap_rate) * s.mark_mean)
