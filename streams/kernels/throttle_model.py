"""Which rule does a throttled feed follow? A test on the gaps between its prints and on their delay.

    DEAD_TIME  a print is pushed at once, then the contract is blind for tau: no gap is shorter
    SNAPSHOT   the last event of each clock period is pushed at its end: gaps between neighbours are
               shorter than tau as often as longer, and a print is delayed by anything from 0 to tau
    NEITHER    several prints in one clock period: the feed shows more

Of the gaps below 2 tau a snapshot feed has at least a third below tau, but for clocks: neighbouring
periods give a gap below tau every second time, and periods two apart give one between tau and 2 tau at
most as often as neighbours do half the time. A dead-time feed has none. So 13 such gaps, none short, rule
out a snapshot feed at 1 %, and a sixth of them short rules out a dead time. In a quiet market, where gaps
are long, the quartiles of the delay decide: 0.5 tau apart for snapshots, network jitter for dead time.

Delay is received less exchange time; clocks may differ by any constant up to a few seconds, because
only its spread counts. Beyond 50 events a second snapshots are as regular as a dead time and not told apart.
Old prints are forgotten, a half-life being `MEMORY` prints. Zero bytes are a
valid empty state.

Reference: method 4.3.
"""

import math

import numpy as np

from streams.kernels.jit import NS_PER_S, Record, kernel

UNKNOWN, DEAD_TIME, SNAPSHOT, NEITHER = range(4)
MEMORY = 300.0
SLACK = 0.02  # of tau: pushes are not more regular
FEWEST_GAPS = 13.0
FEWEST_DELAYS = 30.0
DELAYS = 80
DELAY_STEP_S = 0.1
FIRST_DELAY_S = -3.0
_FADE = 2.0 ** (-1.0 / MEMORY)

THROTTLE_TEST = np.dtype(
    [
        ("last_ns", "i8"),
        ("short", "f8"),  # gaps below tau
        ("near", "f8"),  # gaps below 2 tau
        ("crowded", "f8"),  # gaps within one clock period
        ("delays", "f8", (DELAYS,)),
        ("prints", "f8"),
    ]
)


@kernel
def throttle_test_init(s: Record) -> None:
    """Set a THROTTLE_TEST record to "no print yet"."""
    s.last_ns = 0
    s.short = s.near = s.crowded = s.prints = 0.0
    s.delays[:] = 0.0


@kernel
def throttle_test_restart(s: Record) -> None:
    """Measure no gap across an outage."""
    s.last_ns = 0


@kernel
def throttle_test_note(
    s: Record, exchange_ns: int, received_ns: int, tau_s: float, merge_s: float
) -> None:
    """Take a print; one within `merge_s` of the last is part of it, an older one is ignored."""
    gap_s = (exchange_ns - s.last_ns) / NS_PER_S
    if s.last_ns > 0 and gap_s < merge_s:
        return
    s.short *= _FADE
    s.near *= _FADE
    s.crowded *= _FADE
    s.prints = s.prints * _FADE + 1.0
    for i in range(DELAYS):
        s.delays[i] *= _FADE
    if s.last_ns > 0 and gap_s < 2.0 * tau_s:
        period_ns = int(tau_s * NS_PER_S)
        s.near += 1.0
        if gap_s < tau_s * (1.0 - SLACK):
            s.short += 1.0
        if exchange_ns // period_ns == s.last_ns // period_ns:
            s.crowded += 1.0
    delay = ((received_ns - exchange_ns) / NS_PER_S - FIRST_DELAY_S) / DELAY_STEP_S
    s.delays[int(min(max(delay, 0.0), DELAYS - 1.0))] += 1.0
    s.last_ns = exchange_ns


@kernel
def _delay_quantile(s: Record, q: float) -> float:
    below, target = 0.0, q * s.prints
    for i in range(DELAYS):
        if below + s.delays[i] >= target and s.delays[i] > 0.0:
            return (i + (target - below) / s.delays[i]) * DELAY_STEP_S
        below += s.delays[i]
    return DELAYS * DELAY_STEP_S


@kernel
def throttle_delay_spread(s: Record) -> float:
    """Return the distance of the quartiles of the delay in seconds; NaN with too few prints."""
    if s.prints < FEWEST_DELAYS:
        return math.nan
    return _delay_quantile(s, 0.75) - _delay_quantile(s, 0.25)


@kernel
def throttle_verdict(s: Record, tau_s: float) -> int:
    """Return which rule the prints seen follow.

    >>> s = np.zeros(1, THROTTLE_TEST)[0]
    >>> for i in range(40):
    ...     throttle_test_note(s, i * 1_200_000_000 + NS_PER_S, 0, 1.0, 0.1)
    >>> throttle_verdict(s, 1.0) == DEAD_TIME
    True
    """
    if s.near >= FEWEST_GAPS:
        if s.crowded > 0.05 * s.near:
            return NEITHER
        if s.short <= 0.02 * s.near:
            return DEAD_TIME
        return SNAPSHOT if s.short >= s.near / 6.0 else UNKNOWN
    spread = throttle_delay_spread(s)
    if spread < 0.2 * tau_s:
        return DEAD_TIME
    if 0.35 * tau_s < spread < 0.65 * tau_s:
        return SNAPSHOT
    return UNKNOWN
