"""Which of two series moves first: exponentially forgotten cross-products of their returns at lags.

For lags of 1, 2, 5 and 10 steps, with f and s the first and the second series:

    ahead_l  <- g ahead_l  + f[t-l] s[t]        the first moved before the second
    behind_l <- g behind_l + s[t-l] f[t]        the second moved before the first

``lead_ratio`` is the sum of the squared cross-correlations ahead over that behind; the variances are the same
above and below and cancel. Sums of squared products go beside, forgotten by g^2: under independence
``sum / root(squares)`` is standard normal, whatever the volatility does, so the sum of the eight squares of
these is chi-squared with 8 degrees of freedom and says whether anything leads at all.

Missing returns are NaN and tell nothing. Zero bytes are a valid empty state.

Reference: N. Huth, F. Abergel, High frequency lead/lag relationships, J. Empirical Finance 26 (2014).
"""

import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from streams.kernels.jit import Record, kernel

Floats: TypeAlias = npt.NDArray[np.float64]

STEPS = (1, 2, 5, 10)
CHANCE = 15.507  # what chi-squared with 8 degrees of freedom exceeds in one case of twenty

CROSS = np.dtype([
    ("sums", "f8", (2, 4)), ("squares", "f8", (2, 4)), ("weights", "f8", (2, 4)),
])  # fmt: skip


@kernel
def cross_init(s: Record) -> None:
    """Forget everything.

    >>> s = np.ones(1, CROSS)[0]
    >>> cross_init(s)
    >>> lead_ratio(s)
    nan
    """
    s.sums[:, :] = 0.0
    s.squares[:, :] = 0.0
    s.weights[:, :] = 0.0


@kernel
def cross_fade(s: Record, g: float) -> None:
    """Let the share `g` of all weight be left."""
    for i in range(2):
        for k in range(4):
            s.sums[i, k] *= g
            s.squares[i, k] *= g * g
            s.weights[i, k] *= g


@kernel
def _add(s: Record, i: int, k: int, product: float) -> None:
    if math.isnan(product):
        return
    s.sums[i, k] += product
    s.squares[i, k] += product * product
    s.weights[i, k] += 1.0


@kernel
def cross_add(s: Record, first: float, second: float, before: Floats) -> None:
    """Add a step: both returns, and those before them, float64[2, >= 10], newest first.

    >>> s = np.zeros(1, CROSS)[0]
    >>> before = np.zeros((2, 10))
    >>> before[0, 1] = 3.0
    >>> cross_add(s, 5.0, 2.0, before)
    >>> s["sums"].tolist()
    [[0.0, 6.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]
    """
    for k in range(4):
        lag = (1, 2, 5, 10)[k]
        _add(s, 0, k, before[0, lag - 1] * second)
        _add(s, 1, k, before[1, lag - 1] * first)


@kernel
def _strength(s: Record, i: int) -> float:
    total = 0.0
    for k in range(4):
        mean = s.sums[i, k] / s.weights[i, k]  # NaN of a lag never seen
        total += mean * mean
    return total


@kernel
def lead_ratio(s: Record) -> float:
    """Return how much stronger the first series leads than the second; NaN where a lag was never seen.

    >>> s = np.zeros(1, CROSS)[0]
    >>> s["weights"], s["sums"][0, 0], s["sums"][1, 2] = 10.0, 6.0, -3.0
    >>> lead_ratio(s)
    4.0
    """
    behind = _strength(s, 1)
    return _strength(s, 0) / behind if behind > 0.0 else math.nan


@kernel
def lead_evidence(s: Record) -> float:
    """Return the sum of squared standard scores of all lags; CHANCE is its 95 % point without any lead."""
    total = 0.0
    for i in range(2):
        for k in range(4):
            if s.squares[i, k] > 0.0:
                total += s.sums[i, k] * s.sums[i, k] / s.squares[i, k]
    return total
