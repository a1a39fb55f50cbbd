"""Exponential forgetting from its definition: the whole past is kept and integrated numerically."""

import math

import numpy as np

NODES, WEIGHTS = np.polynomial.legendre.leggauss(20)


def forgotten(age_s: float, half_life_s: float) -> float:
    return math.exp(-math.log(2.0) * age_s / half_life_s)


class PointSum:
    """A sum of event sizes, each forgotten by its own age."""

    def __init__(self) -> None:
        self.events: list[tuple[float, float]] = []

    def add(self, t_s: float, x: float) -> None:
        """Record an event of size `x`."""
        self.events.append((t_s, x))

    def value(self, t_s: float, half_life_s: float) -> float:
        """Return the sum as of `t_s`."""
        return math.fsum(x * forgotten(t_s - at, half_life_s) for at, x in self.events)


class HeldSignal:
    """Mean and variance of a step function, by Gauss-Legendre quadrature over all of its steps.

    The kernel's memory starts as if the first observed value had stood for ever.
    """

    def __init__(self) -> None:
        self.steps: list[tuple[float, float]] = []
        self.held = math.nan

    def set(self, y: float) -> None:
        """Let the signal be `y` from now on."""
        self.held = y

    def advance(self, dt_s: float) -> None:
        """Let the signal stand for `dt_s`; unknown stretches are left out."""
        if dt_s > 0.0 and not math.isnan(self.held):
            self.steps.append((dt_s, self.held))

    def _weighted(self, half_life_s: float) -> list[tuple[float, float]]:
        delta = math.log(2.0) / half_life_s
        ages = [0.0]
        for dt_s, _ in reversed(self.steps):
            ages.append(ages[-1] + dt_s)
        pairs = [(forgotten(ages[-1], half_life_s), self.steps[0][1])]
        for (dt_s, y), age in zip(reversed(self.steps), ages, strict=False):
            at = age + 0.5 * dt_s * (NODES + 1.0)
            pairs.append((0.5 * dt_s * float(WEIGHTS @ (delta * np.exp(-delta * at))), y))
        return pairs

    def moments(self, half_life_s: float) -> tuple[float, float]:
        """Return mean and variance as of the end of the last step."""
        pairs = self._weighted(half_life_s)
        total = math.fsum(w for w, _ in pairs)
        mean = math.fsum(w * y for w, y in pairs) / total
        return mean, math.fsum(w * (y - mean) ** 2 for w, y in pairs) / total
