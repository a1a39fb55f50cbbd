"""The state machine of one side: CALM → CROWDED → FRAGILE → CASCADE → FLUSHED, or UNKNOWN (method 11).

Each state has a gate with hysteresis and dwell (`streams.kernels.hysteresis`); of the gates that are on the
most urgent wins: CASCADE, UNKNOWN, FRAGILE, CROWDED, FLUSHED, CALM. Where no gate is on the state holds.
While inputs are unknown the gates rest and their waits start again, so missing data can never lead from
stress to CALM. A cascade goes on while other feeds fail; when the liquidation feeds themselves fail it is
UNKNOWN too. A cascade that hardly cut open interest leaves the side FRAGILE, whatever its crowding.

RESET needs a breaker and comes with the breakers; they are files beside this one.
"""

import math
from enum import IntEnum

import numpy as np

from streams.kernels.hysteresis import GATE, gate_init, gate_step
from streams.kernels.jit import NS_PER_S, Record, kernel
from streams.readings import Quality

WARMUP = int(Quality.WARMUP)


class State(IntEnum):
    """States of a machine, as published."""

    UNKNOWN = 0
    CALM = 1
    CROWDED = 2
    FRAGILE = 3
    CASCADE = 4
    FLUSHED = 5
    RESET = 6


UNKNOWN, CALM, CROWDED, FRAGILE, CASCADE, FLUSHED = 0, 1, 2, 3, 4, 5
NOTHING, CHANGED, REPEATED = 0, 1, 2
DAY_NS = 86_400 * NS_PER_S

MACHINE = np.dtype([
    ("state", "i8"), ("previous", "i8"), ("since_ns", "i8"), ("resume", "i8"),
    ("said", "i8"), ("told_ns", "i8"), ("trigger_ns", "i8"),
    ("known", GATE), ("calm", GATE), ("crowded", GATE), ("fragile", GATE),
    ("cascade", GATE), ("flushed", GATE),
    ("underneath", "i8"),
    ("peak_crowding", "f8"), ("peak_log_oi", "f8"), ("low_log_oi", "f8"), ("start_log_oi", "f8"),
    ("had_cascade", "i8"), ("burst_ns", "i8"), ("flush_ns", "i8"),
])  # fmt: skip
READINGS = (
    *((f"crowding_{side}", "0..1", f"how crowded {side}s are: funding stress and unusual open interest")
      for side in ("long", "short")),
    *((f"fragility_{side}", "0..1", "how little it would take; needs the heatmap and spot, else unknown")
      for side in ("long", "short")),
    *((f"fragile_underneath_{side}", "0/1", "price moved, OI did not, the crowd still pays")
      for side in ("long", "short")),
    *((f"oi_drop_{side}", "ratio", "fall of coin OI since crowding peaked")
      for side in ("long", "short")),
)  # fmt: skip


@kernel
def machine_init(m: Record) -> None:
    """UNKNOWN, and nothing known of the past."""
    m.state = m.previous = UNKNOWN
    m.since_ns = m.resume = m.said = m.told_ns = m.trigger_ns = 0
    gate_init(m.known)
    gate_init(m.calm)
    gate_init(m.crowded)
    gate_init(m.fragile)
    gate_init(m.cascade)
    gate_init(m.flushed)
    m.underneath = m.had_cascade = m.burst_ns = m.flush_ns = 0
    m.peak_crowding = -1.0
    m.peak_log_oi = m.low_log_oi = m.start_log_oi = math.nan


@kernel
def ns(seconds: float) -> int:
    """Return whole nanoseconds."""
    return int(seconds * NS_PER_S)


@kernel
def crowding(stress: Record, oi_z: Record, coverage_needed: float) -> float:
    """Return ``C`` from funding stress (0.40) and unusual OI (0.35); OI over market cap (0.25) is absent.

    Parts that are unknown or still warming up are left out and the rest re-normalised; NaN when what
    is left weighs less than `coverage_needed`.
    """
    total = weight = 0.0
    if stress.value == stress.value and not stress.quality & WARMUP:
        total += 0.40 * stress.value
        weight += 0.40
    if oi_z.value == oi_z.value and not oi_z.quality & WARMUP:
        total += 0.35 * 0.5 * math.erfc(-oi_z.value / math.sqrt(2.0))
        weight += 0.35
    return total / weight if weight >= coverage_needed else math.nan


