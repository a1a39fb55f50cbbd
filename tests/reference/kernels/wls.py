"""Weighted least squares from its definition: all events kept, solved by singular values."""

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class BatchWls:
    """Every event with its present weight and the error of the forecast that was made for it."""

    def __init__(self, terms: int) -> None:
        self.forecaster = np.zeros(terms)
        self.rows: list[tuple[Floats, float, float, float]] = []  # x, y, weight, error
        self.left: list[float] = []  # share of the weight left

    def fade(self, g: float) -> None:
        """Let all events lose weight."""
        self.left = [share * g for share in self.left]

    def add(self, x: Floats, y: float, w: float) -> None:
        """Keep an event."""
        error = y - math.fsum(x * self.forecaster)
        self.rows.append((x.copy(), y, w, error))
        self.left.append(1.0)

    def effective(self) -> float:
        """Return the number of equal events that weigh as unevenly as these."""
        w = np.array([row[2] * left for row, left in zip(self.rows, self.left, strict=True)])
        return float(w.sum() ** 2 / (w**2).sum())

    def solve(self, ridge: float) -> tuple[Floats, Floats]:
        """Return coefficients and covariance; NaN for a column of zeros."""
        x = np.array([row[0] for row in self.rows])
        y = np.array([row[1] for row in self.rows])
        w = np.array([row[2] for row in self.rows]) * np.array(self.left)
        errors = np.array([row[3] for row in self.rows])
        there = np.flatnonzero(np.abs(x).max(axis=0) > 0.0)
        x = x[:, there]
        root = np.sqrt(w)[:, None] * x
        size = np.sqrt((root**2).sum(axis=0))
        tall = np.vstack([root, math.sqrt(ridge) * np.diag(size)])
        pseudo = np.linalg.pinv(tall / size, rcond=1e-15)
        solution = pseudo[:, : len(y)] @ (np.sqrt(w) * y) / size
        inverse = pseudo @ pseudo.T
        scores = (w * errors)[:, None] * x / size
        middle = inverse @ (scores.T @ scores) @ inverse / np.outer(size, size)
        terms = self.forecaster.size
        theta, covariance = np.full(terms, np.nan), np.full((terms, terms), np.nan)
        theta[there] = solution
        covariance[np.ix_(there, there)] = middle
        self.forecaster[there] = solution
        return theta, covariance
