"""Throttling: which rule does each sampled liquidation feed follow, and how much does it hide by that?

Every sampled contract's prints are tested while running (method 4.3). Its rate is corrected by the model
that the test found: a dead time after each print (A, also until there is a verdict) or a snapshot of the
clock's period (B). Both estimates run all the time, so that a verdict changes the rate at once. A feed
that follows neither rule is corrected by A and its rates carry MODEL_REJECTED. `throttle_model` is the
verdict on the sampled contract with the most open interest.

`throttle_ratio` is the check from outside: forced USD per unit of open interest, corrected feeds over
complete ones. It is no error to be far from 1 (venues differ), but a correction that runs away shows here.

A snapshot's print is counted where its exchange time lies, up to a period before it was pushed.
"""

import math

import numpy as np

from streams.events import Flag
from streams.kernels.jit import NS_PER_S, Record, kernel
from streams.kernels.throttle import (
    THROTTLE,
    clock_snapshot_step,
    throttle_init,
    throttle_rate,
    throttle_usd_rate,
)
from streams.kernels.throttle_model import (
    NEITHER,
    THROTTLE_TEST,
    UNKNOWN,
    throttle_test_init,
    throttle_test_note,
    throttle_test_restart,
    throttle_verdict,
)
from streams.kernels.throttle_model import SNAPSHOT as SNAPSHOT_MODEL
from streams.readings import Quality

REJECTED, WARMUP = int(Quality.MODEL_REJECTED), int(Quality.WARMUP)
CORRECTED = int(Quality.CORRECTED)
SAMPLED, NO_NEWS = int(Flag.SAMPLED), int(Flag.SNAPSHOT | Flag.BACKFILL)

CONTRACT = np.dtype([
    ("verdict", "i8"),  # as of the last print
    ("snapshots", THROTTLE), ("started", "i8"),  # model B
    ("test", THROTTLE_TEST),
])  # fmt: skip
READINGS = (
    (
        "throttle_model",
        "label",
        "rule the largest sampled feed follows: 0 unknown, 1 dead time, 2 clock snapshot, 3 neither",
    ),
    (
        "throttle_ratio",
        "ratio",
        "corrected forced USD of sampled feeds over that of complete ones, per open interest, 10 min",
    ),
)


@kernel
def contract_init(c: Record) -> None:
    """No print yet."""
    throttle_test_init(c.test)
    c.verdict = UNKNOWN
    c.started = 0


@kernel
def apply(c: Record, flags: int, exchange_ns: int, received_ns: int, p: Record) -> None:
    """Take a liquidation row's times as they are in the row: both may be late, their order counts."""
    if flags & SAMPLED and not flags & NO_NEWS:
        throttle_test_note(c.test, exchange_ns, received_ns, p.dead_time_s, p.merge_gap_s)
        c.verdict = throttle_verdict(c.test, p.dead_time_s)


@kernel
def clock_s(time_ns: int, origin_ns: int, p: Record) -> float:
    """Return seconds since the full period before the origin: where clock snapshots are counted."""
    period_ns = int(p.dead_time_s * NS_PER_S)
    if period_ns <= 0:
        return (time_ns - origin_ns) / NS_PER_S
    return (time_ns - origin_ns // period_ns * period_ns) / NS_PER_S


@kernel
def step(c: Record, at_s: float, usd: float, p: Record) -> None:
    """Let the snapshot estimate live on to `at_s`, where `usd` were printed if above 0."""
    if p.dead_time_s <= 0.0:
        return
    if c.started == 0:
        throttle_init(c.snapshots, at_s, p.throttle_prior_rate, p.throttle_snapshot_half_life_s)
        c.started = 1
    clock_snapshot_step(
        c.snapshots, at_s, usd, p.dead_time_s, p.throttle_snapshot_half_life_s,
        p.throttle_mark_half_life_s,
    )  # fmt: skip


@kernel
def estimate(c: Record, dead_time: Record, cap_rate: float) -> tuple[float, bool]:
    """Return the USD/s behind a sampled feed by the model it follows, and whether the cap cut it."""
    if c.verdict == SNAPSHOT_MODEL and c.started == 1:
        s = c.snapshots
        return throttle_usd_rate(s, cap_rate), throttle_rate(s, math.inf) > cap_rate
    return throttle_usd_rate(dead_time, cap_rate), throttle_rate(dead_time, math.inf) > cap_rate


@kernel
def ratio(sampled_usd: float, sampled_oi: float, complete_usd: float, complete_oi: float) -> float:
    """Return forced USD per open interest of sampled feeds over that of complete ones; NaN if unknown.

    >>> ratio(30.0, 3e9, 5.0, 1e9), ratio(30.0, 3e9, 0.0, 1e9)
    (2.0, nan)
    """
    if not (sampled_oi > 0.0 and complete_usd > 0.0):
        return math.nan
    return sampled_usd / sampled_oi * complete_oi / complete_usd


@kernel
def publish(
    contracts: Record, members: Record, count: int, up: Record, hidden_usd: float,
    complete_usd: float, r: Record,
) -> None:  # fmt: skip
    """Write the verdict and whether a feed follows no model, and hold the correction against others.

    `hidden_usd` and `complete_usd` are USD/s over 10 minutes of sampled and of all other feeds.
    """
    largest, model, rejected = -1.0, math.nan, 0
    sampled_oi = complete_oi = 0.0
    for k in range(count):
        c = contracts[members[k]]
        weight = c.open_interest.weight
        usd = weight.mean if weight.observed_s > 0.0 else 0.0
        if c.liquidations.sampled == 0:
            complete_oi += usd if up[k] else 0.0
            continue
        t = c.throttling
        if not up[k]:
            throttle_test_restart(t.test)
            t.started = 0  # an outage is no live time
            continue
        if t.verdict == NEITHER:
            rejected = REJECTED
        sampled_oi += usd
        if usd > largest:
            largest, model = usd, float(t.verdict)
    r.throttle_ratio.value = ratio(hidden_usd, sampled_oi, complete_usd, complete_oi)
    r.throttle_ratio.quality = CORRECTED | rejected
    r.throttle_model.value = model
    r.throttle_model.quality = rejected | (WARMUP if model == UNKNOWN else 0)
    r.liquidated_usd_per_s_10s_long.quality |= rejected
    r.liquidated_usd_per_s_60s_long.quality |= rejected
    r.liquidated_usd_per_s_10m_long.quality |= rejected
    r.liquidated_usd_per_s_10s_short.quality |= rejected
    r.liquidated_usd_per_s_60s_short.quality |= rejected
    r.liquidated_usd_per_s_10m_short.quality |= rejected
