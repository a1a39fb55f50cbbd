"""A ladder of coin over log price: what would be closed by force, if price went there (method 7.3).

One ladder holds one side. Its coordinate x grows the way that hurts: ``x = -ln(price)`` for longs and
``x = ln(price)`` for shorts, so that both sides are the same code and mirror images. Bin k holds
``k*width <= x < (k+1)*width`` at slot ``k & (bins - 1)`` of a ring that begins at `front`, the first bin that
price has not reached; there is nothing before `front`, and what falls off the far end counts as dropped.

Closing and ageing shrink everything at once through one `scale`. Masses are coin over scale; every coin that
ever entered is in the map or in one of the totals: ``mass = opened - consumed - closed - aged - dropped``.
"""

import math

import numpy as np

from streams.kernels.jit import Record, kernel

SMALLEST_SCALE = 1e-6
SUM_EVERY = 1 << 16  # openings between exact recomputations of the sum
SPREAD = 2  # bins to each side over which an opening is spread, triangular


def ladder(bins: int) -> np.dtype[np.void]:
    """Return the record type of a ladder of `bins` bins, a power of two.

    >>> ladder(1024).itemsize
    8280
    """
    return np.dtype([
        ("mass", "f8", (bins,)), ("front", "i8"), ("started", "i8"), ("updates", "i8"),
        ("scale", "f8"), ("total", "f8"), ("age_s", "f8"),  # mean age of the coin in it
        ("opened", "f8"), ("consumed", "f8"), ("closed", "f8"), ("aged", "f8"), ("dropped", "f8"),
    ])  # fmt: skip


@kernel
def bin_of(x: float, width: float) -> int:
    """Return the bin of coordinate `x`.

    >>> bin_of(0.0, 0.5), bin_of(-0.1, 0.5), bin_of(0.5, 0.5)
    (0, -1, 1)
    """
    return math.floor(x / width)


@kernel
def ladder_init(s: Record) -> None:
    """Empty a ladder; it starts when it hears of a price."""
    s.mass[:] = 0.0
    s.front = s.started = s.updates = 0
    s.scale = 1.0
    s.total = s.age_s = 0.0
    s.opened = s.consumed = s.closed = s.aged = s.dropped = 0.0


@kernel
def ladder_coin(s: Record) -> float:
    """Return all coin in the ladder."""
    return float(s.total * s.scale)


@kernel
def _sum(s: Record) -> None:
    total = 0.0
    for i in range(s.mass.size):
        total += s.mass[i]
    s.total = total


@kernel
def _take(s: Record, start: int, stop: int) -> float:
    """Empty the bins from `start` to before `stop`; return their coin."""
    taken = 0.0
    mask = s.mass.size - 1
    for k in range(start, min(stop, start + s.mass.size)):
        taken += s.mass[k & mask]
        s.mass[k & mask] = 0.0
    if taken > 0.0:  # a difference would keep the rounding of what is gone
        _sum(s)
    return taken * s.scale


@kernel
def ladder_move(s: Record, reached: int, here: int) -> float:
    """Let price go to bin `reached` and come back to `here`; return the coin consumed on the way.

    All bins up to and with `reached` are consumed. From `here` on there is room for new positions.

    >>> s = np.zeros(1, ladder(16))[0]
    >>> ladder_init(s)
    >>> ladder_move(s, 0, 0)
    0.0
    >>> ladder_open(s, 4, 9.0)
    >>> ladder_move(s, 3, 1), round(ladder_coin(s), 12), int(s["front"])
    (3.0, 6.0, 2)
    """
    if s.started == 0:
        s.started = 1
        s.front = here + 1
        return 0.0
    last = s.front + s.mass.size
    consumed = _take(s, s.front, min(reached + 1, last))
    s.consumed += consumed
    s.front = here + 1
    dropped = _take(s, max(s.front + s.mass.size, last - s.mass.size), last)
    s.dropped += dropped
    return consumed


