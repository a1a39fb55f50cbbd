"""What a fitted Hawkes model says in one number: sums, spectral radius, loop gain, each with an error.

Standard errors are those of linear forms of theta, from the `factor` that `hawkes_solve` left; for the radius
and the loop gain, which are not linear, the delta method. The two targets are fitted on separate martingales,
so their errors are independent.

Reference: method 5.2; 5.4 (Hardiman and Bouchaud, branching-ratio approximation, 2014) for the moment
estimate.
"""

import math

import numpy as np

from streams.kernels.excitation import COMPONENTS
from streams.kernels.hawkes import SIZE, Floats, hawkes_variance
from streams.kernels.jit import Record, kernel

_FLATTEST = 0.01  # smallest difference of the eigenvalues the delta method is trusted with


@kernel
def branching_form(f: Record, factor: Floats, target: int, weights: Floats) -> tuple[float, float]:
    """Return ``weights . theta`` of a solved fit and its variance; `weights` is float64[13]."""
    value = 0.0
    for p in range(SIZE):
        value += weights[p] * f.theta[target, p]
    return value, hawkes_variance(f, factor, target, weights)


@kernel
def branching_value(f: Record, target: int, source: int, first: int, last: int) -> float:
    """Return n summed over components `first` up to `last`: `branching_sum` without its error."""
    value = 0.0
    for p in range(1 + source * COMPONENTS + first, 1 + source * COMPONENTS + last):
        value += f.theta[target, p]
    return value


@kernel
def branching_sum(
    f: Record, factor: Floats, target: int, source: int, first: int, last: int
) -> tuple[float, float]:
    """Return n summed over components `first` up to `last`, and its standard error.

    Events of `target` for each event of `source`, or for each basis point if it is a price source.

    >>> from streams.kernels.hawkes import FIT, hawkes_init
    >>> f = np.zeros(1, FIT)[0]
    >>> hawkes_init(f)
    >>> f["theta"][0, 1:4], f["V"] = (0.1, 0.2, 0.3), np.eye(SIZE)[np.triu_indices(SIZE)] * 0.01
    >>> factor = np.ones((2, SIZE + 1, SIZE))  # of G = 1
    >>> factor[:, :SIZE] = np.eye(SIZE)
    >>> [round(x, 6) for x in branching_sum(f, factor, 0, 0, 0, 2)]
    [0.3, 0.141421]
    """
    weights, base = np.zeros(SIZE), 1 + source * COMPONENTS
    weights[base + first : base + last] = 1.0
    variance = hawkes_variance(f, factor, target, weights)
    value = branching_value(f, target, source, first, last)
    return value, math.sqrt(max(variance, 0.0)) if variance == variance else math.nan


@kernel
def branching_radius(f: Record, factor: Floats) -> tuple[float, float]:
    """Return the spectral radius of the two sides' block, negative sums as 0, and its standard error.

    >>> from streams.kernels.hawkes import FIT, hawkes_init
    >>> f = np.zeros(1, FIT)[0]
    >>> hawkes_init(f)
    >>> f["theta"][:, 1], f["theta"][:, 4] = (0.5, 0.1), (0.1, 0.5)
    >>> branching_radius(f, np.ones((2, SIZE + 1, SIZE)))
    (0.6, 0.0)
    """
    own, other = branching_value(f, 0, 0, 0, 3), branching_value(f, 1, 1, 0, 3)
    into, out = branching_value(f, 0, 1, 0, 3), branching_value(f, 1, 0, 0, 3)
    own, other, into, out = max(own, 0.0), max(other, 0.0), max(into, 0.0), max(out, 0.0)
    spread = math.sqrt((own - other) ** 2 + 4.0 * into * out)
    slope = max(spread, _FLATTEST)
    lean = (own - other) / slope
    weights = np.zeros(SIZE)
    weights[1:4] = 0.5 * (1.0 + lean)
    weights[4:7] = out / slope
    variance = hawkes_variance(f, factor, 0, weights)
    weights[1:4] = into / slope
    weights[4:7] = 0.5 * (1.0 - lean)
    variance += hawkes_variance(f, factor, 1, weights)
    error = math.sqrt(max(variance, 0.0)) if variance == variance else math.nan
    return 0.5 * (own + other + spread), error


@kernel
def normal_above(value: float, error: float, threshold: float) -> float:
    """Return the probability that a normal estimate's truth exceeds `threshold`.

    >>> normal_above(0.8, 0.1, 0.8), round(normal_above(0.9, 0.1, 0.8), 4)
    (0.5, 0.8413)
    """
    if not error > 0.0:
        return math.nan
    return 0.5 * math.erfc((threshold - value) / (error * math.sqrt(2.0)))


@kernel
def loop_gain(
    f: Record, factor: Floats, target: int, impact_bp: float, impact_error_bp: float
) -> tuple[float, float]:
    """Return forced orders caused by one, directly and by way of the price, and the standard error.

    `impact_bp` is how far one average order moves the price in the direction that hurts its own side,
    with its standard error; NaN makes both NaN.

    >>> from streams.kernels.hawkes import FIT, hawkes_init
    >>> f = np.zeros(1, FIT)[0]
    >>> hawkes_init(f)
    >>> f["theta"][0, 1], f["theta"][0, 7] = 0.5, 0.05
    >>> loop_gain(f, np.ones((2, SIZE + 1, SIZE)), 0, 4.0, 1.0)
    (0.7, 0.05)
    """
    weights = np.zeros(SIZE)
    against = 1 + (2 + target) * COMPONENTS
    own = 1 + target * COMPONENTS
    weights[own : own + COMPONENTS] = 1.0
    weights[against : against + COMPONENTS] = impact_bp
    value, variance = branching_form(f, factor, target, weights)
    gain = branching_value(f, target, 2 + target, 0, COMPONENTS)
    variance += (gain * impact_error_bp) ** 2
    if variance != variance or value != value:
        return math.nan, math.nan
    return value, math.sqrt(max(variance, 0.0))


@kernel
def moment_branching(mean: float, variance: float) -> float:
    """Return ``1 - sqrt(mean / variance)`` of counts in windows: 0 for Poisson counts.

    Too low when the windows are shorter than the excitation lasts, too high when the rate wanders.

    >>> moment_branching(4.0, 4.0), moment_branching(4.0, 100.0), moment_branching(0.0, 0.0)
    (0.0, 0.8, nan)
    """
    if not (mean > 0.0 and variance > 0.0):
        return math.nan
    return 1.0 - math.sqrt(mean / variance)
