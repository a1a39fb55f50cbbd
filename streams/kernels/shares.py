"""Where a share between 0 and 1 stands in its own past: a forgotten histogram as small as wanted.

`streams.kernels.histogram` spends eight kilobytes to serve any metric. What is known to lie between 0 and 1
does with equal bins, as many as the caller pays for. The rank of x is the mass below its bin and half of
its own: right for what rests on one value, and else off by at most half of one bin's mass. A metric that is
no share is mapped first, by whoever keeps it; a mapping that rises leaves ranks as they are.

Weights grow instead of decaying; for a held value they are the seconds it stood. Times are seconds since
any fixed origin. Zero bytes are a valid empty state.

Reference: G. Cormode et al., Forward decay: a practical time decay model for streaming systems, ICDE 2009.
"""

import math

import numpy as np

from streams.kernels.jit import LN2, Record, kernel

_MAX_EXPONENT = 300.0


def share_record(bins: int) -> np.dtype[np.void]:
    """Return the record type of a histogram of `bins` equal bins.

    >>> share_record(64).itemsize
    544
    """
    return np.dtype([
        ("mass", "f8", (bins,)), ("total", "f8"),
        ("reference_s", "f8"), ("first_s", "f8"), ("inserts", "f8"),
    ])  # fmt: skip


@kernel
def share_init(h: Record) -> None:
    """Forget everything.

    >>> h = np.ones(1, share_record(4))[0]
    >>> share_init(h)
    >>> share_rank(h, 0.5)
    nan
    """
    h.mass[:] = 0.0
    h.total = h.reference_s = h.first_s = h.inserts = 0.0


@kernel
def _bin(h: Record, x: float) -> int:
    return min(max(int(x * h.mass.size), 0), h.mass.size - 1)


@kernel
def _move_reference(h: Record, t_s: float, exponent: float) -> None:
    share = math.exp(-exponent)
    h.total = 0.0
    for i in range(h.mass.size):
        h.mass[i] *= share
        h.total += h.mass[i]
    h.reference_s = t_s


@kernel
def share_insert(h: Record, t_s: float, x: float, weight: float, half_life_s: float) -> None:
    """Add `x` with `weight` at time `t_s`; NaN, and weights that are not positive, are ignored.

    >>> h = np.zeros(1, share_record(10))[0]
    >>> for x in (0.15, 0.25, 0.25, 0.95):
    ...     share_insert(h, 0.0, x, 1.0, 60.0)
    >>> [share_rank(h, x) for x in (0.05, 0.15, 0.25, 0.5, 1.0)]
    [0.0, 0.125, 0.5, 0.75, 0.875]
    """
    if math.isnan(x) or not 0.0 < weight < math.inf:
        return
    if h.inserts == 0.0:
        h.reference_s = h.first_s = t_s
    exponent = LN2 * (t_s - h.reference_s) / half_life_s
    if exponent > _MAX_EXPONENT:
        _move_reference(h, t_s, exponent)
        exponent = 0.0
    grown = weight * math.exp(exponent)
    h.mass[_bin(h, x)] += grown
    h.total += grown
    h.inserts += 1.0


@kernel
def share_rank(h: Record, x: float) -> float:
    """Return the share of weight below `x`; NaN when empty or `x` is NaN."""
    if math.isnan(x) or not h.total > 0.0:
        return math.nan
    own = _bin(h, x)
    below = 0.5 * h.mass[own]
    for i in range(own):
        below += h.mass[i]
    return float(min(below / h.total, 1.0))


@kernel
def share_warm(h: Record, t_s: float, half_life_s: float, min_inserts: float) -> bool:
    """Return whether two half-lives of time and `min_inserts` values have passed.

    >>> h = np.zeros(1, share_record(4))[0]
    >>> share_insert(h, 100.0, 0.5, 1.0, 60.0)
    >>> share_warm(h, 219.0, 60.0, 1.0), share_warm(h, 220.0, 60.0, 1.0)
    (False, True)
    """
    return bool(
        h.inserts > 0.0 and t_s - h.first_s >= 2.0 * half_life_s and h.inserts >= min_inserts
    )
