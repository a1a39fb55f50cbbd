"""Exponentially forgotten weighted least squares with robust standard errors.

Between events everything fades by g = 2**(-dt/h), the error matrix by g^2. An event with
regressors x, outcome y and weight w adds (method 1, P6)

    G += w x x',    b += w x y,    V += (w e)^2 x x'
    theta = (G + R)^-1 b,    covariance = (G + R)^-1 V (G + R)^-1

The residual e is the error of the forecast made with the last solution (none yet: all of y),
because the final one is not known when the event passes. It is a little larger than a residual of
the fit, so errors err upwards, most where few events stand behind the solution. Autocorrelation of
the residuals is not accounted for.

The ridge R is a share of G's diagonal: a change of a regressor's unit changes its coefficient and
error by the same factor and nothing else. It is there against collinear regressors and shrinks by
its share, so 1e-6 is plenty. A regressor that has never been other than zero has no coefficient,
NaN, and leaves those of the others alone. Zero bytes are a valid empty state.

Reference: H. White, A heteroskedasticity-consistent covariance matrix estimator, Econometrica 48
(1980).
"""

import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from streams.kernels.cholesky import cholesky, cholesky_inverse, cholesky_solve
from streams.kernels.jit import Record, kernel

Floats: TypeAlias = npt.NDArray[np.float64]

_NOTHING = 1e-200  # a diagonal element below this is a regressor that was never there
_COLLINEAR = 1e-13  # of a pivot that is 1 for regressors which have nothing in common


def wls_record(terms: int) -> np.dtype[np.void]:
    """Return the record type of a regression on `terms` regressors.

    >>> wls_record(5).itemsize
    496
    """
    return np.dtype([
        ("g", "f8", (terms, terms)), ("v", "f8", (terms, terms)),
        ("b", "f8", (terms,)), ("theta", "f8", (terms,)),
        ("weight", "f8"), ("weight2", "f8"),
    ])  # fmt: skip


@kernel
def wls_init(s: Record) -> None:
    """Forget everything.

    >>> s = np.ones(1, wls_record(2))[0]
    >>> wls_init(s)
    >>> float(s["g"].sum()), wls_effective(s)
    (0.0, 0.0)
    """
    s.g[:, :] = 0.0
    s.v[:, :] = 0.0
    s.b[:] = 0.0
    s.theta[:] = 0.0
    s.weight = 0.0
    s.weight2 = 0.0


@kernel
def wls_fade(s: Record, g: float) -> None:
    """Let the share `g` of all weight be left, see `streams.kernels.decay.decay`.

    >>> s = np.ones(1, wls_record(2))[0]
    >>> wls_fade(s, 0.5)
    >>> float(s["g"][0, 1]), float(s["v"][0, 1]), float(s["theta"][0])
    (0.5, 0.25, 1.0)
    """
    if not 0.0 <= g < 1.0:
        return
    p = s.b.size
    square = g * g
    for i in range(p):
        s.b[i] *= g
        for j in range(p):
            s.g[i, j] *= g
            s.v[i, j] *= square
    s.weight *= g
    s.weight2 *= square


@kernel
def wls_add(s: Record, x: Floats, y: float, w: float) -> None:
    """Add an event: regressors `x`, float64[p], outcome `y`, weight `w`.

    An event with anything that is not finite, or a weight that is not positive, adds nothing.

    >>> s = np.zeros(1, wls_record(2))[0]
    >>> wls_add(s, np.array([1.0, 2.0]), 3.0, 0.5)
    >>> wls_add(s, np.array([1.0, np.nan]), 3.0, 0.5)
    >>> s["g"].tolist(), s["b"].tolist(), s["v"].tolist()
    ([[0.5, 1.0], [1.0, 2.0]], [1.5, 3.0], [[2.25, 4.5], [4.5, 9.0]])
    """
    p = s.b.size
    error = y
    finite = math.isfinite(y) and 0.0 < w < math.inf
    for i in range(p):
        finite = finite and math.isfinite(x[i])
        error -= x[i] * s.theta[i]
    if not finite:
        return
    weighted = w * error
    for i in range(p):
        s.b[i] += w * x[i] * y
        for j in range(p):
            product = x[i] * x[j]
            s.g[i, j] += w * product
            s.v[i, j] += weighted * weighted * product
    s.weight += w
    s.weight2 += w * w


@kernel
def wls_effective(s: Record) -> float:
    """Return how many events of equal weight would say as much.

    >>> s = np.zeros(1, wls_record(1))[0]
    >>> for _ in range(5):
    ...     wls_add(s, np.ones(1), 1.0, 7.0)
    >>> wls_effective(s)
    5.0
    """
    if not s.weight2 > 0.0:
        return 0.0
    return float(s.weight * s.weight / s.weight2)


@kernel
def _scaled(s: Record, ridge: float, unit: Floats) -> Floats:
    """Return G with ones and the ridge on its diagonal; `unit` gets the regressors' sizes, 0 for none."""
    p = s.b.size
    a = np.zeros((p, p))
    for i in range(p):
        unit[i] = math.sqrt(s.g[i, i]) if s.g[i, i] > _NOTHING else 0.0
    for i in range(p):
        a[i, i] = 1.0 + ridge
        for j in range(i):
            if unit[i] > 0.0 and unit[j] > 0.0:
                a[i, j] = s.g[i, j] / unit[i] / unit[j]
    return a


@kernel
def _sandwich(s: Record, inverse: Floats, unit: Floats, covariance: Floats) -> None:
    p = s.b.size
    left = np.zeros((p, p))
    for i in range(p):
        for k in range(p):
            if unit[k] > 0.0:
                for j in range(p):
                    if unit[j] > 0.0:
                        left[i, j] += inverse[i, k] * s.v[k, j] / unit[k] / unit[j]
    for i in range(p):
        for j in range(i + 1):
            total = 0.0
            for k in range(p):
                total += left[i, k] * inverse[k, j]
            known = unit[i] > 0.0 and unit[j] > 0.0
            covariance[i, j] = total / unit[i] / unit[j] if known else math.nan
            covariance[j, i] = covariance[i, j]


@kernel
def wls_solve(s: Record, ridge: float, theta: Floats, covariance: Floats) -> bool:
    """Write coefficients, float64[p], and their covariance, float64[p, p]; False if there is no solution.

    `ridge` is a share of each regressor's own weight. Coefficients and covariances that no data stand
    behind are NaN. Residuals are measured against this solution from here on.

    >>> s = np.zeros(1, wls_record(2))[0]
    >>> for t in range(9):
    ...     wls_add(s, np.array([1.0, float(t)]), 3.0 - 2.0 * t, 1.0)
    >>> theta, covariance = np.empty(2), np.empty((2, 2))
    >>> wls_solve(s, 0.0, theta, covariance), theta.round(9).tolist()
    (True, [3.0, -2.0])
    """
    p = s.b.size
    unit = np.empty(p)
    lower = _scaled(s, ridge, unit)
    present = False
    for i in range(p):
        present = present or unit[i] > 0.0
    if not present or not cholesky(lower, _COLLINEAR):
        theta[:] = math.nan
        covariance[:, :] = math.nan
        return False
    for i in range(p):
        theta[i] = s.b[i] / unit[i] if unit[i] > 0.0 else 0.0
    cholesky_solve(lower, theta)
    inverse = np.empty((p, p))
    cholesky_inverse(lower, inverse)
    _sandwich(s, inverse, unit, covariance)
    for i in range(p):
        if unit[i] > 0.0:
            theta[i] /= unit[i]
            s.theta[i] = theta[i]
        else:
            theta[i] = math.nan
    return True
