"""How much of the map is real: the factor phi from what price consumed and what was forced (method 7.6).

Net open interest hides turnover and most margin is shared between positions, so the map's USD are right up to
a factor. An episode begins when price consumes model mass and ends after a minute without, or after an hour.
Its realised forced USD (complete and corrected feeds, over the share of the market they cover) and its
consumed USD enter exponentially weighted sums, half-life 14 days; ``phi = sum(y) / sum(x)`` over both sides.
What is forced between two episodes counts with the next: the model's bin is gone as soon as the mark enters
it, its orders come while the mark crosses it, which in a slow market takes longer than any episode.
Its standard error is the ratio estimator's: the weighted spread of the episodes' ratios around phi.
"""

import math

import numpy as np

from streams.kernels.decay import decay
from streams.kernels.jit import NS_PER_S, Record, kernel

LONGEST_NS = 3600 * NS_PER_S

LEVEL = np.dtype([
    ("realised", "f8"), ("consumed", "f8"),  # EW sums of y and x, USD
    ("yy", "f8"), ("xy", "f8"), ("xx", "f8"),  # the same of products, each weight squared
    ("episodes", "i8"), ("updated_ns", "i8"),
    ("y", "f8", (2,)), ("x", "f8", (2,)),  # the open episode's, by side
    ("start_ns", "i8", (2,)), ("last_ns", "i8", (2,)),
])  # fmt: skip


@kernel
def level_init(s: Record) -> None:
    """No episode yet."""
    s.realised = s.consumed = s.yy = s.xy = s.xx = 0.0
    s.episodes = s.updated_ns = 0
    for side in range(2):
        s.y[side] = s.x[side] = 0.0
        s.start_ns[side] = s.last_ns[side] = 0


@kernel
def _forget(s: Record, side: int) -> None:
    s.start_ns[side] = 0
    s.x[side] = s.y[side] = 0.0


@kernel
def _end(s: Record, side: int, time_ns: int, half_life_s: float) -> None:
    g = decay((time_ns - s.updated_ns) / NS_PER_S, half_life_s) if s.updated_ns > 0 else 1.0
    x, y = s.x[side], s.y[side]
    s.consumed = s.consumed * g + x
    s.realised = s.realised * g + y
    s.xx = s.xx * g * g + x * x
    s.xy = s.xy * g * g + x * y
    s.yy = s.yy * g * g + y * y
    s.episodes += 1
    s.updated_ns = time_ns
    _forget(s, side)


@kernel
def level_step(
    s: Record, side: int, consumed_usd: float, realised_usd: float, time_ns: int, p: Record
) -> None:
    """Take what a step consumed and realised on one side; NaN realised: the feeds were down, no episode."""
    if realised_usd != realised_usd:
        _forget(s, side)
        return
    s.x[side] += consumed_usd
    s.y[side] += realised_usd
    if consumed_usd > 0.0:
        if s.start_ns[side] == 0:
            s.start_ns[side] = time_ns
        s.last_ns[side] = time_ns
    if s.start_ns[side] == 0:
        return
    quiet = time_ns - s.last_ns[side] >= p.heat_episode_s * NS_PER_S
    if quiet or time_ns - s.start_ns[side] >= LONGEST_NS:
        _end(s, side, time_ns, p.heat_phi_half_life_s)


@kernel
def phi(s: Record) -> float:
    """Return realised over consumed USD; NaN before the first episode."""
    return s.realised / s.consumed if s.consumed > 0.0 else math.nan


@kernel
def phi_error(s: Record) -> float:
    """Return the standard error of phi; NaN before two episodes."""
    if s.episodes < 2:
        return math.nan
    ratio = phi(s)
    spread = s.yy - 2.0 * ratio * s.xy + ratio * ratio * s.xx
    return math.sqrt(max(spread, 0.0)) / s.consumed


@kernel
def calibrated(s: Record, p: Record) -> bool:
    """Return whether enough episodes stand behind phi."""
    return s.episodes >= p.heat_phi_episodes
