"""The machine of one side: CALM → CROWDED → FRAGILE → CASCADE → FLUSHED → RESET, or UNKNOWN (method 11).

Each state has a gate with hysteresis and dwell (`streams.kernels.hysteresis`); of the gates that are on the
most urgent wins: CASCADE, UNKNOWN, FRAGILE, CROWDED, FLUSHED, RESET, CALM. Where no gate is on the state
holds. While inputs are unknown the gates rest and their waits start again, so missing data can never lead
from stress to CALM. A cascade goes on while other feeds fail; when the liquidation feeds themselves fail it
is UNKNOWN too. A cascade that hardly cut open interest leaves the side FRAGILE, whatever its crowding.

FRAGILE is left when each reason that held since it began is known to be over; a reason that was never known
is none. FLUSHED becomes RESET after six hours of both the flush and an active breaker, which end the flush;
while a breaker is on its way the flush does not expire after its day.
"""

import math
from enum import IntEnum

import numpy as np

from streams.breakers.breaker import ACTIVE, INACTIVE, NO, YES
from streams.breakers.breaker import UNKNOWN as UNSURE
from streams.kernels.hysteresis import GATE, gate_init, gate_step
from streams.kernels.jit import NS_PER_S, Record, kernel
from streams.told import TOLD, told_init


class State(IntEnum):
    """States of a machine, as published."""

    UNKNOWN = 0
    CALM = 1
    CROWDED = 2
    FRAGILE = 3
    CASCADE = 4
    FLUSHED = 5
    RESET = 6


UNKNOWN, CALM, CROWDED, FRAGILE, CASCADE, FLUSHED, RESET = 0, 1, 2, 3, 4, 5, 6
NOTHING, CHANGED, REPEATED = 0, 1, 2
BY_SCORE, BY_UNDERNEATH, BY_ZONE = 1, 2, 4  # why a side became fragile

#: What a machine looks at. Signed values are of the side: positive is what its crowd does.
SIGHT = np.dtype([
    ("crowding", "f8"), ("fragility", "f8"),
    ("underneath", "i8"), ("near_zone", "i8"),  # YES, NO, UNKNOWN of streams.breakers.breaker
    ("burst_open", "i8"), ("change_5m", "f8"),
    ("excess", "f8"), ("usual_excess", "f8"), ("log_oi", "f8"), ("sigma_24h", "f8"),  # of coin OI
    ("breaker", "i8"),  # the furthest of the side's breakers
    ("inputs_known", "i8"), ("flow_known", "i8"),
])  # fmt: skip
MACHINE = np.dtype([
    ("state", "i8"), ("previous", "i8"), ("since_ns", "i8"), ("resume", "i8"),
    ("said", "i8"), ("told_ns", "i8"), ("told", TOLD),
    ("known", GATE), ("calm", GATE), ("crowded", GATE), ("fragile", GATE),
    ("cascade", GATE), ("flushed", GATE), ("reset", GATE),
    ("reasons", "i8"),
    ("peak_crowding", "f8"), ("peak_log_oi", "f8"), ("low_log_oi", "f8"), ("start_log_oi", "f8"),
    ("had_cascade", "i8"), ("burst_ns", "i8"), ("flush_ns", "i8"),
    ("sight", SIGHT),
])  # fmt: skip
READINGS = (
    *((f"fragile_underneath_{side}", "0/1", "price moved, OI did not, the crowd still pays")
      for side in ("long", "short")),
    *((f"near_dense_zone_{side}", "0/1", "a day's move away from a zone that holds 1 % of open interest")
      for side in ("long", "short")),
    *((f"oi_drop_{side}", "ratio", "fall of coin OI since crowding peaked")
      for side in ("long", "short")),
)  # fmt: skip


@kernel
def machine_init(m: Record) -> None:
    """UNKNOWN, and nothing known of the past."""
    m.state = m.previous = UNKNOWN
    m.since_ns = m.resume = m.said = m.told_ns = 0
    told_init(m.told)
    gate_init(m.known)
    gate_init(m.calm)
    gate_init(m.crowded)
    gate_init(m.fragile)
    gate_init(m.cascade)
    gate_init(m.flushed)
    gate_init(m.reset)
    m.reasons = m.had_cascade = m.burst_ns = m.flush_ns = 0
    m.peak_crowding = -1.0
    m.peak_log_oi = m.low_log_oi = m.start_log_oi = math.nan
    sight_init(m.sight)


