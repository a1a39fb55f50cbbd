"""The state behind the branching readings: two fits, their residuals, and what was observed.

The marked Hawkes model is fitted to complete feeds only, after prints are merged into orders (method 4.2,
4.4, 5.2), with a memory of 6 hours and with one of an hour. Every tick and every order is a point; every
10 s the fits are solved and the answers for each side written down. What is published of them, and when
it is unknown, is in `streams.indicators.branching`.

The feeds count as observed while those that live carry nine tenths of the open interest of all complete
ones: a part of a process branches less than the whole. Unobserved time is no exposure, and orders in it
are no events, though they do excite. Residuals also pause for the ten minutes in which the memory misses
orders nobody saw.
"""

import math

import numpy as np

from streams.indicators.cascade import GAP_FLAG_NS, mark_of
from streams.kernels.branching import branching_radius, branching_sum, branching_value, loop_gain
from streams.kernels.decay import HELD, decay, held_advance, held_init, held_set
from streams.kernels.excitation import (
    EXCITATION,
    excitation_add,
    excitation_advance,
    excitation_init,
)
from streams.kernels.hawkes import (
    FIT,
    SIZE,
    TARGETS,
    Floats,
    hawkes_advance,
    hawkes_effective_events,
    hawkes_event,
    hawkes_expected,
    hawkes_init,
    hawkes_solve,
    hawkes_weigh,
)
from streams.kernels.jit import LN2, NS_PER_S, Record, kernel
from streams.kernels.residuals import (
    RESIDUAL,
    residual_advance,
    residual_distance,
    residual_event,
    residual_init,
    residual_p,
    residual_rejected,
)

LONGEST_STEP_S = 10.0  # between ticks; beyond it the log itself was interrupted
SIZE_HALF_LIFE_S = 86_400.0

SIDE = np.dtype([
    ("own", "f8"), ("own_error", "f8"), ("fast", "f8"), ("fast_error", "f8"), ("quickest", "f8"),
    ("cross", "f8"), ("hour", "f8"), ("hour_error", "f8"),
    ("gain", "f8"), ("gain_error", "f8"), ("loop", "f8"), ("loop_error", "f8"),
    ("distance", "f8"), ("p", "f8"),
    ("warm", "i8"), ("hour_warm", "i8"), ("rejected", "i8"),
])  # fmt: skip
UNDERLYING = np.dtype([
    ("excitation", EXCITATION), ("fits", FIT, (2,)), ("residuals", RESIDUAL, (2,)),
    ("sides", SIDE, (2,)), ("radius", "f8"), ("radius_error", "f8"),
    ("impact", "f8", (2, 2)),  # by side: bp against it for each million USD forced, standard error
    ("order_usd", "f8", (2,)), ("orders", "f8", (2,)), ("order_s", "f8", (2,)),  # EW sums, a day
    ("moments", HELD, (6,)), ("counts", "f8", (2, 3)),  # orders a window: 1 m, 10 m, 1 h
    ("window", "i8", (3,)), ("clean", "i8", (3,)),
    ("observed", "i8"), ("ever", "i8"), ("gap_s", "f8"), ("gap_ns", "i8"), ("long_gap_ns", "i8"),
    ("solved_ns", "i8"), ("coverage", "f8"), ("complete", "i8"),
])  # fmt: skip


@kernel
def underlying_init(u: Record) -> None:
    """No event and no feed yet."""
    excitation_init(u.excitation)
    u.observed = u.ever = u.gap_ns = u.long_gap_ns = u.solved_ns = u.complete = 0
    u.gap_s = u.coverage = 0.0
    u.radius = u.radius_error = math.nan
    for i in range(2):
        hawkes_init(u.fits[i])
        u.impact[i, 0] = u.impact[i, 1] = math.nan
        residual_init(u.residuals[i])
        u.order_usd[i] = u.orders[i] = u.order_s[i] = 0.0
        s = u.sides[i]
        s.own = s.own_error = s.fast = s.fast_error = s.quickest = s.cross = math.nan
        s.hour = s.hour_error = s.gain = s.gain_error = s.loop = s.loop_error = math.nan
        s.distance = s.p = math.nan
        s.warm = s.hour_warm = s.rejected = 0
        for w in range(3):
            held_init(u.moments[i * 3 + w])
            u.counts[i, w] = 0.0
            u.window[w] = u.clean[w] = 0


