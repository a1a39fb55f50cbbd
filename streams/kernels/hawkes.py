"""Online estimation of a marked Hawkes process with price sources, with standard errors (method 5.2).

For fixed half-lives the intensity is linear, ``lambda_i = theta_i' x`` with ``x = (1, beta_k A_jk)``, see
`streams.kernels.excitation`. For any weight w(t) that is known before t the equation

    sum over events of w x  =  integral of w x x' theta dt

holds on average at the true theta. We take w = 1 / (fitted intensity), held from one point to the next,
which brings the solution close to maximum likelihood, and forget both sides with one half-life (the
memory). Between points x is a sum of exponentials, so the integral over a step is exact:

    G_pq <- G_pq * g + w x_p x_q I(b_p + b_q),   I(a) = int_0^dt exp(-delta (dt - s)) exp(-a s) ds

An event of target i adds w x to b_i and w^2 x x' to V_i, with x as it was just before the event. Then
theta_i = G_i^-1 b_i and its covariance is G_i^-1 V_i G_i^-1.

While the feed is not observed everything only fades: no event and no exposure is added. A prior worth
`PRIOR_S` seconds of data, at the empirical rate and no excitation, fades with the rest.

The symmetric G and V are stored as their upper triangles, row by row. The covariance follows from them and
is neither stored nor computed whole: `hawkes_solve` leaves G's factor to its caller, and the variance of a
linear form ``c . theta`` is ``z' V z`` with ``z = G^-1 c``, a thirteenth of the work.

theta[i] is (mu, n[source 0, component 0..2], n[source 1, ...], ...): events per second, then events per
event; for price sources, whose marks are basis points, events per basis point.

Reference: method 5.2 and its appendix B. T. Ozaki, AISM 31 (1979) for the recursion.
"""

import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from streams.kernels.cholesky import cholesky, cholesky_solve
from streams.kernels.excitation import COMPONENTS, SOURCES
from streams.kernels.jit import LN2, Record, kernel

Floats: TypeAlias = npt.NDArray[np.float64]

SIZE = 1 + SOURCES * COMPONENTS
PAIRS = SIZE * (SIZE + 1) // 2  # of the upper triangle
TARGETS = 2
PRIOR_S = 60.0
FEWEST_EVENTS = 30.0  # effective; with fewer, thirteen numbers mean nothing
RATE_FLOOR = 0.05  # of the mean rate: a fitted intensity below is not believed, or w would explode
_KIND = np.array([0, *(1 + k for _ in range(SOURCES) for k in range(COMPONENTS))])
_JITTER = 1e-10  # keeps the Cholesky factor of a unit-diagonal matrix real

FIT = np.dtype(
    [
        ("G", "f8", (TARGETS, PAIRS)),
        ("b", "f8", (TARGETS, SIZE)),
        ("V", "f8", (TARGETS, PAIRS)),  # `stale_s` seconds old
        ("stale_s", "f8", (TARGETS,)),
        ("w", "f8", (TARGETS,)),
        ("theta", "f8", (TARGETS, SIZE)),
        ("solved", "f8", (TARGETS,)),
        ("events", "f8", (TARGETS,)),
        ("events_squared", "f8", (TARGETS,)),
        ("exposure_s", "f8"),
        ("prior_s", "f8"),
    ]
)


@kernel
def hawkes_init(f: Record) -> None:
    """Set a FIT record to "nothing observed".

    >>> f = np.zeros(1, FIT)[0]
    >>> hawkes_init(f)
    >>> float(f["prior_s"]), hawkes_effective_events(f, 0)
    (60.0, 0.0)
    """
    f.G[:, :] = 0.0
    f.b[:, :] = 0.0
    f.V[:, :] = 0.0
    f.theta[:, :] = 0.0
    for i in range(TARGETS):
        f.stale_s[i] = f.solved[i] = f.events[i] = f.events_squared[i] = 0.0
        f.w[i] = PRIOR_S
    f.exposure_s = 0.0
    f.prior_s = PRIOR_S


@kernel
def forgotten_integral(a: float, delta: float, dt_s: float, left: float) -> float:
    """Return the integral over a step of ``exp(-delta (dt - s)) exp(-a s)``, in seconds.

    `left` is ``exp(-delta dt)``, which many integrals share.

    >>> round(forgotten_integral(0.0, 1.0, math.log(2.0), 0.5), 12)
    0.5
    >>> forgotten_integral(2.0, 2.0, 0.0, 1.0)
    0.0
    """
    slow, rest = (left, a - delta) if a >= delta else (math.exp(-a * dt_s), delta - a)
    if rest * dt_s < 1e-8:
        return dt_s * slow
    return slow * -math.expm1(-rest * dt_s) / rest


