"""Exponentially forgotten histogram: rolling percentile rank, quantile and robust z-score.

A value x falls into the bin nearest to asinh(x/scale): linear near zero, relative in the tails.
The 1023 bins 1..1023 are centred on zero (bin 512 holds x = 0 in its middle, so that a metric
resting at zero is one bin and not two) and reach to |x| = 1000*scale; what lies beyond goes to the
outermost bin. Bin 0 stays empty. One bin is 0.0149*scale wide near zero and 1.5 % of |x| in the
tails, so `scale` wants to be between a tenth and the whole of a typical deviation; it must be the
same in every call. A metric that is never negative needs the upper half only: `UPPER`, bins 512..1023, where
what is below zero counts as zero.

Instead of fading all bins at each insert, the new weight grows: w * 2**((t - reference)/h). Ratios
are the same. When the exponent passes 300 (base e) all bins are scaled once and the reference
moves.

The rank of x is the mass below its bin plus half of its bin: right for values that repeat exactly,
and off by at most half a bin's mass for spread ones (0.003 of the weight for a scale as above). A
value that shares a bin with one that repeats is not told apart from it. Quantiles are linear in
asinh inside a bin. Both read sums of 32 bins and the bins of one such block only; a block's sum is added
up anew whenever one of its bins changes, so it is always exactly theirs.

Times are seconds since any fixed origin. Zero bytes are a valid empty state.

Reference: G. Cormode et al., Forward decay: a practical time decay model for streaming systems,
ICDE 2009 (growing weights). Robust z: quartile distance over 1.349, the normal distribution's.
"""

import math

import numpy as np

from streams.kernels.jit import LN2, Record, kernel

BINS = 1024
BLOCK = 32