@kernel
def _memory(m: int, p: Record) -> float:
    return p.branching_memory_s if m == 0 else p.branching_fast_memory_s


@kernel
def _advance(u: Record, time_ns: int, now_s: float, observed: bool, p: Record) -> None:
    """Let the time up to `now_s` pass for both fits and the residuals."""
    dt_s = now_s - u.excitation.time_s
    if not 0.0 < dt_s < math.inf:
        excitation_advance(u.excitation, now_s, p.hawkes_half_lives_s)
        return
    memory = u.excitation.a
    whole = (
        observed and time_ns - u.gap_ns > GAP_FLAG_NS
    )  # else orders nobody saw are missing in it
    for side in range(2):
        expected = math.nan
        if whole and u.sides[side].warm:
            expected = hawkes_expected(u.fits[0], side, memory, dt_s, p.hawkes_half_lives_s)
        residual_advance(u.residuals[side], expected, dt_s)
    for m in range(2):
        hawkes_advance(u.fits[m], memory, dt_s, p.hawkes_half_lives_s, _memory(m, p), observed)
    excitation_advance(u.excitation, now_s, p.hawkes_half_lives_s)


@kernel
def _weigh(u: Record, p: Record) -> None:
    for m in range(2):
        hawkes_weigh(u.fits[m], u.excitation.a, p.hawkes_half_lives_s)


@kernel
def apply(
    u: Record, sizes: Record, side: int, usd_before: float, usd: float, time_ns: int, now_s: float,
    p: Record,
) -> None:  # fmt: skip
    """Take a print of a complete feed, before `cascade.apply` does.

    `sizes` is the cascade's record, which knows what sizes are usual; `usd_before` > 0 means that the
    print continues an order.
    """
    observed = u.observed == 1
    _advance(u, time_ns, now_s, observed, p)
    u.order_usd[side] += usd
    if usd_before > 0.0:
        grown = mark_of(sizes, usd_before + usd, p.mark_cap) - mark_of(
            sizes, usd_before, p.mark_cap
        )
        excitation_add(u.excitation, side, grown)
    else:
        if observed:
            for m in range(2):
                hawkes_event(u.fits[m], side, u.excitation.a, p.hawkes_half_lives_s, _memory(m, p))
            residual_event(u.residuals[side], p.branching_memory_s)
            for w in range(3):
                u.counts[side, w] += 1.0
        excitation_add(u.excitation, side, mark_of(sizes, usd, p.mark_cap))
        g = decay(now_s - u.order_s[side], SIZE_HALF_LIFE_S)
        u.order_usd[side] = (u.order_usd[side] - usd) * g + usd
        u.orders[side] = u.orders[side] * g + 1.0
        u.order_s[side] = now_s
    _weigh(u, p)


@kernel
def _look_at_feeds(u: Record, contracts: Record, members: Record, count: int, up: Record) -> float:
    """Return which share of the complete feeds is live, by open interest; 0 without one."""
    market = complete = live = 0.0
    u.complete = 0
    for k in range(count):
        c = contracts[members[k]]
        weight = c.open_interest.weight
        usd = 1e-9 + (weight.mean if weight.observed_s > 0.0 else 0.0)
        market += usd
        if c.liquidations.sampled == 0 and c.liquidations.partial == 0:
            complete += usd
            if up[k]:
                live += usd
                u.complete += 1
    u.coverage = live / market if market > 0.0 else 0.0
    return live / complete if complete > 0.0 else 0.0


