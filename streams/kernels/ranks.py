"""Where a positive ratio stands in its own past: an exponentially forgotten histogram below a kilobyte.

`streams.kernels.histogram` spends eight kilobytes to serve any metric. A ratio that moves within an order of
magnitude needs less: 96 bins of equal width in ln, which the caller chooses (1.5 % reach over a factor of
four). They lie around the first value seen and move when one falls outside, with whatever leaves at the far
end kept in the last bin there. Mass is taken as even inside a bin, so a rank is off by less than its own
bin's mass: with bins of a fifth of the ratio's standard deviation by half a point on average.

Weights grow instead of decaying (forward decay); for a held signal they are the seconds it stood. NaN and
what is not positive is ignored. Zero bytes are a valid empty state.

Reference: G. Cormode et al., Forward decay: a practical time decay model for streaming systems, ICDE 2009.
"""

import math

import numpy as np

from streams.kernels.jit import LN2, Record, kernel

BINS = 96
RANKS = np.dtype([
    ("mass", "f8", (BINS,)), ("middle", "f8"), ("total", "f8"),
    ("reference_s", "f8"), ("first_s", "f8"), ("inserts", "f8"),
])  # fmt: skip
_MAX_EXPONENT = 300.0


@kernel
def ranks_init(h: Record) -> None:
    """Forget everything.

    >>> h = np.ones(1, RANKS)[0]
    >>> ranks_init(h)
    >>> ranks_rank(h, 1.0, 0.03)
    nan
    """
    h.mass[:] = 0.0
    h.middle = h.total = h.reference_s = h.first_s = h.inserts = 0.0


@kernel
def _place(h: Record, x: float, step: float) -> float:
    """Return where `x` lies, in bins from the lowest edge; the first value was a bin's centre."""
    return math.log(x / h.middle) / step + 0.5 * (BINS + 1)


@kernel
def _move_bins(h: Record, shift: int) -> None:
    """Let bin i become bin i - shift; what leaves the grid stays in its last bin."""
    gone = 0.0
    if shift > 0:
        for i in range(BINS):
            gone += h.mass[i] if i < shift else 0.0
            h.mass[i] = h.mass[i + shift] if i + shift < BINS else 0.0
        h.mass[0] += gone
        return
    for i in range(BINS - 1, -1, -1):
        gone += h.mass[i] if i - shift >= BINS else 0.0
        h.mass[i] = h.mass[i + shift] if i + shift >= 0 else 0.0
    h.mass[BINS - 1] += gone


@kernel
def _follow(h: Record, place: float, step: float) -> None:
    """Move the bins until `place` lies a quarter from the end that it left."""
    shift = math.floor(place - (0.75 if place >= BINS else 0.25) * BINS)
    _move_bins(h, shift)
    h.middle *= math.exp(shift * step)


@kernel
def _move_reference(h: Record, t_s: float, exponent: float) -> None:
    share = math.exp(-exponent)
    h.total = 0.0
    for i in range(BINS):
        h.mass[i] *= share
        h.total += h.mass[i]
    h.reference_s = t_s


@kernel
def ranks_insert(
    h: Record, t_s: float, x: float, weight: float, step: float, half_life_s: float
) -> None:
    """Add `x` with `weight` at time `t_s`; `step` is the bins' width in ln(x), always the same.

    >>> h = np.zeros(1, RANKS)[0]
    >>> for x in (1.0, 2.0, 2.0, 4.0):
    ...     ranks_insert(h, 0.0, x, 1.0, 0.03, 60.0)
    >>> [ranks_rank(h, x, 0.03) for x in (0.5, 1.5, 3.0, 5.0)]
    [0.0, 0.25, 0.75, 1.0]
    """
    if not (0.0 < x < math.inf and 0.0 < weight < math.inf):
        return
    if h.inserts == 0.0:
        h.middle = x
        h.reference_s = h.first_s = t_s
    exponent = LN2 * (t_s - h.reference_s) / half_life_s
    if exponent > _MAX_EXPONENT:
        _move_reference(h, t_s, exponent)
        exponent = 0.0
    if not 0.0 <= _place(h, x, step) < BINS:
        _follow(h, _place(h, x, step), step)
    grown = weight * math.exp(exponent)
    h.mass[int(_place(h, x, step))] += grown
    h.total += grown
    h.inserts += 1.0


@kernel
def ranks_rank(h: Record, x: float, step: float) -> float:
    """Return the share of weight below `x`; NaN when empty or `x` is no ratio.

    >>> h = np.zeros(1, RANKS)[0]
    >>> ranks_insert(h, 0.0, 3.0, 1.0, 0.03, 60.0)
    >>> ranks_rank(h, 3.0, 0.03)
    0.5
    """
    if not (0.0 < x < math.inf and h.total > 0.0):
        return math.nan
    place = min(max(_place(h, x, step), 0.0), float(BINS))
    own = min(int(place), BINS - 1)
    below = (place - own) * h.mass[own]
    for i in range(own):
        below += h.mass[i]
    return float(min(below / h.total, 1.0))


@kernel
def ranks_warm(h: Record, t_s: float, half_life_s: float, min_inserts: float) -> bool:
    """Return whether two half-lives of time and `min_inserts` values have passed.

    >>> h = np.zeros(1, RANKS)[0]
    >>> ranks_insert(h, 100.0, 1.0, 1.0, 0.03, 60.0)
    >>> ranks_warm(h, 219.0, 60.0, 1.0), ranks_warm(h, 220.0, 60.0, 1.0)
    (False, True)
    """
    return bool(
        h.inserts > 0.0 and t_s - h.first_s >= 2.0 * half_life_s and h.inserts >= min_inserts
    )