@kernel
def sight_init(s: Record) -> None:
    """Nothing is seen."""
    s.crowding = s.fragility = s.change_5m = s.excess = s.usual_excess = math.nan
    s.log_oi = s.sigma_24h = math.nan
    s.underneath = s.near_zone = UNSURE
    s.burst_open = s.inputs_known = s.flow_known = 0
    s.breaker = INACTIVE


@kernel
def ns(seconds: float) -> int:
    """Return whole nanoseconds."""
    return int(seconds * NS_PER_S)


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
def flushed_enough(drop: float, sigma_24h: float, p: Record) -> bool:
    """Return whether open interest fell by enough: outright, or for what it does in a day."""
    return drop >= p.flushed_oi_drop or (
        drop >= p.flushed_fail_drop and drop >= p.flushed_sigmas * sigma_24h
    )


@kernel
def _rest(m: Record, now_ns: int) -> None:
    """Break the waits of all gates but the cascade's: what they watch is unknown."""
    gate_step(m.calm, now_ns, False, False, 0, 0, 0)
    gate_step(m.crowded, now_ns, False, False, 0, 0, 0)
    gate_step(m.fragile, now_ns, False, False, 0, 0, 0)
    gate_step(m.flushed, now_ns, False, False, 0, 0, 0)
    gate_step(m.reset, now_ns, False, False, 0, 0, 0)


@kernel
def _step_crowding(m: Record, c: float, now_ns: int, p: Record) -> None:
    never = m.state == UNKNOWN and m.resume == UNKNOWN
    quiet = m.burst_ns == 0 or now_ns - m.burst_ns > ns(p.calm_burst_free_s)
    calm_enter = p.calm_exit if never else p.calm_enter
    gate_step(m.calm, now_ns, c <= calm_enter and quiet, c >= p.calm_exit or not quiet,
              ns(p.calm_dwell_s), 0, ns(p.calm_min_s) if m.state == CALM else 0)  # fmt: skip
    gate_step(m.crowded, now_ns, c >= p.crowded_enter, c <= p.crowded_exit,
              ns(p.crowded_dwell_s), 0, ns(p.crowded_min_s))  # fmt: skip


@kernel
def _over(m: Record, s: Record, p: Record) -> bool:
    """Return whether every reason to be fragile is over; what is unknown is, if it never was one.

    So is an unknown score that could not be above its exit whatever its other parts are.
    """
    x, share = s.fragility, p.fragility_weights[0]
    at_most = share * s.crowding + 1.0 - share
    harmless = m.reasons & BY_SCORE == 0 or at_most <= p.fragile_exit
    score = x <= p.fragile_exit or (x != x and harmless)
    under = s.underneath == NO or (s.underneath == UNSURE and m.reasons & BY_UNDERNEATH == 0)
    zone = s.near_zone == NO or (s.near_zone == UNSURE and m.reasons & BY_ZONE == 0)
    return score and under and zone


@kernel
def _step_fragile(m: Record, s: Record, now_ns: int, p: Record) -> None:
    why = BY_SCORE if s.fragility >= p.fragile_enter else 0
    why |= BY_UNDERNEATH if s.underneath == YES else 0
    why |= BY_ZONE if s.near_zone == YES else 0
    enter = m.crowded.on == 1 and why != 0
    m.reasons = m.reasons | why if enter or m.fragile.on == 1 else 0
    gate_step(m.fragile, now_ns, enter, _over(m, s, p),
              ns(p.fragile_dwell_s), 0, ns(p.fragile_min_s))  # fmt: skip


