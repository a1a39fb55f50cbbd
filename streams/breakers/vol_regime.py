"""VOL_REGIME: volatility has moved to another level, up or down (method 11.4). One for both sides.

It enters when the cumulative sums have alarmed and the label LOW, NORMAL, HIGH has moved the same way within
their hold; or when the variance of a day is far above (expansion, direction 1) or below (compression,
direction -1) that of a month. It stays until that ratio, once it was outside, is back in the usual band.
Either direction may break the treadmill; which it was is told. While it is ACTIVE the direction holds.
"""

import math

from streams.breakers.breaker import (
    ACTIVE,
    DISCRETE,
    GE,
    GT,
    INACTIVE,
    LE,
    LT,
    NO,
    YES,
    all_hold,
    both,
    breaker_record,
    either,
    judge,
    least_coverage,
    likelier,
    live,
    since_last,
    unasked,
)
from streams.kernels.jit import NS_PER_S, Record, kernel

NAME = "VOL_REGIME"
#: What each condition looks at: two that go together, their alternative, and what it needs to stay.
METRICS = ("vol_switch", "vol_regime_change", "vol_expansion", "vol_expansion")
STAYS = 3
BREAKER = breaker_record(len(METRICS))
UP, DOWN = 1, -1


@kernel
def direction_of(switch: float, change: float, ratio: float, before: int) -> int:
    """Return which way volatility is going: as alarm and label say together, else as the ratio does.

    >>> (
    ...     direction_of(-1.0, -1.0, 2.0, 0),
    ...     direction_of(0.0, 0.0, 2.0, 0),
    ...     direction_of(1.0, 0.0, 0.9, 1),
    ... )
    (-1, 1, -1)
    """
    if switch * change > 0.0:
        return UP if switch > 0.0 else DOWN
    if ratio != ratio and before != 0:
        return before
    return DOWN if ratio < 1.0 else UP


@kernel
def _judge_entry(b: Record, i: Record, direction: int, dt_s: float, p: Record) -> None:
    h, c, up = p.margin_half_life_s, b.conditions, direction == UP
    one, own = float(direction), math.nan
    judge(c[0], i.vol_switch, GE if up else LE, one, DISCRETE, own, dt_s, h)
    judge(c[1], i.vol_change, GE if up else LE, one, DISCRETE, own, dt_s, h)
    beyond = p.regime_expansion if up else p.regime_compression
    judge(c[2], i.vol_ratio, GE if up else LE, beyond, p.margin_sd_ratio, own, dt_s, h)


@kernel
def _judge_stay(b: Record, i: Record, direction: int, dt_s: float, p: Record) -> None:
    """Look at whether the ratio is back; `variant` remembers that it was outside."""
    up = direction == UP
    edge = p.regime_exit_high if up else p.regime_exit_low
    judge(
        b.conditions[3], i.vol_ratio, GT if up else LT, edge, p.margin_sd_ratio, math.nan, dt_s,
        p.margin_half_life_s,
    )  # fmt: skip
    if b.conditions[3].passed == YES:
        b.variant = 1
    elif b.variant == 0:
        unasked(b.conditions[3])


@kernel
def step(b: Record, i: Record, now_ns: int, p: Record) -> None:
    """Advance the breaker to `now_ns` on the inputs as they stand."""
    dt_s = since_last(b, now_ns)
    direction = b.direction
    if b.status != ACTIVE:
        direction = direction_of(
            i.vol_switch.value, i.vol_change.value, i.vol_ratio.value, b.direction
        )
    turned = direction != b.direction
    if turned or (b.status == INACTIVE and b.held_ns == 0):
        b.variant = 0
    b.direction = direction
    _judge_entry(b, i, direction, dt_s, p)
    _judge_stay(b, i, direction, dt_s, p)
    c = b.conditions
    enter = either(both(c[0].passed, c[1].passed), c[2].passed)
    b.belief = likelier(c[0].sure * c[1].sure, c[2].sure)
    b.coverage = least_coverage(b)
    live(
        b, NO if turned else enter, all_hold(b, STAYS, c.size), now_ns,
        int(p.regime_candidate_s * NS_PER_S), int(p.regime_hold_s * NS_PER_S),
        int(p.regime_expiry_s * NS_PER_S), int(p.breaker_grace_s * NS_PER_S),
    )  # fmt: skip
