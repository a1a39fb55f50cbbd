"""Price and open interest: what the crowd is doing, named after the aggressor (method 2.7).

Moves within half their usual size are flat. A label holds until another has been seen for two minutes.
``p_label = Phi(|r| / sigma_r) * Phi(|g| / sigma_g)`` says how far from the dead-band it is. Every new
contract makes one long and one short: the label names who pushed, not who is more.

Takers refine it, by the sign of what they bought net of what they sold in the window. New longs are *passive*
where takers of perpetuals sold: price rose over shorts who crossed the spread. New shorts are passive where
takers bought into the fall. With open interest flat a move is led by spot where takers of spot pushed it and
those of perpetuals did not. Where takers are unknown the label stays as it is without them.
"""

import math
from enum import IntEnum

import numpy as np

from streams.kernels.jit import NS_PER_S, Record, kernel

LABEL = np.dtype([("label", "i8"), ("candidate", "i8"), ("since_ns", "i8"), ("p", "f8")])
UNDERLYING = np.dtype([("windows", LABEL, (3,))])  # 15m, 1h, 4h


class Quadrant(IntEnum):
    """The labels, as published."""

    UNKNOWN = 0
    NEW_LONGS = 1
    SHORT_COVERING = 2
    NEW_SHORTS = 3
    LONG_CLOSING = 4
    FRAGILE_UNDERNEATH = 5
    PRICE_UP_OI_FLAT = 6
    PRICE_DOWN_OI_FLAT = 7
    OI_UP_PRICE_FLAT = 8
    OI_DOWN_PRICE_FLAT = 9
    FLAT = 10
    SHORT_SQUEEZE = 11
    LONG_FLUSH = 12
    SPOT_LED = 13
    PASSIVE_LONGS = 14
    PASSIVE_SHORTS = 15
    SPOT_LED_DOWN = 16


READINGS = tuple(
    item
    for name in ("15m", "1h", "4h")
    for item in (
        (f"quadrant_{name}", "label", f"price against coin OI over {name}, see Quadrant"),
        (f"quadrant_p_{name}", "0..1", "how clearly the label holds"),
    )
)


@kernel
def underlying_init(u: Record) -> None:
    """Unknown."""
    for w in range(3):
        q = u.windows[w]
        q.label = q.candidate = q.since_ns = 0
        q.p = math.nan


@kernel
def _sign(x: float, dead_band: float) -> int:
    if x > dead_band:
        return 1
    if x < -dead_band:
        return -1
    return 0


@kernel
def refine(label: int, perp: float, spot: float) -> int:
    """Return what a label is called once it is known what takers of perpetuals and of spot did net.

    >>> [Quadrant(refine(label, -0.1, 0.2)).name for label in (1, 3, 6, 7)]
    ['PASSIVE_LONGS', 'NEW_SHORTS', 'SPOT_LED', 'PRICE_DOWN_OI_FLAT']
    """
    if label == 1 and perp < 0.0:
        return 14
    if label == 3 and perp > 0.0:
        return 15
    if label == 6 and spot > 0.0 and perp <= 0.0:
        return 13
    if label == 7 and spot < 0.0 and perp >= 0.0:
        return 16
    return label


@kernel
def classify(price: int, oi: int, excess: float, burst_long: bool, burst_short: bool) -> int:
    """Return the label of the signs of price and OI change.

    >>> (
    ...     Quadrant(classify(-1, 0, 0.05, False, False)).name,
    ...     Quadrant(classify(1, -1, 0.0, False, True)).name,
    ... )
    ('FRAGILE_UNDERNEATH', 'SHORT_SQUEEZE')
    """
    if price == 0:
        return (9, 10, 8)[oi + 1]
    if oi == 0:
        if price > 0:
            return 6
        return 5 if excess > 0.0 else 7
    if price > 0:
        if oi > 0:
            return 1
        return 11 if burst_short else 2
    if oi > 0:
        return 3
    return 12 if burst_long else 4


@kernel
def _phi(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


@kernel
def step(
    q: Record, r: float, g: float, sigma_r: float, sigma_g: float, excess: float,
    burst_long: bool, burst_short: bool, perp: float, spot: float, time_ns: int, p: Record,
) -> None:  # fmt: skip
    """Advance one window's label. Unknown moves, or an unknown usual size, make it UNKNOWN.

    `perp` and `spot` are the imbalances of takers in the same window, NaN where they are not known.
    """
    if not (sigma_r > 0.0 and sigma_g > 0.0) or r != r or g != g:
        q.label = q.candidate = 0
        q.p = math.nan
        return
    price = _sign(r, p.quadrant_deadband * sigma_r)
    oi = _sign(g, p.quadrant_deadband * sigma_g)
    label = refine(classify(price, oi, excess, burst_long, burst_short), perp, spot)
    q.p = _phi(abs(r) / sigma_r) * _phi(abs(g) / sigma_g)
    if label != q.candidate:
        q.candidate, q.since_ns = label, time_ns
    if q.label == 0 or time_ns - q.since_ns >= p.quadrant_dwell_s * NS_PER_S:
        q.label = q.candidate


@kernel
def publish(u: Record, r: Record) -> None:
    """Write the labels."""
    r.quadrant_15m.value = _label(u.windows[0])
    r.quadrant_1h.value = _label(u.windows[1])
    r.quadrant_4h.value = _label(u.windows[2])
    r.quadrant_p_15m.value, r.quadrant_p_1h.value = u.windows[0].p, u.windows[1].p
    r.quadrant_p_4h.value = u.windows[2].p


@kernel
def _label(q: Record) -> float:
    return math.nan if q.label == 0 else float(q.label)