@kernel
def _step_flushed(
    m: Record, flushed: bool, log_oi: float, breaker: int, now_ns: int, p: Record
) -> None:
    rebuilt = releverage(m, log_oi) >= p.flushed_releverage
    old = m.flushed.on == 1 and now_ns - m.flushed.since_ns >= ns(p.flushed_expiry_s)
    unsure = m.cascade.on == 1 and not flushed  # it takes hold only if it still is so at the end
    gate_step(m.flushed, now_ns, flushed and not rebuilt,
              rebuilt or unsure or (old and breaker == INACTIVE),
              ns(p.flushed_dwell_s), 0, 0 if m.cascade.on == 1 else ns(p.flushed_min_s))  # fmt: skip


@kernel
def _step_reset(m: Record, c: float, breaker: int, now_ns: int, p: Record) -> None:
    """Advance the gate of RESET, which takes over from the flush."""
    switched = gate_step(
        m.reset, now_ns, present(m) == FLUSHED and breaker == ACTIVE,
        breaker != ACTIVE and c >= p.reset_exit, ns(p.reset_dwell_s), 0, ns(p.reset_min_s),
    )  # fmt: skip
    if switched > 0:
        gate_init(m.flushed)


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
        m.fragile.on, m.fragile.since_ns, m.reasons = 1, now_ns, 0


@kernel
def present(m: Record) -> int:
    """Return the state, or the one that UNKNOWN interrupted."""
    return m.resume if m.state == UNKNOWN else m.state


@kernel
def _holding(m: Record, c: float, p: Record) -> int:
    """Return the state when no gate is on."""
    state = present(m)
    if state == CASCADE:  # over, and nothing else has taken hold yet
        waits = m.state == CASCADE and m.flushed.enter_ns >= 0  # after UNKNOWN it is not said again
        return CASCADE if waits else CROWDED
    if state in (FLUSHED, RESET):
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
    if m.reset.on == 1:
        return RESET
    if m.calm.on == 1:
        return CALM
    return _holding(m, c, p)


@kernel
def _move(m: Record, state: int, log_oi: float, now_ns: int) -> None:
    was = present(m)
    m.resume = was
    m.previous, m.state, m.since_ns = m.state, state, now_ns
    m.said, m.told_ns = CHANGED, now_ns
    if state == CASCADE and was != CASCADE:
        m.had_cascade = 1
        m.start_log_oi = m.low_log_oi = log_oi
        m.crowded.since_ns = m.fragile.since_ns = 0  # their minimum times end with the cascade
        gate_init(m.flushed)
        gate_init(m.reset)
        gate_init(m.calm)
    if was == FLUSHED and state in (CALM, CROWDED, FRAGILE, RESET):
        m.had_cascade = 0
        m.peak_crowding = -1.0


@kernel
def step(m: Record, now_ns: int, p: Record) -> None:
    """Advance one side to `now_ns` on its `sight`. `said` tells whether it changed or repeats itself."""
    s = m.sight
    c, log_oi = s.crowding, s.log_oi
    if m.since_ns == 0:
        m.since_ns = now_ns
    known = s.inputs_known == 1 and c == c
    gate_step(m.known, now_ns, known, not known, ns(p.unknown_exit_s), 0, 0)
    if s.burst_open and s.change_5m <= p.cascade_oi_enter:
        m.burst_ns = now_ns
    if known:
        _track_peak(m, c, log_oi)
    drop = oi_drop(m, log_oi)
    change = s.change_5m if s.flow_known else math.nan
    _step_cascade(m, s.burst_open == 1, change, drop, now_ns, p)
    if known:
        enough = m.had_cascade == 1 and flushed_enough(drop, s.sigma_24h, p)
        _step_crowding(m, c, now_ns, p)
        _step_fragile(m, s, now_ns, p)
        _step_flushed(m, enough and s.excess < s.usual_excess, log_oi, s.breaker, now_ns, p)
        _step_reset(m, c, s.breaker, now_ns, p)
    else:
        _rest(m, now_ns)
    state = _choose(m, s.flow_known == 1, c, p)
    if state != m.state:
        _move(m, state, log_oi, now_ns)
    elif now_ns - m.told_ns >= ns(p.heartbeat_s):
        m.said, m.told_ns = REPEATED, now_ns