@kernel
def fragile_underneath(
    sign: float, r: float, sigma_r: float, g: float, sigma_g: float, excess: float
) -> bool:
    """Return whether price fell (rose, for shorts: `sign` -1), OI stayed and the crowd still pays.

    >>> fragile_underneath(1.0, -0.03, 0.02, 0.0, 0.01, 0.05)
    True
    >>> fragile_underneath(1.0, -0.03, math.nan, 0.0, 0.01, 0.05)
    False
    """
    if not (sigma_r > 0.0 and sigma_g > 0.0):
        return False
    return sign * r <= -sigma_r and abs(g) <= 0.5 * sigma_g and sign * excess > 0.0


@kernel
def _track_peak(m: Record, c: float, log_oi: float) -> None:
    """Remember the open interest at the peak of crowding, and its low since."""
    higher = c > m.peak_crowding or (c == m.peak_crowding and log_oi > m.peak_log_oi)
    if m.state == CALM or higher:
        m.peak_crowding = c
        m.peak_log_oi = log_oi
        if not m.had_cascade:
            m.low_log_oi = log_oi
    if m.had_cascade and not log_oi >= m.low_log_oi:
        m.low_log_oi = log_oi


@kernel
def oi_drop(m: Record, log_oi: float) -> float:
    """Return the fall of coin OI since crowding peaked; NaN before a peak."""
    return -math.expm1(log_oi - m.peak_log_oi)


@kernel
def releverage(m: Record, log_oi: float) -> float:
    """Return how much of the fall has been built again, 0..1; NaN without a fall."""
    fall = m.peak_log_oi - m.low_log_oi
    return (log_oi - m.low_log_oi) / fall if fall > 0.0 else math.nan


@kernel
def _step_slow_gates(
    m: Record, c: float, x: float, underneath: bool, flushed: bool, log_oi: float, now_ns: int,
    p: Record,
) -> None:  # fmt: skip
    """Advance all gates but the cascade's; unknown inputs (`c` NaN) only break their waits."""
    if c != c:
        gate_step(m.calm, now_ns, False, False, 0, 0, 0)
        gate_step(m.crowded, now_ns, False, False, 0, 0, 0)
        gate_step(m.fragile, now_ns, False, False, 0, 0, 0)
        gate_step(m.flushed, now_ns, False, False, 0, 0, 0)
        return
    never = m.state == UNKNOWN and m.resume == UNKNOWN
    quiet = m.burst_ns == 0 or now_ns - m.burst_ns > ns(p.calm_burst_free_s)
    calm_enter = p.calm_exit if never else p.calm_enter
    gate_step(m.calm, now_ns, c <= calm_enter and quiet, c >= p.calm_exit or not quiet,
              ns(p.calm_dwell_s), 0, ns(p.calm_min_s) if m.state == CALM else 0)  # fmt: skip
    gate_step(m.crowded, now_ns, c >= p.crowded_enter, c <= p.crowded_exit,
              ns(p.crowded_dwell_s), 0, ns(p.crowded_min_s))  # fmt: skip
    fragile = m.crowded.on == 1 and (x >= p.fragile_enter or underneath)
    gate_step(m.fragile, now_ns, fragile, not x > p.fragile_exit and not underneath,
              ns(p.fragile_dwell_s), 0, ns(p.fragile_min_s))  # fmt: skip
    rebuilt = releverage(m, log_oi) >= p.flushed_releverage
    expired = m.flushed.on == 1 and now_ns - m.flushed.since_ns >= ns(p.flushed_expiry_s)
    unsure = m.cascade.on == 1 and not flushed  # it takes hold only if it still is so at the end
    gate_step(m.flushed, now_ns, flushed and not rebuilt, rebuilt or expired or unsure,
              ns(p.flushed_dwell_s), 0, 0 if m.cascade.on == 1 else ns(p.flushed_min_s))  # fmt: skip