def histogram_of(bins: int) -> np.dtype[np.void]:
    """Return the record type of a histogram of the uppermost `bins`, a multiple of 32.

    >>> histogram_of(512).itemsize
    4264
    """
    return np.dtype([
        ("reference_s", "f8"), ("first_s", "f8"), ("last_s", "f8"), ("inserts", "f8"), ("total", "f8"),
        ("blocks", "f8", (bins // BLOCK,)), ("mass", "f8", (bins,)),
    ])  # fmt: skip


HISTOGRAM = histogram_of(BINS)
UPPER = histogram_of(BINS // 2)  # of what is never negative
_CENTRE = 512
_REACH = 511
_STEP = math.asinh(1000.0) / _REACH
_MAX_EXPONENT = 300.0
_NORMAL_IQR = 1.349
_Z_LIMIT = 8.0


@kernel
def histogram_init(h: Record) -> None:
    """Empty a HISTOGRAM or UPPER record.

    >>> h = np.ones(1, HISTOGRAM)[0]
    >>> histogram_init(h)
    >>> histogram_rank(h, 0.0, 1.0)
    nan
    """
    h.mass[:] = 0.0
    h.blocks[:] = 0.0
    h.reference_s = 0.0
    h.first_s = 0.0
    h.last_s = 0.0
    h.inserts = 0.0
    h.total = 0.0


@kernel
def _bin(h: Record, x: float, scale: float) -> int:
    steps = math.asinh(x / scale) / _STEP
    own = _CENTRE + math.floor(min(max(steps, -_REACH), _REACH) + 0.5)
    return max(own - (BINS - h.mass.size), 0)


@kernel
def _add_up(h: Record, block: int) -> None:
    total = 0.0
    for i in range(block * BLOCK, (block + 1) * BLOCK):
        total += h.mass[i]
    h.blocks[block] = total


@kernel
def _move_reference(h: Record, t_s: float, exponent: float) -> None:
    share = math.exp(-exponent)
    for i in range(h.mass.size):
        h.mass[i] *= share
    h.total = 0.0
    for block in range(h.blocks.size):
        _add_up(h, block)
        h.total += h.blocks[block]
    h.reference_s = t_s


@kernel
def histogram_insert(
    h: Record, t_s: float, x: float, weight: float, scale: float, half_life_s: float
) -> None:
    """Add `x` with `weight` at time `t_s`; for a held signal the weight is the seconds it stood.

    NaN, and weights that are not positive and finite, are ignored. A late insert gets the weight of
    its own time.

    >>> h = np.zeros(1, HISTOGRAM)[0]
    >>> histogram_insert(h, 0.0, 1.0, 1.0, 1.0, 60.0)
    >>> histogram_insert(h, 60.0, 2.0, 1.0, 1.0, 60.0)
    >>> [round(histogram_rank(h, x, 1.0), 6) for x in (0.0, 1.0, 1.5, 2.0, 3.0)]
    [0.0, 0.166667, 0.333333, 0.666667, 1.0]
    """
    if math.isnan(x) or not 0.0 < weight < math.inf:
        return
    if h.inserts == 0.0:
        h.reference_s = t_s
        h.first_s = t_s
        h.last_s = t_s
    exponent = LN2 * (t_s - h.reference_s) / half_life_s
    if exponent > _MAX_EXPONENT:
        _move_reference(h, t_s, exponent)
        exponent = 0.0
    grown = weight * math.exp(exponent)
    own = _bin(h, x, scale)
    h.mass[own] += grown
    _add_up(h, own // BLOCK)
    h.total += grown
    h.inserts += 1.0
    h.last_s = max(h.last_s, t_s)


@kernel
def histogram_rank(h: Record, x: float, scale: float) -> float:
    """Return the share of weight below `x` in [0, 1]; NaN when empty or `x` is NaN.

    >>> h = np.zeros(1, HISTOGRAM)[0]
    >>> for x in (-3.0, 0.0, 0.0, 5.0):
    ...     histogram_insert(h, 0.0, x, 1.0, 1.0, 60.0)
    >>> histogram_rank(h, -3.0, 1.0), histogram_rank(h, 0.0, 1.0), histogram_rank(h, 9.0, 1.0)
    (0.125, 0.5, 1.0)
    """
    if math.isnan(x) or not h.total > 0.0:
        return math.nan
    own = _bin(h, x, scale)
    below = inside = 0.0
    for block in range(own // BLOCK):
        below += h.blocks[block]
    for i in range(own // BLOCK * BLOCK, own):
        inside += h.mass[i]
    below += inside + 0.5 * h.mass[own]
    return float(min(below / h.total, 1.0))


@kernel
def histogram_quantile(h: Record, q: float, scale: float) -> float:
    """Return the value below which the share `q` of the weight lies; NaN when empty.

    >>> h = np.zeros(1, HISTOGRAM)[0]
    >>> for x in range(1, 100):
    ...     histogram_insert(h, 0.0, float(x), 1.0, 10.0, 60.0)
    >>> round(histogram_quantile(h, 0.5, 10.0)), round(histogram_quantile(h, 0.9, 10.0))
    (50, 90)
    """
    if math.isnan(q) or not h.total > 0.0:
        return math.nan
    target = min(max(q, 0.0), 1.0) * h.total
    below, block = 0.0, 0
    last = h.blocks.size - 1
    while last > 0 and not h.blocks[last] > 0.0:  # rounding may put the target beyond all mass
        last -= 1
    while block < last and (not h.blocks[block] > 0.0 or below + h.blocks[block] < target):
        below += h.blocks[block]
        block += 1
    position = 0.0
    for i in range(block * BLOCK, (block + 1) * BLOCK):
        mass = h.mass[i]
        if mass > 0.0:
            position = i + (BINS - h.mass.size) - _CENTRE + 0.5
            if below + mass >= target:
                position += (target - below) / mass - 1.0
                break
            below += mass
    return scale * math.sinh(position * _STEP)


@kernel
def histogram_warm(h: Record, t_s: float, half_life_s: float, min_inserts: float) -> bool:
    """Return whether two half-lives of time and `min_inserts` values have passed.

    >>> h = np.zeros(1, HISTOGRAM)[0]
    >>> histogram_insert(h, 100.0, 1.0, 1.0, 1.0, 60.0)
    >>> histogram_warm(h, 219.0, 60.0, 1), histogram_warm(h, 220.0, 60.0, 1)
    (False, True)
    """
    if h.inserts == 0.0:
        return False
    return bool(t_s - h.first_s >= 2.0 * half_life_s and h.inserts >= min_inserts)


@kernel
def robust_z(h: Record, x: float, floor: float, scale: float) -> float:
    """Return (x - median) over the quartiles' standard deviation, in [-8, 8]; NaN when unknown.

    `floor` is the smallest deviation to divide by, in the unit of x: a metric that rested on one
    value for weeks has no spread, and any move away from it would be infinite.

    >>> h = np.zeros(1, HISTOGRAM)[0]
    >>> histogram_insert(h, 0.0, 0.0, 1.0, 1.0, 60.0)
    >>> robust_z(h, 1.0, 0.5, 1.0), robust_z(h, -99.0, 0.5, 1.0)
    (2.0, -8.0)
    """
    if math.isnan(x) or not h.total > 0.0:
        return math.nan
    middle = histogram_quantile(h, 0.5, scale)
    spread = histogram_quantile(h, 0.75, scale) - histogram_quantile(h, 0.25, scale)
    z = (x - middle) / max(spread / _NORMAL_IQR, floor)
    return min(max(z, -_Z_LIMIT), _Z_LIMIT)
