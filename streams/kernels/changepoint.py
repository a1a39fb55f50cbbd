"""Bayesian online change-point detection: how long has the present regime lasted?

Within a regime values are independent draws from one normal distribution, of which only a
normal-gamma prior is known; at each step a new regime begins with the probability `hazard`.
`mass[r]` is the posterior probability that the regime which the next value belongs to has shown r
values so far, so `mass[0]` is always the hazard. Each run length keeps its own posterior mean and
its own `beta`; the counts follow from r:

    kappa = kappa0 + r,  alpha = alpha0 + r/2
    forecast of x: Student t with 2 alpha degrees of freedom around mean,
                   scale^2 = beta (kappa + 1) / (alpha kappa)
    mean += (x - mean) / (kappa + 1),    beta += kappa (x - mean)^2 / (2 (kappa + 1))

Run lengths end at a cap, where the last entry means "at least". What it knows is kept worth
exactly that many values: before a new one it forgets as much as one weighs, and what arrives from
below joins it with its share of the mass, means and sums of squares as of a mixture. Below the cap
the result is exact.

The prior's mean and beta are given at each step and count for regimes that begin there, so the
caller may let them follow what is usual. A value of NaN is no step. Work: one pass over the run
lengths. Zero bytes are a valid empty state.

Reference: R. P. Adams, D. J. C. MacKay, Bayesian online changepoint detection, arXiv:0710.3742
(2007).
"""

import math

import numpy as np

from streams.kernels.jit import Record, kernel


def changepoint_record(cap: int) -> np.dtype[np.void]:
    """Return the record type of a detector whose longest run length is `cap`.

    >>> changepoint_record(400).itemsize
    9632
    """
    entries = (cap + 1,)
    return np.dtype(
        [("mass", "f8", entries), ("mean", "f8", entries), ("beta", "f8", entries), ("steps", "i8")]
    )


@kernel
def changepoint_init(s: Record) -> None:
    """Forget everything.

    >>> s = np.ones(1, changepoint_record(3))[0]
    >>> changepoint_init(s)
    >>> float(s["mass"].sum()), int(s["steps"])
    (0.0, 0)
    """
    s.mass[:] = 0.0
    s.mean[:] = 0.0
    s.beta[:] = 0.0
    s.steps = 0


@kernel
def _log_forecast(x: float, mean: float, beta: float, kappa: float, alpha: float) -> float:
    """Return the log density of the next value."""
    spread = 2.0 * beta * (kappa + 1.0) / kappa
    d = x - mean
    return (
        math.lgamma(alpha + 0.5)
        - math.lgamma(alpha)
        - 0.5 * math.log(math.pi * spread)
        - (alpha + 0.5) * math.log1p(d * d / spread)
    )


@kernel
def _observe(s: Record, x: float, hazard: float, kappa0: float, alpha0: float) -> None:
    """Replace `mass[r]` by the joint probability of run length r and the value, up to a common factor."""
    cap = s.mass.size - 1
    logs = np.full(cap + 1, -math.inf)
    best = -math.inf
    for r in range(cap + 1):
        if s.mass[r] > 0.0:
            forecast = _log_forecast(x, s.mean[r], s.beta[r], kappa0 + r, alpha0 + 0.5 * r)
            logs[r] = math.log(s.mass[r]) + forecast
            best = max(best, logs[r])
    total = 0.0
    for r in range(cap + 1):
        s.mass[r] = math.exp(logs[r] - best)
        total += s.mass[r]
    for r in range(cap + 1):
        s.mass[r] *= (1.0 - hazard) / total


@kernel
def _learned(mean: float, beta: float, x: float, kappa: float) -> tuple[float, float]:
    d = x - mean
    return mean + d / (kappa + 1.0), beta + 0.5 * kappa * d * d / (kappa + 1.0)


@kernel
def _join(s: Record, x: float, kappa0: float, beta0: float) -> None:
    """Let the run lengths cap - 1 and cap take the value and become the new cap."""
    cap = s.mass.size - 1
    kappa = kappa0 + cap - 1
    kept = beta0 + (s.beta[cap] - beta0) * (cap - 1) / cap
    old_mean, old_beta = _learned(s.mean[cap], kept, x, kappa)
    new_mean, new_beta = _learned(s.mean[cap - 1], s.beta[cap - 1], x, kappa)
    total = s.mass[cap] + s.mass[cap - 1]
    share = s.mass[cap] / total if total > 0.0 else 0.0
    d = old_mean - new_mean
    s.mean[cap] = new_mean + share * d
    between = 0.5 * (kappa + 1.0) * share * (1.0 - share) * d * d
    s.beta[cap] = share * old_beta + (1.0 - share) * new_beta + between
    s.mass[cap] = total


@kernel
def changepoint_step(
    s: Record, x: float, hazard: float, mean0: float, kappa0: float, alpha0: float, beta0: float
) -> None:
    """Take the next value; the prior is that of a regime which begins with it.

    >>> s = np.zeros(1, changepoint_record(50))[0]
    >>> for x in [0.1, -0.1] * 10 + [5.1, 4.9]:
    ...     changepoint_step(s, x, 0.01, 0.0, 0.1, 1.0, 0.1)
    >>> changepoint_run(s), round(changepoint_recent(s, 2), 2)
    (2, 1.0)
    """
    if math.isnan(x):
        return
    cap = s.mass.size - 1
    if s.steps == 0:
        s.mass[0] = 1.0
    s.mean[0] = mean0
    s.beta[0] = beta0
    _observe(s, x, hazard, kappa0, alpha0)
    _join(s, x, kappa0, beta0)
    for r in range(cap - 1, 0, -1):
        s.mean[r], s.beta[r] = _learned(s.mean[r - 1], s.beta[r - 1], x, kappa0 + r - 1)
        s.mass[r] = s.mass[r - 1]
    s.mass[0] = hazard
    s.steps += 1


@kernel
def changepoint_recent(s: Record, steps: int) -> float:
    """Return the probability that the regime has shown at most `steps` values; NaN before the first.

    >>> changepoint_recent(np.zeros(1, changepoint_record(5))[0], 2)
    nan
    """
    if s.steps == 0:
        return math.nan
    total = 0.0
    for r in range(min(steps, s.mass.size - 1) + 1):
        total += s.mass[r]
    return min(total, 1.0)


@kernel
def changepoint_run(s: Record) -> int:
    """Return the most probable number of values that the regime has shown; the cap means "at least".

    >>> changepoint_run(np.zeros(1, changepoint_record(5))[0])
    0
    """
    best = 0
    for r in range(s.mass.size):
        if s.mass[r] > s.mass[best]:
            best = r
    return best
