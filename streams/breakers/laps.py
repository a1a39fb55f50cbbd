"""Laps of the treadmill: a flush, leverage built again, the next cascade (method 11.5).

A lap of a side begins where it is FLUSHED and is done when, after a third of the fall was built again, a
CASCADE starts. Of each lap: how long the rebuilding of that third took, how much of the fall was back when
the cascade came, and how deep open interest then fell against how deep it had fallen before. The depth is
that of the fall which ends in a flush: from the open interest at peak crowding to the low.

A cascade before a third is back belongs to the fall it adds to and is no lap. At most sixteen are counted.
"""

import math

import numpy as np

from streams.breakers.machine import CASCADE, FLUSHED
from streams.indicators.releverage import releverage
from streams.kernels.jit import NS_PER_S, Record, kernel

REMEMBERED = 16  # laps whose times are kept, so no more are counted
NONE, RUNNING, JOINED = 0, 1, 2  # no lap; one since a flush; a cascade has added to its fall
WINDOW_NS = 30 * 86_400 * NS_PER_S

LAPS = np.dtype([
    ("running", "i8"),
    ("flush_ns", "i8"), ("rebuilt_ns", "i8"), ("before", "i8"),  # begin, third back, state at the last step
    ("peak", "f8"), ("low", "f8"),  # ln(OI) of the fall that the lap began with
    ("depth", "f8"), ("previous_depth", "f8"),  # of the last two flushes
    ("rebuild_s", "f8"), ("fraction", "f8"),  # of the last lap that was done
    ("done", "i8"), ("done_ns", "i8", (REMEMBERED,)),
])  # fmt: skip


def _of(side: str) -> tuple[tuple[str, str, str], ...]:
    return (
        (f"laps_30d_{side}", "count", f"{side} cascades of 30 days that came out of a rebuilt flush"),
        (f"lap_rebuild_h_{side}", "hours", "from the last lap's flush to a third of the fall built again"),
        (f"lap_rebuild_fraction_{side}", "ratio", "share of the last flush's fall that was built again"),
        (f"lap_depth_{side}", "ratio", "fall of coin OI of the last flush"),
        (f"lap_depth_ratio_{side}", "ratio", "the same over that of the flush before it"),
    )  # fmt: skip


READINGS = (*_of("long"), *_of("short"))


@kernel
def laps_init(s: Record) -> None:
    """No lap yet."""
    s.running = NONE
    s.flush_ns = s.rebuilt_ns = s.before = s.done = 0
    s.peak = s.low = s.depth = s.previous_depth = s.rebuild_s = s.fraction = math.nan
    for k in range(REMEMBERED):
        s.done_ns[k] = 0


@kernel
def _begin(s: Record, peak: float, low: float, now_ns: int) -> None:
    """Start a lap at a flush; one that a cascade has only deepened is still the same fall."""
    if s.running != JOINED:
        s.previous_depth = s.depth
    s.running = RUNNING
    s.flush_ns, s.rebuilt_ns = now_ns, 0
    s.peak, s.low = peak, low


@kernel
def _end(s: Record, log_oi: float, now_ns: int) -> None:
    """Finish a lap at the cascade it led to."""
    s.rebuild_s = (s.rebuilt_ns - s.flush_ns) / NS_PER_S
    s.fraction = releverage(log_oi, s.peak, s.low)
    s.done_ns[s.done % REMEMBERED] = now_ns
    s.done += 1
    s.running = NONE


@kernel
def step(
    s: Record, state: int, peak: float, low: float, log_oi: float, now_ns: int, third: float
) -> None:
    """Follow one side.

    Args:
        s: the side's laps.
        state: its machine's, or the one that UNKNOWN interrupted.
        peak: ln(OI) at peak crowding, as the machine has it.
        low: the lowest since.
        log_oi: the chained ln(OI).
        now_ns: the tick.
        third: share of the fall that has to be built again.
    """
    entered = state != s.before
    s.before = state
    if entered and state == FLUSHED:
        _begin(s, peak, low, now_ns)
    if s.running == RUNNING:
        if state == FLUSHED or s.rebuilt_ns == 0:
            s.low = min(s.low, log_oi)
            s.depth = -math.expm1(s.low - s.peak)
        if s.rebuilt_ns == 0 and releverage(log_oi, s.peak, s.low) >= third:
            s.rebuilt_ns = now_ns
    if entered and state == CASCADE and s.running == RUNNING:
        if s.rebuilt_ns > 0:
            _end(s, log_oi, now_ns)
        else:
            s.running = JOINED


@kernel
def laps_within(s: Record, now_ns: int) -> int:
    """Return how many laps were done within 30 days, of the last sixteen."""
    n = 0
    for k in range(min(s.done, REMEMBERED)):
        if now_ns - s.done_ns[k] <= WINDOW_NS:
            n += 1
    return n


@kernel
def publish(
    s: Record, log_oi: float, now_ns: int, count: Record, rebuild: Record, fraction: Record,
    depth: Record, ratio: Record,
) -> None:  # fmt: skip
    """Write one side's readings; what no lap has shown yet is unknown."""
    count.value = float(laps_within(s, now_ns))
    waiting = s.running == RUNNING and s.rebuilt_ns > 0
    rebuild_s = (s.rebuilt_ns - s.flush_ns) / NS_PER_S if waiting else s.rebuild_s
    rebuild.value = rebuild_s / 3600.0
    fraction.value = releverage(log_oi, s.peak, s.low) if s.running == RUNNING else s.fraction
    depth.value = s.depth
    ratio.value = s.depth / s.previous_depth
