"""What all breakers share: conditions in three values, their margins, a breaker's life (method 11.4).

A breaker is a hypothesis that something has broken the treadmill. Its conditions pass, fail or are unknown;
values from memories that still warm up are unknown. They are joined by Kleene's logic, so what follows
from known parts is known and nothing else is.

* INACTIVE becomes CANDIDATE once everything that must hold has held for a first while, and ACTIVE once it
  has for the whole. Time only counts between two looks that both saw it hold. A short stretch of not
  knowing stops that clock; a longer one, or a log that was silent for as long, sets it back to nothing.
* A CANDIDATE ends when a condition fails, when its clock is set back, or when it has taken as long as an
  ACTIVE one may live.
* ACTIVE ends when what it needs to stay fails, and after its expiry whatever happens. In between it outlives
  its conditions for entry, and missing data: that ends it no sooner, and keeps it no longer, than its expiry.

A margin is the distance to the threshold, positive where passed, in standard deviations: the standard error
of the value where there is one, else its own forgotten spread over days, at least a floor. `belief` is the
product of the normal probabilities of the margins, the likelier of two alternatives: how clearly the
conditions hold, not how likely the hypothesis is.
"""

import math
from enum import IntEnum

import numpy as np

from streams.kernels.decay import HELD, held_advance, held_init, held_set, held_std, held_warm
from streams.kernels.jit import NS_PER_S, Record, kernel
from streams.readings import Quality
from streams.told import TOLD, told_init

WARMUP = int(Quality.WARMUP)


class Status(IntEnum):
    """Where a breaker is, as published."""

    INACTIVE = 0
    CANDIDATE = 1
    ACTIVE = 2


INACTIVE, CANDIDATE, ACTIVE = 0, 1, 2
UNKNOWN, NO, YES, UNASKED = (
    -1,
    0,
    1,
    2,
)  # what a condition says; one that is not asked stops nothing
GE, GT, LE, LT = 0, 1, 2, 3  # how a value is compared with its threshold
NOTHING, CHANGED, EXPIRED = 0, 1, 2  # what is to be said
DISCRETE = -1.0  # in place of a floor: a value that counts has no spread, and no margin

CONDITION = np.dtype([
    ("value", "f8"), ("threshold", "f8"), ("op", "i8"), ("passed", "i8"), ("margin", "f8"),
    ("sure", "f8"),  # normal probability of the margin
    ("quality", "i8"), ("coverage", "f8"),
    ("usual", HELD),  # of the value, for its margin
])  # fmt: skip


def breaker_record(conditions: int) -> np.dtype[np.void]:
    """Return the record type of a breaker with so many conditions.

    >>> breaker_record(1).itemsize - breaker_record(0).itemsize == CONDITION.itemsize == 96
    True
    """
    return np.dtype([
        ("status", "i8"), ("previous", "i8"), ("since_ns", "i8"), ("until_ns", "i8"),
        ("step_ns", "i8"), ("blind_ns", "i8"),  # last look; first of the looks that knew nothing, 0: none
        ("enter", "i8"), ("held_ns", "i8"),  # what the last look saw, and for how long it has been YES
        ("direction", "i8"), ("variant", "i8"),  # of the breakers that have one
        ("belief", "f8"), ("coverage", "f8"),
        ("said", "i8"), ("told", TOLD),
        ("conditions", CONDITION, (conditions,)),
    ])  # fmt: skip


@kernel
def breaker_init(b: Record) -> None:
    """INACTIVE, and nothing seen."""
    b.status = b.previous = INACTIVE
    b.since_ns = b.until_ns = b.step_ns = b.blind_ns = b.held_ns = b.direction = b.variant = 0
    b.enter = UNKNOWN
    b.belief = b.coverage = math.nan
    b.said = NOTHING
    told_init(b.told)
    for k in range(b.conditions.size):
        c = b.conditions[k]
        c.value = c.threshold = c.margin = c.sure = c.coverage = math.nan
        c.op = c.quality = 0
        c.passed = UNKNOWN
        held_init(c.usual)


@kernel
def compare(value: float, op: int, threshold: float) -> bool:
    """Return whether a value passes.

    >>> [compare(1.0, op, 1.0) for op in (GE, GT, LE, LT)]
    [True, False, True, False]
    """
    if op == GE:
        return value >= threshold
    if op == GT:
        return value > threshold
    return value <= threshold if op == LE else value < threshold


@kernel
def normal(x: float) -> float:
    """Return the standard normal distribution function.

    >>> normal(0.0), round(normal(1.0), 4)
    (0.5, 0.8413)
    """
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


@kernel
def deviation(usual: Record, error: float, floor: float, half_life_s: float) -> float:
    """Return one standard deviation of a value: its error, else its usual spread; NaN if neither is known."""
    if error > 0.0:
        return max(error, floor)
    return max(held_std(usual), floor) if held_warm(usual, half_life_s) else math.nan


