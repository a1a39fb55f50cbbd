"""Branching: how many forced orders one forced order causes, estimated online with errors and guards.

The marked Hawkes model of `cascade` is fitted to complete feeds only, after prints are merged into orders
(method 4.2, 4.4, 5.2), twice: with a memory of 6 hours for decisions and of an hour to see changes.
`branching_long` is the number of long liquidations one average long liquidation triggers within minutes,
price moves apart: those are sources of their own, or every fall would pass for a cascade.

Guards (method 5.3, 5.5, 5.6). No component is longer than two minutes. `branching_fast`, the part within
15 s, is what an alarm may use: slow changes of the background cannot fake it. Unobserved time is no
exposure. A gap of the complete feeds beyond a minute makes the numbers unknown for one memory, any gap
flags them for ten minutes. The residual test compares the intervals between orders with what the fit
expected of them; where it fails, numbers carry MODEL_REJECTED. The moment estimates are a display: blind
to price, too low for short windows and too high for a wandering background.

The loop gain adds the way by the price: branching plus orders per bp times bp per average order. The last
factor is what `impact` says is warm, put into the record's `impact`; until then the loop gain is unknown.
Everything is MODELLED.
"""

import math

from streams.indicators.cascade import GAP_FLAG_NS
from streams.kernels.branching import moment_branching, normal_above
from streams.kernels.decay import held_warm
from streams.kernels.hawkes import hawkes_background, hawkes_intensity
from streams.kernels.jit import NS_PER_S, Record, kernel
from streams.readings import Quality

MODELLED, WARMUP, GAP = int(Quality.MODELLED), int(Quality.WARMUP), int(Quality.GAP_IN_WINDOW)
THROTTLED, REJECTED = int(Quality.THROTTLED_SOURCE), int(Quality.MODEL_REJECTED)
INTERVAL = 1.96  # standard errors on either side: 95 %


def _of(side: str) -> tuple[tuple[str, str, str], ...]:
    n = "events/event"
    return (
        (f"branching_{side}", n, f"{side} liquidations triggered by one of them, 6 h memory"),
        (f"branching_se_{side}", n, "its standard error"),
        (f"branching_fast_{side}", n, "the part within 15 s, which no slow change of the background fakes"),
        (f"branching_fast_se_{side}", n, "its standard error"),
        (f"branching_2s_{side}", n, "the part within 2 s"),
        (f"branching_cross_{side}", n, f"{side} liquidations triggered by one of the other side"),
        (f"branching_1h_{side}", n, "the whole with a memory of an hour"),
        (f"branching_1h_se_{side}", n, "its standard error"),
        (f"p_supercritical_{side}", "0..1", "probability that the 6 h branching exceeds 0.8"),
        (f"liquidation_background_{side}", "events/s", "fitted rate of what nothing triggered"),
        (f"cascade_intensity_fitted_{side}", "ln ratio", "ln of the fitted rate over that background"),
        (f"price_gain_{side}", "events/bp", "liquidations triggered by a move of 1 bp against the side"),
        (f"price_gain_se_{side}", "events/bp", "its standard error"),
        (f"loop_gain_{side}", n, "caused by one, directly and by way of the price; above 1 it feeds itself"),
        (f"loop_gain_low_{side}", n, "lower end of its 95 % interval"),
        (f"loop_gain_high_{side}", n, "upper end of its 95 % interval"),
        (f"branching_ks_{side}", "0..1", "distance of the residuals from the model's; rejected above 0.08"),
        (f"branching_p_{side}", "0..1", "p-value of that distance"),
        (f"branching_moment_1m_{side}", n, "moment estimate from counts of 1 minute, display only"),
        (f"branching_moment_10m_{side}", n, "the same of 10 minutes"),
        (f"branching_moment_1h_{side}", n, "the same of an hour"),
        (f"branching_disagrees_{side}", "0/1", "the hour's moment estimate is far from the fit"),
    )  # fmt: skip


READINGS = (
    *_of("long"),
    *_of("short"),
    (
        "branching_radius",
        "events/event",
        "spectral radius of both sides together, negative terms as 0",
    ),
    ("branching_radius_se", "events/event", "its standard error"),
)


@kernel
def _known(u: Record, m: int, side: int, time_ns: int, memory_s: float) -> bool:
    """Return whether a fit can be believed to be of now: observed, solved, no long gap in its memory."""
    if u.observed == 0 or u.fits[m].solved[side] == 0.0:
        return False
    return u.long_gap_ns == 0 or time_ns - u.long_gap_ns > memory_s * NS_PER_S


@kernel
def _flags(u: Record, warm: int, rejected: int, time_ns: int) -> int:
    flags = MODELLED
    if not warm:
        flags |= WARMUP
    if rejected:
        flags |= REJECTED
    if u.complete == 0:
        flags |= THROTTLED
    if u.ever and time_ns - u.gap_ns <= GAP_FLAG_NS:
        flags |= GAP
    return flags


@kernel
def _put(reading: Record, value: float, known: bool, flags: int, coverage: float) -> None:
    reading.value = value if known else math.nan
    reading.quality = flags
    reading.coverage = coverage


