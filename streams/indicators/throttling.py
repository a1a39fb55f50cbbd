"""Throttling: does each sampled liquidation feed follow the rule that its correction assumes?

The correction of `liquidations` assumes a dead time after each print (method 4.3, model A). Every sampled
contract's prints are tested while running; where they follow another rule, the corrected rates carry
MODEL_REJECTED. `throttle_model` is the verdict on the sampled contract with the most open interest.
"""

import math

import numpy as np

from streams.events import Flag
from streams.kernels.jit import Record, kernel
from streams.kernels.throttle_model import (
    DEAD_TIME,
    THROTTLE_TEST,
    UNKNOWN,
    throttle_test_init,
    throttle_test_note,
    throttle_test_restart,
    throttle_verdict,
)
from streams.readings import Quality

REJECTED, WARMUP = int(Quality.MODEL_REJECTED), int(Quality.WARMUP)
SAMPLED, NO_NEWS = int(Flag.SAMPLED), int(Flag.SNAPSHOT | Flag.BACKFILL)

CONTRACT = np.dtype([("verdict", "i8"), ("test", THROTTLE_TEST)])  # as of the last print
READINGS = (
    (
        "throttle_model",
        "label",
        "rule the largest sampled feed follows: 0 unknown, 1 dead time, 2 clock snapshot, 3 neither",
    ),
)


@kernel
def contract_init(c: Record) -> None:
    """No print yet."""
    throttle_test_init(c.test)
    c.verdict = UNKNOWN


@kernel
def apply(c: Record, flags: int, exchange_ns: int, received_ns: int, p: Record) -> None:
    """Take a liquidation row's times as they are in the row: both may be late, their order counts."""
    if flags & SAMPLED and not flags & NO_NEWS:
        throttle_test_note(c.test, exchange_ns, received_ns, p.dead_time_s, p.merge_gap_s)
        c.verdict = throttle_verdict(c.test, p.dead_time_s)


@kernel
def publish(contracts: Record, members: Record, count: int, up: Record, r: Record) -> None:
    """Write the verdict, and say of the corrected rates whether a feed contradicts their model."""
    largest, model, rejected = -1.0, math.nan, 0
    for k in range(count):
        c = contracts[members[k]]
        if c.liquidations.sampled == 0:
            continue
        if not up[k]:
            throttle_test_restart(c.throttling.test)
            continue
        verdict = c.throttling.verdict
        if verdict not in (UNKNOWN, DEAD_TIME):
            rejected = REJECTED
        weight = c.open_interest.weight
        usd = weight.mean if weight.observed_s > 0.0 else 0.0
        if usd > largest:
            largest, model = usd, float(verdict)
    r.throttle_model.value = model
    r.throttle_model.quality = rejected | (WARMUP if model == UNKNOWN else 0)
    r.liquidated_usd_per_s_10s_long.quality |= rejected
    r.liquidated_usd_per_s_60s_long.quality |= rejected
    r.liquidated_usd_per_s_10m_long.quality |= rejected
    r.liquidated_usd_per_s_10s_short.quality |= rejected
    r.liquidated_usd_per_s_60s_short.quality |= rejected
    r.liquidated_usd_per_s_10m_short.quality |= rejected
