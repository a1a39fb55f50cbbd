"""The estimator from its definition: sums over all past points, integrals by quadrature, numpy's solver.

Nothing is updated. Each quantity is computed anew from the list of points and the list of intervals
between them, each with the weights that were in force.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
PRIOR_S, FEWEST, FLOOR = 60.0, 30.0, 0.05
NODES, WEIGHTS = np.polynomial.legendre.leggauss(10)


@dataclass(frozen=True)
class _Point:
    time_s: float
    source: int
    mark: float
    counted: bool


class DirectFit:
    """Weighted least squares for the intensities of both targets."""

    def __init__(self, half_lives: Floats, memory_s: float, start_s: float = 0.0) -> None:
        self.start_s = start_s  # when the prior begins to fade
        self.betas, self.delta = np.log(2.0) / half_lives, np.log(2.0) / memory_s
        self.points: list[_Point] = []
        self.weights: list[Floats] = []  # in force after each point
        self.intervals: list[
            tuple[float, Floats]
        ] = []  # end, integral of forgotten w x x' as of its end
        self.exposed: list[tuple[float, float]] = []
        self.theta = np.zeros((2, 13))

    def regressors(self, t_s: Floats) -> Floats:
        """Return x just before each of the times, float64[n, 13], as sums over all points before."""
        times = np.array([p.time_s for p in self.points])
        sources = np.array([p.source for p in self.points])
        marks = np.array([p.mark for p in self.points])
        age = t_s[:, None] - times[None, :]
        x = np.zeros((t_s.size, 13))
        x[:, 0] = 1.0
        for k, beta in enumerate(self.betas):
            left = np.where(age > 0.0, np.exp(-beta * np.maximum(age, 0.0)), 0.0) * marks
            for j in range(4):
                x[:, 1 + 3 * j + k] = beta * left[:, sources == j].sum(axis=1)
        return x

    def observe(self, t_s: float, observed: bool) -> None:
        """Let the time up to `t_s` pass."""
        start = self.points[-1].time_s if self.points else 0.0
        weights = self.weights[-1] if self.weights else np.full(2, PRIOR_S)
        if not observed or t_s <= start:
            return
        edges = np.linspace(start, t_s, int(t_s - start) + 2)
        half = 0.5 * np.diff(edges)[:, None]
        s = (0.5 * (edges[1:] + edges[:-1])[:, None] + half * NODES).ravel()
        area = (half * WEIGHTS).ravel() * np.exp(-self.delta * (t_s - s))
        x = self.regressors(s)
        total = (x * area[:, None]).T @ x
        self.intervals.append((t_s, weights[:, None, None] * total))
        self.exposed.append((start, t_s))

    def point(self, t_s: float, source: int, mark: float, counted: bool) -> None:
        """Take a point at `t_s`; `counted` events of sources 0 and 1 are what is explained."""
        self.points.append(_Point(t_s, source, mark, counted and source < 2))
        x = self.regressors(np.array([np.nextafter(t_s, np.inf)]))[0]
        excited = np.maximum(self.theta[:, 1:], 0.0) @ x[1:]
        floor = FLOOR * np.array([self.rate(t_s, i) for i in (0, 1)])
        self.weights.append(1.0 / (np.maximum(self.theta[:, 0], floor) + excited))

    def exposure(self, t_s: float) -> float:
        """Return the observed seconds, each forgotten by its age."""
        return sum(
            (np.exp(-self.delta * (t_s - b)) - np.exp(-self.delta * (t_s - a))) / self.delta
            for a, b in self.exposed
        )

    def counts(self, t_s: float, target: int) -> Floats:
        """Return the share that is left of each event of `target`."""
        ages = [t_s - p.time_s for p in self.points if p.counted and p.source == target]
        return np.exp(-self.delta * np.array(ages))

    def rate(self, t_s: float, target: int) -> float:
        """Return events a second, with one event and the prior's time added."""
        return float((self.counts(t_s, target).sum() + 1.0) / (self.exposure(t_s) + PRIOR_S))

    def matrices(self, t_s: float, target: int) -> tuple[Floats, Floats, Floats]:
        """Return G, b and V."""
        g, b, v = np.zeros((13, 13)), np.zeros(13), np.zeros((13, 13))
        for end, area in self.intervals:
            g += np.exp(-self.delta * (t_s - end)) * area[target]
        mine = [i for i, p in enumerate(self.points) if p.counted and p.source == target]
        times = np.array([self.points[i].time_s for i in mine])
        w = np.array([self.weights[i - 1][target] if i > 0 else PRIOR_S for i in mine])
        if mine:
            y = (w * np.exp(-self.delta * (t_s - times)))[:, None] * self.regressors(times)
            b, v = y.sum(axis=0), y.T @ y
        return g, b, v

    def solve(self, t_s: float) -> list[tuple[Floats, Floats]]:
        """Return theta and its covariance for both targets; too few events give the rate alone."""
        out = []
        for i in (0, 1):
            kept, rate = self.counts(t_s, i), self.rate(t_s, i)
            theta, covariance = np.zeros(13), np.full((13, 13), np.nan)
            theta[0] = rate
            if kept.size and kept.sum() ** 2 / (kept**2).sum() >= FEWEST:
                g, b, v = self.matrices(t_s, i)
                faded = np.exp(-self.delta * (t_s - self.start_s)) / self.exposure(t_s)
                prior = PRIOR_S * faded * np.diag(np.diag(g))
                inverse = np.linalg.inv(g + prior + 1e-10 * np.diag(np.diag(g)))
                theta = inverse @ (b + prior[:, 0] * rate)
                covariance = inverse @ v @ inverse
            self.theta[i] = theta
            out.append((theta, covariance))
        return out
