"""Simulated liquidation feeds: event times, and what a throttled venue would show of them."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def poisson_times(rng: np.random.Generator, rate: float, end_s: float) -> Floats:
    """Return the times of a Poisson process."""
    return np.sort(rng.uniform(0.0, end_s, rng.poisson(rate * end_s)))


def hawkes_times(
    rng: np.random.Generator, mu: float, branching: float, half_life_s: float, end_s: float
) -> Floats:
    """Return the times of a Hawkes process, by its clusters: each event has Poisson(n) children."""
    generation = poisson_times(rng, mu, end_s)
    families = [generation]
    while generation.size:
        parents = np.repeat(generation, rng.poisson(branching, generation.size))
        children = parents + rng.exponential(half_life_s / np.log(2.0), parents.size)
        generation = children[children < end_s]
        families.append(generation)
    return np.sort(np.concatenate(families))


def dead_time(times: Floats, dead_s: float) -> npt.NDArray[np.intp]:
    """Return which events are shown when the feed is blind for `dead_s` after each shown one."""
    shown, last = [], -np.inf
    for i, t in enumerate(times):
        if t - last >= dead_s:
            shown.append(i)
            last = t
    return np.array(shown, np.intp)


def clock_snapshot(times: Floats, period_s: float) -> npt.NDArray[np.intp]:
    """Return which events are shown when only the last one of each period is."""
    period = np.floor(times / period_s)
    return np.flatnonzero(np.append(period[1:] != period[:-1], [True][: times.size]))
