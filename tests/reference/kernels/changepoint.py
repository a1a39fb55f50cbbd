"""Run lengths from their definition: closed-form likelihoods of whole segments."""

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Prior = tuple[float, float, float, float]  # mean, kappa, alpha, beta


def log_likelihood(values: Sequence[float], prior: Prior) -> float:
    """Return the log probability density of a segment under the normal-gamma prior."""
    mean, kappa, alpha, beta = prior
    n = len(values)
    average = math.fsum(values) / n if n else 0.0
    squares = math.fsum((x - average) ** 2 for x in values)
    kappa_n, alpha_n = kappa + n, alpha + 0.5 * n
    beta_n = beta + 0.5 * squares + 0.5 * kappa * n * (average - mean) ** 2 / kappa_n
    return (
        math.lgamma(alpha_n) - math.lgamma(alpha)
        + alpha * math.log(beta) - alpha_n * math.log(beta_n)
        + 0.5 * math.log(kappa / kappa_n) - 0.5 * n * math.log(2.0 * math.pi)
    )  # fmt: skip


def run_lengths(
    values: Sequence[float], hazard: float, prior: Prior | Callable[[int], Prior]
) -> Floats:
    """Return the posterior of the run length after all values, entries 0..n.

    `prior` may depend on how many values came before the regime. `began[s]` is the log joint
    probability that a regime begins after s values, and of those values.
    """

    def likelihood(start: int, end: int) -> float:
        return log_likelihood(values[start:end], prior(start) if callable(prior) else prior)

    began = [0.0]
    for t in range(1, len(values) + 1):
        parts = [
            began[t - r] + (r - 1) * math.log1p(-hazard) + likelihood(t - r, t)
            for r in range(1, t + 1)
        ]
        began.append(math.log(hazard) + np.logaddexp.reduce(parts))
    n = len(values)
    joint = [began[n]] + [
        began[n - r] + r * math.log1p(-hazard) + likelihood(n - r, n) for r in range(1, n + 1)
    ]
    return np.exp(np.array(joint) - np.logaddexp.reduce(joint))


def _segmentations(n: int) -> Iterator[list[int]]:
    """Yield the lengths of consecutive segments in every way to cut n values."""
    if n == 0:
        yield []
        return
    for first in range(1, n + 1):
        for rest in _segmentations(n - first):
            yield [first, *rest]


def run_lengths_by_enumeration(values: Sequence[float], hazard: float, prior: Prior) -> Floats:
    """Return the same by adding up every segmentation; for a handful of values."""
    n = len(values)
    mass = np.zeros(n + 1)
    for lengths in _segmentations(n):
        at, probability = 0, 1.0
        for length in lengths:
            probability *= math.exp(log_likelihood(values[at : at + length], prior))
            at += length
        probability *= hazard ** (len(lengths) - 1) * (1.0 - hazard) ** (n - len(lengths))
        mass[lengths[-1]] += probability * (1.0 - hazard)
        mass[0] += probability * hazard
    return mass / mass.sum()
