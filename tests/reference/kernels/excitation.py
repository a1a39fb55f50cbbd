"""Hawkes intensity as the double sum over all past events."""

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def intensity(
    events: list[tuple[float, int, float]],
    t_s: float,
    target: int,
    mu: float,
    n: Floats,
    half_lives: Floats,
) -> float:
    """Return mu plus, for each event and component, n * beta * mark * exp(-beta * age)."""
    terms = [mu]
    for at, source, mark in events:
        for k, half_life in enumerate(half_lives):
            beta = math.log(2.0) / half_life
            terms.append(n[target, source, k] * beta * mark * math.exp(-beta * (t_s - at)))
    return math.fsum(terms)