@kernel
def ladder_open(s: Record, bin_number: int, coin: float) -> None:
    """Add positions of `coin` that are closed by force at `bin_number`, spread over its neighbours.

    What would lie where price already is counts as consumed, what lies beyond the far end as dropped.
    """
    weights = (1.0 / 9.0, 2.0 / 9.0, 3.0 / 9.0, 2.0 / 9.0, 1.0 / 9.0)
    mask = s.mass.size - 1
    before = s.total * s.scale
    for i in range(5):
        k, part = bin_number + i - SPREAD, coin * weights[i]
        s.opened += part
        if k < s.front:
            s.consumed += part
        elif k >= s.front + s.mass.size:
            s.dropped += part
        else:
            s.mass[k & mask] += part / s.scale
            s.total += part / s.scale
    after = s.total * s.scale
    if after > 0.0:
        s.age_s *= before / after
    s.updates += 1
    if s.updates & (SUM_EVERY - 1) == 0:
        _sum(s)


@kernel
def _shrink(s: Record, share: float) -> None:
    s.scale *= share
    if s.scale < SMALLEST_SCALE:
        for i in range(s.mass.size):
            s.mass[i] *= s.scale
        s.scale = 1.0
        _sum(s)


@kernel
def ladder_close(s: Record, share: float) -> None:
    """Take away the share of every bin that was closed voluntarily, in [0, 1]."""
    before = s.total * s.scale
    _shrink(s, 1.0 - min(max(share, 0.0), 1.0))
    s.closed += before - s.total * s.scale


@kernel
def ladder_age(s: Record, dt_s: float, share: float) -> None:
    """Let `dt_s` seconds pass, which leave `share` of every bin: the rest got margin, hedges, other terms."""
    before = s.total * s.scale
    _shrink(s, share)
    s.aged += before - s.total * s.scale
    s.age_s = s.age_s + max(dt_s, 0.0) if s.total > 0.0 else 0.0


@kernel
def bin_price(k: int, width: float, sign: float) -> float:
    """Return the price in the middle of bin `k`; `sign` is -1 for longs, 1 for shorts.

    >>> bin_price(-1, 2.0, -1.0) == bin_price(0, 2.0, 1.0) == math.e
    True
    """
    return math.exp(sign * (k + 0.5) * width)


@kernel
def ladder_usd(s: Record, start: float, stop: float, width: float, sign: float) -> float:
    """Return the USD between two coordinates, each bin at its own price; bins cut through count in part."""
    mask = s.mass.size - 1
    first = max(bin_of(start, width), s.front)
    last = min(bin_of(stop, width), s.front + s.mass.size - 1)
    usd = 0.0
    price, step = bin_price(first, width, sign), math.exp(sign * width)
    for k in range(first, last + 1):
        held = s.mass[k & mask]
        if held > 0.0:
            covered = min(stop, (k + 1) * width) - max(start, k * width)
            usd += held * price * min(max(covered / width, 0.0), 1.0)
        price *= step
    return usd * s.scale


@kernel
def ladder_fuel(s: Record, here: float, width: float, sign: float, reach: float) -> float:
    """Return the USD of the whole ladder, each bin weighted by ``exp(-distance / reach)`` in ln price."""
    mask = s.mass.size - 1
    worth = bin_price(s.front, width, sign) * math.exp(-((s.front + 0.5) * width - here) / reach)
    step = math.exp(sign * width - width / reach)
    fuel = 0.0
    for k in range(s.front, s.front + s.mass.size):
        fuel += s.mass[k & mask] * worth
        worth *= step
    return fuel * s.scale


@kernel
def dense_level(s: Record, stop: int, quantile: float) -> float:
    """Return the quantile (linear between ranks) of the non-empty bins before `stop`; NaN without any."""
    mask = s.mass.size - 1
    found = np.empty(max(min(stop - s.front, s.mass.size), 0))
    n = 0
    for k in range(s.front, s.front + found.size):
        if s.mass[k & mask] > 0.0:
            found[n] = s.mass[k & mask]
            n += 1
    if n == 0:
        return math.nan
    ranked = np.sort(found[:n])
    at = quantile * (n - 1)
    low = int(at)
    high = min(low + 1, n - 1)
    return float(ranked[low] + (ranked[high] - ranked[low]) * (at - low))


@kernel
def next_zone(s: Record, start: int, stop: int, level: float) -> tuple[int, int]:
    """Return the next run of bins denser than `level` as (first, beyond the last); both `stop` if none."""
    mask = s.mass.size - 1
    first = start
    while first < stop and not s.mass[first & mask] > level:
        first += 1
    last = first
    while last < stop and s.mass[last & mask] > level:
        last += 1
    return first, last