@kernel
def _write_branching(
    u: Record, side: int, time_ns: int, p: Record, whole: Record, error: Record, fast: Record,
    fast_error: Record, quickest: Record, cross: Record, high: Record,
) -> None:  # fmt: skip
    s, cover = u.sides[side], u.coverage
    known = _known(u, 0, side, time_ns, p.branching_memory_s)
    flags = _flags(u, s.warm, s.rejected, time_ns)
    _put(whole, s.own, known, flags, cover)
    _put(error, s.own_error, known, flags, cover)
    _put(fast, s.fast, known, flags, cover)
    _put(fast_error, s.fast_error, known, flags, cover)
    _put(quickest, s.quickest, known, flags, cover)
    _put(cross, s.cross, known, flags, cover)
    _put(high, normal_above(s.own, s.own_error, p.branching_alarm), known, flags, cover)


@kernel
def _write_price(
    u: Record, side: int, time_ns: int, p: Record, background: Record, fitted: Record, gain: Record,
    gain_error: Record, loop: Record, low: Record, high: Record,
) -> None:  # fmt: skip
    s, f, cover = u.sides[side], u.fits[0], u.coverage
    known = _known(u, 0, side, time_ns, p.branching_memory_s)
    flags = _flags(u, s.warm, s.rejected, time_ns)
    mu = hawkes_background(f, side)
    lam = hawkes_intensity(f, side, u.excitation.a, p.hawkes_half_lives_s)
    _put(background, mu, known, flags, cover)
    _put(fitted, math.log(lam / mu), known, flags, cover)
    _put(gain, s.gain, known, flags, cover)
    _put(gain_error, s.gain_error, known, flags, cover)
    _put(loop, s.loop, known, flags, cover)
    _put(low, s.loop - INTERVAL * s.loop_error, known, flags, cover)
    _put(high, s.loop + INTERVAL * s.loop_error, known, flags, cover)


@kernel
def _write_hour(u: Record, side: int, time_ns: int, p: Record, hour: Record, error: Record) -> None:
    s = u.sides[side]
    known = _known(u, 1, side, time_ns, p.branching_fast_memory_s)
    flags = _flags(u, s.hour_warm, s.rejected, time_ns)
    _put(hour, s.hour, known, flags, u.coverage)
    _put(error, s.hour_error, known, flags, u.coverage)


@kernel
def _write_checks(
    u: Record, side: int, time_ns: int, p: Record, distance: Record, p_value: Record,
    minute: Record, ten: Record, sixty: Record, disagrees: Record,
) -> None:  # fmt: skip
    s, cover = u.sides[side], u.coverage
    known = _known(u, 0, side, time_ns, p.branching_memory_s)
    flags = _flags(u, s.warm, s.rejected, time_ns)
    _put(distance, s.distance, known, flags, cover)
    _put(p_value, s.p, known, flags, cover)
    seen = u.observed == 1
    estimate = math.nan
    for w in range(3):
        m = u.moments[side * 3 + w]
        warm = 1 if held_warm(m, p.branching_moment_half_life_s) else 0
        flags = _flags(u, warm, 0, time_ns)
        estimate = moment_branching(m.mean, m.variance)
        _put(minute if w == 0 else ten if w == 1 else sixty, estimate, seen, flags, cover)
    far = abs(estimate - s.own) > p.branching_disagreement + INTERVAL * s.own_error
    comparable = known and estimate == estimate
    _put(disagrees, 1.0 if far else 0.0, comparable, flags | (0 if s.warm else WARMUP), cover)


@kernel
def publish(u: Record, r: Record, time_ns: int, p: Record) -> None:
    """Write all readings as of the last tick."""
    _write_branching(
        u, 0, time_ns, p, r.branching_long, r.branching_se_long, r.branching_fast_long,
        r.branching_fast_se_long, r.branching_2s_long, r.branching_cross_long,
        r.p_supercritical_long,
    )  # fmt: skip
    _write_price(
        u, 0, time_ns, p, r.liquidation_background_long, r.cascade_intensity_fitted_long,
        r.price_gain_long, r.price_gain_se_long, r.loop_gain_long, r.loop_gain_low_long,
        r.loop_gain_high_long,
    )  # fmt: skip
    _write_hour(u, 0, time_ns, p, r.branching_1h_long, r.branching_1h_se_long)
    _write_checks(
        u, 0, time_ns, p, r.branching_ks_long, r.branching_p_long, r.branching_moment_1m_long,
        r.branching_moment_10m_long, r.branching_moment_1h_long, r.branching_disagrees_long,
    )  # fmt: skip
    _write_branching(
        u, 1, time_ns, p, r.branching_short, r.branching_se_short, r.branching_fast_short,
        r.branching_fast_se_short, r.branching_2s_short, r.branching_cross_short,
        r.p_supercritical_short,
    )  # fmt: skip
    _write_price(
        u, 1, time_ns, p, r.liquidation_background_short, r.cascade_intensity_fitted_short,
        r.price_gain_short, r.price_gain_se_short, r.loop_gain_short, r.loop_gain_low_short,
        r.loop_gain_high_short,
    )  # fmt: skip
    _write_hour(u, 1, time_ns, p, r.branching_1h_short, r.branching_1h_se_short)
    _write_checks(
        u, 1, time_ns, p, r.branching_ks_short, r.branching_p_short, r.branching_moment_1m_short,
        r.branching_moment_10m_short, r.branching_moment_1h_short, r.branching_disagrees_short,
    )  # fmt: skip
    known = _known(u, 0, 0, time_ns, p.branching_memory_s)
    known = known and _known(u, 0, 1, time_ns, p.branching_memory_s)
    warm = u.sides[0].warm * u.sides[1].warm
    flags = _flags(u, warm, u.sides[0].rejected | u.sides[1].rejected, time_ns)
    _put(r.branching_radius, u.radius, known, flags, u.coverage)
    _put(r.branching_radius_se, u.radius_error, known, flags, u.coverage)