@kernel
def judge(
    c: Record, x: Record, op: int, threshold: float, floor: float, error: float, dt_s: float,
    half_life_s: float,
) -> None:  # fmt: skip
    """Look at one condition.

    Args:
        c: the condition.
        x: the value with its coverage and quality; unknown while it warms up.
        op: GE, GT, LE or LT.
        threshold: what the value is compared with.
        floor: least standard deviation, in the value's unit; DISCRETE for counts.
        error: the value's standard error, NaN to learn its spread.
        dt_s: seconds since the last look, 0 at the first.
        half_life_s: memory of the spread.
    """
    known = x.value == x.value and threshold == threshold and x.quality & WARMUP == 0
    c.value, c.op, c.threshold = x.value, op, threshold
    c.quality, c.coverage = x.quality, x.coverage
    held_advance(c.usual, dt_s, half_life_s)
    held_set(c.usual, x.value if known else math.nan)
    c.margin = c.sure = math.nan
    c.passed = UNKNOWN
    if not known:
        return
    c.passed = YES if compare(x.value, op, threshold) else NO
    if floor == DISCRETE:
        c.sure = float(c.passed)
        return
    sign = 1.0 if op in (GE, GT) else -1.0
    c.margin = sign * (x.value - threshold) / deviation(c.usual, error, floor, half_life_s)
    c.sure = normal(c.margin)


@kernel
def unasked(c: Record) -> None:
    """Leave a condition out, for now."""
    c.value = c.threshold = c.margin = c.sure = c.coverage = math.nan
    c.quality = 0
    c.passed = UNASKED


@kernel
def both(a: int, b: int) -> int:
    """Return `a` and `b` in three values.

    >>> both(YES, UNKNOWN) == UNKNOWN, both(NO, UNKNOWN) == NO, both(YES, UNASKED) == YES
    (True, True, True)
    """
    if NO in (a, b):
        return NO
    return UNKNOWN if UNKNOWN in (a, b) else YES


@kernel
def either(a: int, b: int) -> int:
    """Return `a` or `b` in three values.

    >>> either(YES, UNKNOWN) == YES, either(NO, UNKNOWN) == UNKNOWN, either(NO, NO) == NO
    (True, True, True)
    """
    if YES in (a, b):
        return YES
    return UNKNOWN if UNKNOWN in (a, b) else NO


@kernel
def likelier(a: float, b: float) -> float:
    """Return the larger of two probabilities; one that is unknown does not count.

    >>> likelier(math.nan, 0.4), likelier(0.7, 0.4)
    (0.4, 0.7)
    """
    if a != a:
        return b
    return a if b != b or a >= b else b


@kernel
def all_hold(b: Record, first: int, beyond: int) -> int:
    """Return whether the conditions from `first` on, `beyond` not included, all pass."""
    out = YES
    for k in range(first, beyond):
        out = both(out, b.conditions[k].passed)
    return out


@kernel
def all_sure(b: Record, first: int, beyond: int) -> float:
    """Return the product of their probabilities; NaN if one of those asked is unknown."""
    out = 1.0
    for k in range(first, beyond):
        if b.conditions[k].passed != UNASKED:
            out *= b.conditions[k].sure
    return out


@kernel
def least_coverage(b: Record) -> float:
    """Return the smallest coverage behind the known conditions; NaN if none tells one."""
    least = math.nan
    for k in range(b.conditions.size):
        c = b.conditions[k]
        if c.passed in (YES, NO) and not least <= c.coverage and c.coverage == c.coverage:
            least = c.coverage
    return least


@kernel
def since_last(b: Record, now_ns: int) -> float:
    """Return the seconds since the last look, 0 at the first."""
    return (now_ns - b.step_ns) / NS_PER_S if b.step_ns > 0 else 0.0


@kernel
def _run_clock(b: Record, holds: int, now_ns: int, grace_ns: int) -> None:
    """Count the time for which everything has held."""
    dt_ns = now_ns - b.step_ns if b.step_ns > 0 else 0
    b.step_ns = now_ns
    if dt_ns > grace_ns:
        b.held_ns = 0
    elif holds == YES and b.enter == YES:
        b.held_ns += dt_ns
    b.enter = holds
    if holds == NO:
        b.held_ns = 0
    if holds != UNKNOWN:
        b.blind_ns = 0
        return
    if b.blind_ns == 0:
        b.blind_ns = now_ns
    if now_ns - b.blind_ns > grace_ns:
        b.held_ns = 0


@kernel
def _move(b: Record, status: int, said: int, now_ns: int, until_ns: int) -> None:
    b.previous, b.status, b.since_ns, b.until_ns, b.said = b.status, status, now_ns, until_ns, said
    if status == INACTIVE:
        b.held_ns = 0


@kernel
def live(
    b: Record, enter: int, stay: int, now_ns: int, candidate_ns: int, hold_ns: int, expiry_ns: int,
    grace_ns: int,
) -> None:  # fmt: skip
    """Advance a breaker's life to `now_ns` on what its conditions for entry and for staying say.

    >>> b = np.zeros(1, breaker_record(0))[0]
    >>> breaker_init(b)
    >>> for second in range(8):
    ...     live(b, YES, YES, 100 + second, 2, 5, 50, 1)
    >>> Status(int(b["status"])).name, int(b["since_ns"]), int(b["until_ns"])
    ('ACTIVE', 105, 155)
    """
    holds = both(enter, stay)
    _run_clock(b, holds, now_ns, grace_ns)
    if b.status != INACTIVE and now_ns >= b.until_ns:
        _move(b, INACTIVE, EXPIRED, now_ns, 0)
    elif b.status == ACTIVE:
        if stay == NO:
            _move(b, INACTIVE, CHANGED, now_ns, 0)
    elif b.status == CANDIDATE and (holds == NO or b.held_ns == 0):
        _move(b, INACTIVE, CHANGED, now_ns, 0)
    elif holds == YES and b.held_ns >= hold_ns:
        _move(b, ACTIVE, CHANGED, now_ns, now_ns + expiry_ns)
    elif b.status == INACTIVE and holds == YES and b.held_ns >= candidate_ns:
        _move(b, CANDIDATE, CHANGED, now_ns, now_ns + expiry_ns)