@kernel
def _fill_regressors(x: Floats, a: Floats, half_lives: Floats) -> None:
    x[0] = 1.0
    for j in range(SOURCES):
        for k in range(COMPONENTS):
            x[1 + j * COMPONENTS + k] = LN2 / half_lives[k] * a[j, k]


@kernel
def _fill_integrals(
    table: Floats, half_lives: Floats, delta: float, dt_s: float, left: float
) -> None:
    """Write I(b_p + b_q) for the constant (index 0) and each component; `left` is exp(-delta dt)."""
    for p in range(COMPONENTS + 1):
        b = LN2 / half_lives[p - 1] if p > 0 else 0.0
        for q in range(p, COMPONENTS + 1):
            c = LN2 / half_lives[q - 1] if q > 0 else 0.0
            table[p, q] = table[q, p] = forgotten_integral(b + c, delta, dt_s, left)


@kernel
def _add_exposure(
    f: Record, a: Floats, dt_s: float, half_lives: Floats, delta: float, left: float
) -> None:
    x = np.empty(SIZE)
    table = np.empty((COMPONENTS + 1, COMPONENTS + 1))
    _fill_regressors(x, a, half_lives)
    _fill_integrals(table, half_lives, delta, dt_s, left)
    w, v = f.w[0], f.w[1]
    at = 0
    for p in range(SIZE):
        if x[p] != 0.0:  # what has not happened lately needs no time
            row = table[_KIND[p]]
            for q in range(p, SIZE):
                area = x[p] * x[q] * row[_KIND[q]]
                f.G[0, at + q - p] += w * area
                f.G[1, at + q - p] += v * area
        at += SIZE - p
    f.exposure_s += table[0, 0]


@kernel
def hawkes_advance(
    f: Record, a: Floats, dt_s: float, half_lives: Floats, memory_s: float, observed: bool
) -> None:
    """Advance by `dt_s`; `a` is the sources' memory (float64[4, 3]) as it stood at the step's start.

    >>> f = np.zeros(1, FIT)[0]
    >>> hawkes_init(f)
    >>> half_lives = np.array([2.0, 15.0, 120.0])
    >>> hawkes_advance(f, np.zeros((4, 3)), 100.0, half_lives, 100.0, True)
    >>> round(float(f["exposure_s"]), 6), round(float(f["prior_s"]), 6)
    (72.134752, 30.0)
    """
    if not 0.0 < dt_s < math.inf:
        return
    delta = LN2 / memory_s
    g = math.exp(-delta * dt_s)
    for i in range(TARGETS):
        for p in range(SIZE):
            f.b[i, p] *= g
        for k in range(PAIRS):
            f.G[i, k] *= g
        f.stale_s[i] += dt_s
        f.events[i] *= g
        f.events_squared[i] *= g * g
    f.exposure_s *= g
    f.prior_s *= g
    if observed:
        _add_exposure(f, a, dt_s, half_lives, delta, g)


@kernel
def _refresh_variance(f: Record, target: int, memory_s: float) -> None:
    if f.stale_s[target] > 0.0:
        g = math.exp(-2.0 * LN2 / memory_s * f.stale_s[target])
        for k in range(PAIRS):
            f.V[target, k] *= g
    f.stale_s[target] = 0.0


@kernel
def hawkes_event(f: Record, target: int, a: Floats, half_lives: Floats, memory_s: float) -> None:
    """Take an event of `target` (0 longs, 1 shorts); `a` is the memory just before it.

    >>> f = np.zeros(1, FIT)[0]
    >>> hawkes_init(f)
    >>> hawkes_event(f, 1, np.zeros((4, 3)), np.array([2.0, 15.0, 120.0]), 3600.0)
    >>> f["b"][:, 0].tolist(), f["events"].tolist()
    ([0.0, 60.0], [0.0, 1.0])
    """
    x = np.empty(SIZE)
    _fill_regressors(x, a, half_lives)
    _refresh_variance(f, target, memory_s)
    w, k = f.w[target], 0
    for p in range(SIZE):
        f.b[target, p] += w * x[p]
        for q in range(p, SIZE):
            f.V[target, k] += w * w * x[p] * x[q]
            k += 1
    f.events[target] += 1.0
    f.events_squared[target] += 1.0


@kernel
def hawkes_rate(f: Record, target: int) -> float:
    """Return the mean rate of `target` over the memory, one event and the prior's time added: 1/s."""
    return float((f.events[target] + 1.0) / (f.exposure_s + PRIOR_S))


@kernel
def hawkes_effective_events(f: Record, target: int) -> float:
    """Return how many equally weighted events the forgotten ones are worth."""
    if f.events_squared[target] <= 0.0:
        return 0.0
    return float(f.events[target] ** 2 / f.events_squared[target])