@kernel
def _step_cascade(
    m: Record, burst_open: bool, change_5m: float, drop: float, now_ns: int, p: Record
) -> None:
    """Advance the cascade's gate; an unknown OI change (NaN) only breaks its wait."""
    enter = burst_open and change_5m <= p.cascade_oi_enter
    leave = not burst_open and change_5m > p.cascade_oi_exit
    switched = gate_step(
        m.cascade, now_ns, enter, leave, 0, ns(p.cascade_quiet_s), ns(p.cascade_min_s)
    )
    if switched < 0 and drop < p.flushed_fail_drop:
        gate_init(m.fragile)
        m.fragile.on, m.fragile.since_ns = 1, now_ns


@kernel
def _state(m: Record) -> int:
    """Return the state, or the one that UNKNOWN interrupted."""
    return m.resume if m.state == UNKNOWN else m.state


@kernel
def _holding(m: Record, c: float, p: Record) -> int:
    """Return the state when no gate is on."""
    state = _state(m)
    if state == CASCADE:  # over, and nothing else has taken hold yet
        waits = m.state == CASCADE and m.flushed.enter_ns >= 0  # after UNKNOWN it is not said again
        return CASCADE if waits else CROWDED
    if state == FLUSHED:
        return CROWDED if c >= p.calm_exit else CALM
    return state


@kernel
def _choose(m: Record, liquidations_known: bool, c: float, p: Record) -> int:
    if m.cascade.on == 1 and liquidations_known:
        return CASCADE
    if m.known.on == 0:
        return UNKNOWN
    if m.fragile.on == 1:
        return FRAGILE
    if m.crowded.on == 1:
        return CROWDED
    if m.flushed.on == 1:
        return FLUSHED
    if m.calm.on == 1:
        return CALM
    return _holding(m, c, p)


@kernel
def _move(m: Record, state: int, log_oi: float, now_ns: int) -> None:
    was = _state(m)
    m.resume = was
    m.previous, m.state, m.since_ns = m.state, state, now_ns
    m.said, m.told_ns = CHANGED, now_ns
    if state == CASCADE and was != CASCADE:
        m.had_cascade = 1
        m.start_log_oi = m.low_log_oi = log_oi
        m.flush_ns = 0
        m.crowded.since_ns = m.fragile.since_ns = 0  # their minimum times end with the cascade
        gate_init(m.flushed)
        gate_init(m.calm)
    if was == FLUSHED and state in (CALM, CROWDED, FRAGILE):
        m.had_cascade = 0
        m.peak_crowding = -1.0


@kernel
def step(
    m: Record, r_crowding: float, r_fragility: float, underneath: bool, burst_open: bool,
    change_5m: float, excess: float, usual_excess: float, log_oi: float, inputs_known: bool,
    liquidations_known: bool, now_ns: int, p: Record,
) -> None:  # fmt: skip
    """Advance one side to `now_ns`. `said` tells whether it changed or is due to repeat itself."""
    c = r_crowding
    if m.since_ns == 0:
        m.since_ns = now_ns
    known = inputs_known and c == c
    m.underneath = 1 if underneath else 0
    gate_step(m.known, now_ns, known, not known, ns(p.unknown_exit_s), 0, 0)
    if burst_open and change_5m <= p.cascade_oi_enter:
        m.burst_ns = now_ns
    if known:
        _track_peak(m, c, log_oi)
    drop = oi_drop(m, log_oi)
    _step_cascade(m, burst_open, change_5m if liquidations_known else math.nan, drop, now_ns, p)
    flushed = m.had_cascade == 1 and drop >= p.flushed_oi_drop and excess < usual_excess
    _step_slow_gates(
        m, c if known else math.nan, r_fragility, underneath, flushed, log_oi, now_ns, p
    )
    state = _choose(m, liquidations_known, c, p)
    if state != m.state:
        _move(m, state, log_oi, now_ns)
    elif now_ns - m.told_ns >= ns(p.heartbeat_s):
        m.said, m.told_ns = REPEATED, now_ns
