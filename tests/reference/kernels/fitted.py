"""Runs whole streams through the estimator, point by point, as the indicator does."""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from streams.kernels.excitation import (
    EXCITATION,
    excitation_add,
    excitation_advance,
    excitation_init,
)
from streams.kernels.hawkes import (
    FIT,
    hawkes_advance,
    hawkes_event,
    hawkes_expected,
    hawkes_init,
    hawkes_solve,
    hawkes_weigh,
)
from streams.kernels.residuals import (
    RESIDUAL,
    residual_advance,
    residual_event,
    residual_init,
)

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
HALF_LIVES = np.array([2.0, 15.0, 120.0])


@numba.njit
def _run(
    f: Any, s: Any, times: Floats, sources: Ints, marks: Floats, half_lives: Floats, memory_s: float,
    factor: Floats, path: Floats, path_s: float,
) -> None:  # fmt: skip
    solve_s, row = 0.0, 0
    for i in range(times.size):
        t = times[i]
        hawkes_advance(f, s.a, t - max(s.time_s, 0.0), half_lives, memory_s, True)
        excitation_advance(s, t, half_lives)
        if sources[i] < 2:
            hawkes_event(f, sources[i], s.a, half_lives, memory_s)
        excitation_add(s, sources[i], marks[i])
        if t >= solve_s:
            hawkes_solve(f, memory_s, factor)
            solve_s = t + 10.0
        hawkes_weigh(f, s.a, half_lives)
        if path_s > 0.0 and row < path.shape[0] and t >= (row + 1) * path_s:
            for k in range(3):
                path[row, k] = f.theta[0, 1 + k]
            row += 1


def fit(stream: tuple[Floats, Ints, Floats], memory_s: float) -> tuple[Any, Floats]:
    """Return the FIT record after a stream, and what its solution left."""
    return path(stream, memory_s, 0.0, 0)[:2]


def path(
    stream: tuple[Floats, Ints, Floats], memory_s: float, every_s: float, rows: int
) -> tuple[Any, Floats, Floats]:
    """Return the FIT record, what its solution left, and n of longs on longs by component, every so often."""
    f, s = np.zeros(1, FIT)[0], np.zeros(1, EXCITATION)[0]
    hawkes_init(f)
    excitation_init(s)
    factor, found = np.empty((2, 14, 13)), np.full((rows, 3), np.nan)
    _run(f, s, *stream, HALF_LIVES, memory_s, factor, found, every_s)
    hawkes_solve(f, memory_s, factor)
    return f, factor, found


@numba.njit
def _run_residuals(
    f: Any, s: Any, tests: Any, times: Floats, sources: Ints, marks: Floats, half_lives: Floats,
    half_life_s: float,
) -> None:  # fmt: skip
    for i in range(times.size):
        dt = times[i] - max(s.time_s, 0.0)
        for target in range(2):
            residual_advance(tests[target], hawkes_expected(f, target, s.a, dt, half_lives), dt)
        excitation_advance(s, times[i], half_lives)
        if sources[i] < 2:
            residual_event(tests[sources[i]], half_life_s)
        excitation_add(s, sources[i], marks[i])


def residuals(stream: tuple[Floats, Ints, Floats], theta: Floats, half_life_s: float) -> Any:
    """Return the RESIDUAL records of both targets when theta is known, float64[2, 13]."""
    f, s = np.zeros(1, FIT)[0], np.zeros(1, EXCITATION)[0]
    hawkes_init(f)
    excitation_init(s)
    f["theta"], f["exposure_s"] = theta, 1e9  # an old fit: no floor under its rate
    tests = np.zeros(2, RESIDUAL)
    for test in tests:
        residual_init(test)
    _run_residuals(f, s, tests, *stream, HALF_LIVES, half_life_s)
    return tests