@kernel
def hawkes_background(f: Record, target: int) -> float:
    """Return the fitted background rate, not below a twentieth of the mean rate: events a second."""
    return max(f.theta[target, 0], RATE_FLOOR * hawkes_rate(f, target))


@kernel
def hawkes_intensity(f: Record, target: int, a: Floats, half_lives: Floats) -> float:
    """Return the fitted intensity given the memory `a`, inhibition left out: events a second."""
    intensity = hawkes_background(f, target)
    for j in range(SOURCES):
        for k in range(COMPONENTS):
            n = f.theta[target, 1 + j * COMPONENTS + k]
            if n > 0.0:
                intensity += n * LN2 / half_lives[k] * a[j, k]
    return intensity


@kernel
def hawkes_expected(f: Record, target: int, a: Floats, dt_s: float, half_lives: Floats) -> float:
    """Return how many events of `target` the fit expects in the step that starts with memory `a`.

    >>> f = np.zeros(1, FIT)[0]
    >>> hawkes_init(f)
    >>> f["theta"][0, :2], f["exposure_s"] = (0.01, 0.5), 1e9
    >>> a = np.zeros((4, 3))
    >>> a[0] = 1.0
    >>> round(hawkes_expected(f, 0, a, 2.0, np.array([2.0, 15.0, 120.0])), 12)
    0.27
    """
    expected = f.theta[target, 0] * dt_s
    for k in range(COMPONENTS):
        share = -math.expm1(-LN2 * dt_s / half_lives[k])
        for j in range(SOURCES):
            expected += f.theta[target, 1 + j * COMPONENTS + k] * a[j, k] * share
    return max(expected, RATE_FLOOR * hawkes_rate(f, target) * dt_s)


@kernel
def hawkes_weigh(f: Record, a: Floats, half_lives: Floats) -> None:
    """Set the weights until the next point from what is known now."""
    for i in range(TARGETS):
        f.w[i] = 1.0 / hawkes_intensity(f, i, a, half_lives)


@kernel
def _scale(f: Record, i: int, ridge: float, d: Floats, m: Floats) -> None:
    """Write the matrix scaled to a unit diagonal and the scales; what was never seen has scale 0."""
    k = 0
    for p in range(SIZE):
        size = f.G[i, k] * (1.0 + ridge)
        d[p] = 1.0 / math.sqrt(size) if size > 0.0 else 0.0
        k += SIZE - p
    k = 0
    for p in range(SIZE):
        for q in range(p, SIZE):
            m[p, q] = m[q, p] = f.G[i, k] * d[p] * d[q]
            k += 1
        m[p, p] = 1.0 + _JITTER


@kernel
def hawkes_variance(f: Record, factor: Floats, target: int, form: Floats) -> float:
    """Return the variance of ``form . theta``, float64[13], at the time of the solution behind `factor`."""
    z, d, k = np.empty(SIZE), factor[target, SIZE], 0
    for p in range(SIZE):
        z[p] = form[p] * d[p]
    cholesky_solve(factor[target, :SIZE], z)
    for p in range(SIZE):
        z[p] *= d[p]
    variance = 0.0
    for p in range(SIZE):
        variance -= z[p] * z[p] * f.V[target, k]  # the loop counts the diagonal twice
        for q in range(p, SIZE):
            variance += 2.0 * z[p] * z[q] * f.V[target, k]
            k += 1
    return variance


@kernel
def hawkes_solve(f: Record, memory_s: float, factor: Floats) -> None:
    """Bring theta up to date and write G's factor for `hawkes_variance`, float64[2, 14, 13].

    Of each target these are 13 rows of Cholesky's lower factor of the scaled G, and the scales. With too few
    events theta is the rate alone and the factor NaN.
    """
    for i in range(TARGETS):
        m, d = factor[i, :SIZE], factor[i, SIZE]
        _refresh_variance(f, i, memory_s)
        theta = f.theta[i]
        rate = hawkes_rate(f, i)
        f.solved[i] = 0.0
        factor[i] = math.nan
        theta[:] = 0.0
        theta[0] = rate
        if hawkes_effective_events(f, i) < FEWEST_EVENTS or f.exposure_s <= 0.0:
            continue
        ridge = f.prior_s / f.exposure_s
        _scale(f, i, ridge, d, m)
        if not cholesky(m, 0.0):
            factor[i] = math.nan
            continue
        for p in range(SIZE):
            theta[p] = f.b[i, p] * d[p]
        theta[0] += ridge * f.G[i, 0] * rate * d[0]
        cholesky_solve(m, theta)
        for p in range(SIZE):
            theta[p] *= d[p]
        f.solved[i] = 1.0
