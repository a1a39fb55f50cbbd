"""Does a point process follow its model? Residual test by time rescaling, with forgetting (method 5.5).

Under the true intensity the integral of the intensity from one event to the next is Exp(1), so
u = 1 - exp(-integral) is uniform on [0, 1). The u of past events lie in 20 bins, forgotten with a
half-life. `residual_distance` is the largest difference between their distribution and the uniform one
at the bins' edges, the Kolmogorov-Smirnov distance seen through 20 bins.

Its p-value is Kolmogorov's, of ``sqrt(N_eff) * distance + 0.5826 / sqrt(20)``: the second term stands for
what 19 edges miss between them. After a gap in observation the time of the last event is unknown, so
counting begins anew with the next event.

Reference: Y. Ogata, Statistical models for earthquake occurrences and residual analysis, JASA 83 (1988).
M. Broadie, P. Glasserman, S. Kou, A continuity correction for discrete barrier options, Mathematical
Finance 7 (1997), for 0.5826.
"""

import math

import numpy as np

from streams.kernels.decay import decay
from streams.kernels.jit import Record, kernel

BINS = 20
TOLERATED = 0.08  # a distance every model of something real has
CRITICAL = 1.63  # Kolmogorov's 1 %
_EDGES = 0.5826 / math.sqrt(BINS)

RESIDUAL = np.dtype(
    [
        ("bins", "f8", (BINS,)),
        ("weight", "f8"),
        ("weight_squared", "f8"),
        ("stale_s", "f8"),
        ("tau", "f8"),  # NaN: the last event is unknown
    ]
)


@kernel
def residual_init(s: Record) -> None:
    """Set a RESIDUAL record to "no event yet".

    >>> s = np.zeros(1, RESIDUAL)[0]
    >>> residual_init(s)
    >>> residual_distance(s), residual_p(s), residual_rejected(s)
    (nan, nan, False)
    """
    s.bins[:] = 0.0
    s.weight = s.weight_squared = s.stale_s = 0.0
    s.tau = math.nan


@kernel
def residual_advance(s: Record, expected: float, dt_s: float) -> None:
    """Let `dt_s` seconds pass in which the model expected `expected` events; NaN: unobserved."""
    s.tau += expected
    s.stale_s += dt_s


@kernel
def residual_event(s: Record, half_life_s: float) -> None:
    """Take an event; the first one after a gap only starts the clock.

    >>> s = np.zeros(1, RESIDUAL)[0]
    >>> residual_init(s)
    >>> residual_event(s, 60.0)
    >>> residual_advance(s, math.log(2.0), 1.0)
    >>> residual_event(s, 60.0)
    >>> float(s["weight"]), float(s["bins"][10]), round(residual_distance(s), 9)
    (1.0, 1.0, 0.5)
    """
    if s.tau == s.tau:
        g = decay(s.stale_s, half_life_s)
        s.stale_s = 0.0
        for i in range(BINS):
            s.bins[i] *= g
        s.weight = s.weight * g + 1.0
        s.weight_squared = s.weight_squared * g * g + 1.0
        u = -math.expm1(-max(s.tau, 0.0))
        s.bins[min(int(u * BINS), BINS - 1)] += 1.0
    s.tau = 0.0


@kernel
def residual_events(s: Record) -> float:
    """Return how many equally weighted events the forgotten ones are worth."""
    return s.weight * s.weight / s.weight_squared if s.weight_squared > 0.0 else 0.0


@kernel
def residual_distance(s: Record) -> float:
    """Return the largest distance of the distribution from the uniform one; NaN without events."""
    if not s.weight > 0.0:
        return math.nan
    below = distance = 0.0
    for i in range(BINS - 1):
        below += s.bins[i]
        distance = max(distance, abs(below / s.weight - (i + 1) / BINS))
    return distance


@kernel
def kolmogorov_p(x: float) -> float:
    """Return the probability that a Brownian bridge goes further than `x` from 0.

    >>> round(kolmogorov_p(1.628), 4), kolmogorov_p(0.0), round(kolmogorov_p(0.5), 4)
    (0.01, 1.0, 0.9639)
    """
    if x < 0.2:
        return 1.0
    total, sign = 0.0, 1.0
    for k in range(1, 101):
        term = math.exp(-2.0 * k * k * x * x)
        total += sign * term
        sign = -sign
        if term < 1e-17:
            break
    return min(max(2.0 * total, 0.0), 1.0)


@kernel
def residual_p(s: Record) -> float:
    """Return the p-value of the distance; NaN without events."""
    distance = residual_distance(s)
    if distance != distance:
        return math.nan
    return kolmogorov_p(math.sqrt(residual_events(s)) * distance + _EDGES)


@kernel
def residual_rejected(s: Record) -> bool:
    """Return whether the model is rejected: beyond 1 % and beyond what is tolerated."""
    distance = residual_distance(s)
    if distance != distance:
        return False
    return bool(distance > max(TOLERATED, CRITICAL / math.sqrt(residual_events(s))))
