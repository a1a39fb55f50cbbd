"""Symmetric positive definite systems, small ones: Cholesky factor, solution, inverse.

Written out because numba's own linear algebra needs SciPy and allocates. Matrices are float64[p, p] with p
of a dozen; the cost is p^3 / 6 for the factor and p^2 for a solution.
"""

import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from streams.kernels.jit import kernel

Floats: TypeAlias = npt.NDArray[np.float64]


@kernel
def cholesky(a: Floats, smallest: float) -> bool:
    """Replace the lower triangle of `a` by L with L L' = a; False if a pivot is not above `smallest`.

    The upper triangle is neither read nor written. After False the content is of no use.

    >>> a = np.array([[4.0, 0.0], [2.0, 10.0]])
    >>> cholesky(a, 0.0), a.tolist()
    (True, [[2.0, 0.0], [1.0, 3.0]])
    >>> cholesky(np.ones((2, 2)), 1e-12)
    False
    """
    p = a.shape[0]
    for j in range(p):
        pivot = a[j, j]
        for k in range(j):
            pivot -= a[j, k] * a[j, k]
        if not pivot > smallest:
            return False
        a[j, j] = math.sqrt(pivot)
        for i in range(j + 1, p):
            x = a[i, j]
            for k in range(j):
                x -= a[i, k] * a[j, k]
            a[i, j] = x / a[j, j]
    return True


@kernel
def cholesky_solve(lower: Floats, x: Floats) -> None:
    """Replace `x`, float64[p], by the solution of L L' z = x.

    >>> x = np.array([8.0, 14.0])
    >>> cholesky_solve(np.array([[2.0, 0.0], [1.0, 3.0]]), x)
    >>> x.round(12).tolist()
    [1.444444444444, 1.111111111111]
    """
    p = x.size
    for i in range(p):
        for k in range(i):
            x[i] -= lower[i, k] * x[k]
        x[i] /= lower[i, i]
    for i in range(p - 1, -1, -1):
        for k in range(i + 1, p):
            x[i] -= lower[k, i] * x[k]
        x[i] /= lower[i, i]


@kernel
def cholesky_inverse(lower: Floats, inverse: Floats) -> None:
    """Write the inverse of L L' into `inverse`, float64[p, p].

    >>> inverse = np.empty((2, 2))
    >>> cholesky_inverse(np.array([[2.0, 0.0], [1.0, 3.0]]), inverse)
    >>> (inverse * 36.0).round(12).tolist()
    [[10.0, -2.0], [-2.0, 4.0]]
    """
    p = lower.shape[0]
    for j in range(p):
        for i in range(p):
            inverse[j, i] = 1.0 if i == j else 0.0
        cholesky_solve(lower, inverse[j])