@kernel
def _note_gap(u: Record, observed: bool, time_ns: int, dt_s: float, p: Record) -> None:
    if observed:
        u.ever, u.gap_s = 1, 0.0
        return
    u.gap_ns = time_ns
    u.gap_s += dt_s
    if u.ever == 1 and u.gap_s > p.branching_gap_s:
        u.long_gap_ns = time_ns


@kernel
def _count(u: Record, observed: bool, time_ns: int, p: Record) -> None:
    """Close the windows that are over; one that was not observed throughout counts for nothing."""
    for w in range(3):
        width_s = (60, 600, 3600)[w]
        window = time_ns // (width_s * NS_PER_S)
        if not observed:
            u.clean[w] = 0
        if window == u.window[w]:
            continue
        for side in range(2):
            if u.clean[w] == 1:
                held_set(u.moments[side * 3 + w], u.counts[side, w])
                held_advance(u.moments[side * 3 + w], width_s, p.branching_moment_half_life_s)
            u.counts[side, w] = 0.0
        u.window[w] = window
        u.clean[w] = 1 if observed else 0


@kernel
def _warm(f: Record, side: int, memory_s: float, p: Record) -> bool:
    seen = f.exposure_s * LN2 / memory_s >= 0.75
    return seen and hawkes_effective_events(f, side) >= p.branching_events


@kernel
def _answer(u: Record, side: int, c: Floats, hourly: Floats, p: Record) -> None:
    """Write down what the fits say of one side; `c` and `hourly` are what their solutions left."""
    s, f, hour = u.sides[side], u.fits[0], u.fits[1]
    s.own, s.own_error = branching_sum(f, c, side, side, 0, 3)
    s.fast, s.fast_error = branching_sum(f, c, side, side, 0, 2)
    s.quickest = branching_value(f, side, side, 0, 1)
    s.cross = branching_value(f, side, 1 - side, 0, 3)
    s.hour, s.hour_error = branching_sum(hour, hourly, side, side, 0, 3)
    s.gain, s.gain_error = branching_sum(f, c, side, 2 + side, 0, 3)
    size = u.order_usd[side] / u.orders[side] / 1e6 if u.orders[side] > 0.0 else math.nan
    s.loop, s.loop_error = loop_gain(f, c, side, u.impact[side, 0] * size, u.impact[side, 1] * size)
    s.warm = 1 if _warm(f, side, p.branching_memory_s, p) else 0
    s.hour_warm = 1 if _warm(hour, side, p.branching_fast_memory_s, p) else 0
    test = u.residuals[side]
    s.distance, s.p = residual_distance(test), residual_p(test)
    s.rejected = 1 if residual_rejected(test) else 0


@kernel
def _solve(u: Record, p: Record) -> None:
    """Solve both fits and write down what they say."""
    factor = np.empty((2, TARGETS, SIZE + 1, SIZE))
    for m in range(2):
        hawkes_solve(u.fits[m], _memory(m, p), factor[m])
    for side in range(2):
        _answer(u, side, factor[0], factor[1], p)
    u.radius, u.radius_error = branching_radius(u.fits[0], factor[0])


@kernel
def tick(
    u: Record, contracts: Record, members: Record, count: int, up: Record, last_return: float,
    time_ns: int, now_s: float, dt_s: float, p: Record,
) -> None:  # fmt: skip
    """Advance both fits; take the second's price move; every 10 s solve."""
    live = _look_at_feeds(u, contracts, members, count, up) >= p.branching_feeds
    live = live and dt_s <= LONGEST_STEP_S
    observed = live and u.observed == 1
    _advance(u, time_ns, now_s, observed, p)
    if last_return == last_return and dt_s <= LONGEST_STEP_S:
        excitation_add(u.excitation, 2 if last_return < 0.0 else 3, abs(last_return) * 1e4)
    _note_gap(u, live, time_ns, dt_s, p)
    _count(u, observed, time_ns, p)
    u.observed = 1 if live else 0
    if time_ns - u.solved_ns >= p.branching_solve_s * NS_PER_S:
        u.solved_ns = time_ns
        _solve(u, p)
    _weigh(u, p)
