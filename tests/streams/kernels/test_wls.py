"""Least squares against a batch solution of all events, and its errors against simulated truth."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.kernels.cholesky import cholesky, cholesky_inverse, cholesky_solve
from streams.kernels.jit import kernel
from streams.kernels.wls import wls_add, wls_effective, wls_fade, wls_init, wls_record, wls_solve
from tests.reference.kernels.wls import BatchWls

Floats = npt.NDArray[np.float64]
WLS3, WLS12 = wls_record(3), wls_record(12)


def solution(s: Any, ridge: float) -> tuple[bool, Floats, Floats]:
    p = s["b"].size
    theta, covariance = np.empty(p), np.empty((p, p))
    return wls_solve(s, ridge, theta, covariance), theta, covariance


def worst(got: Floats, wanted: Floats, size: Floats) -> float:
    """Return the largest difference in the unit of each entry."""
    assert (np.isnan(got) == np.isnan(wanted)).all()
    return float(np.nanmax(np.abs(got - wanted) / size))


@pytest.mark.parametrize("p", [1, 2, 7, 12])
def test_cholesky_equals_lapack(p: int) -> None:
    rng = np.random.default_rng(p)
    root = rng.normal(size=(p, p + 3))
    a = root @ root.T
    lower, inverse = a.copy(), np.empty((p, p))
    assert cholesky(lower, 0.0)
    np.testing.assert_allclose(np.tril(lower), np.linalg.cholesky(a), rtol=1e-12, atol=1e-13)
    x = rng.normal(size=p)
    z = x.copy()
    cholesky_solve(lower, z)
    np.testing.assert_allclose(a @ z, x, rtol=1e-10, atol=1e-10)
    cholesky_inverse(lower, inverse)
    np.testing.assert_allclose(inverse @ a, np.eye(p), atol=1e-9)


@pytest.mark.parametrize("ridge", [0.0, 1e-6, 0.1])
@pytest.mark.parametrize("p", [3, 12])
def test_every_solution_equals_the_batch_one(p: int, ridge: float) -> None:
    rng = np.random.default_rng(p)
    s, slow = np.zeros(1, WLS3 if p == 3 else WLS12)[0], BatchWls(p)
    wls_init(s)
    units = 10.0 ** rng.uniform(-6.0, 6.0, p)  # bp beside millions of dollars
    truth = rng.normal(size=p) / units
    errors = []
    for i in range(600):
        g = float(2.0 ** (-rng.exponential(1.0) / 60.0))
        wls_fade(s, g)
        slow.fade(g)
        x = rng.normal(size=p) * units
        x[0] = units[0]
        if p == 12:
            x[5] = 0.0 if i < 300 else x[5]  # unseen for long
            x[6] = 0.0
        noise = rng.standard_t(4) * (1.0 + abs(x[1]) / units[1])
        y, w = float(x @ truth + noise), float(rng.uniform(0.1, 3.0))
        wls_add(s, x, y, w)
        slow.add(x, y, w)
        if i < 2 * p or i % 7:
            continue
        ok, theta, covariance = solution(s, ridge)
        expected, spread = slow.solve(ridge)
        size = np.sqrt(np.diag(spread))
        assert ok
        errors += [worst(theta, expected, size), worst(covariance, spread, np.outer(size, size))]
        assert wls_effective(s) == pytest.approx(slow.effective(), rel=1e-10)
    assert max(errors) < 1e-10


def test_without_ridge_collinear_regressors_have_no_solution() -> None:
    s = np.zeros(1, WLS3)[0]
    rng = np.random.default_rng(1)
    for _ in range(100):
        x = rng.normal(size=2)
        wls_add(s, np.array([x[0], x[1], x[0] - 2.0 * x[1]]), float(x[0]), 1.0)
    ok, theta, covariance = solution(s, 0.0)
    assert not ok
    assert np.isnan(theta).all()
    assert np.isnan(covariance).all()
    ok, theta, _ = solution(s, 1e-6)
    assert ok
    assert theta @ [1.0, 0.0, 1.0] == pytest.approx(1.0, abs=1e-4)  # the forecast is what is known


def test_nothing_is_known_of_an_empty_regression_and_nonsense_adds_nothing() -> None:
    s = np.zeros(1, WLS3)[0]
    for bad in (math.nan, math.inf):
        wls_add(s, np.array([1.0, bad, 0.0]), 1.0, 1.0)
        wls_add(s, np.ones(3), bad, 1.0)
        wls_add(s, np.ones(3), 1.0, bad)
    wls_add(s, np.ones(3), 1.0, 0.0)
    wls_add(s, np.ones(3), 1.0, -1.0)
    for g in (1.0, math.nan, 2.0, -0.5):
        wls_fade(s, g)
    assert s.tobytes() == bytes(WLS3.itemsize)
    ok, theta, covariance = solution(s, 1e-6)
    assert not ok
    assert np.isnan(theta).all()
    assert np.isnan(covariance).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.floats(-5.0, 5.0), min_size=4, max_size=4))
def test_units_change_coefficients_and_errors_by_their_factor(
    seed: int, exponents: list[float]
) -> None:
    rng = np.random.default_rng(seed)
    units, outcome = 10.0 ** np.array(exponents[:3]), 10.0 ** exponents[3]
    plain, other = np.zeros(1, WLS3)[0], np.zeros(1, WLS3)[0]
    for i in range(60):
        x, y = rng.normal(size=3), float(rng.normal())
        for s in (plain, other):
            wls_fade(s, 0.95)
        wls_add(plain, x, y, 2.0)
        wls_add(other, x * units, y * outcome, 2.0)
        if i == 30:
            solution(plain, 1e-3)
            solution(other, 1e-3)
    _, theta, covariance = solution(plain, 1e-3)
    _, theta2, covariance2 = solution(other, 1e-3)
    np.testing.assert_allclose(theta2 * units / outcome, theta, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(
        covariance2 * np.outer(units, units) / outcome**2, covariance, rtol=1e-8, atol=1e-12
    )


@kernel
def covered(x: Floats, y: Floats, truth: Floats, s: Any, g: float) -> int:
    """Return how many coefficients lie within two standard errors of the truth at the end."""
    p = truth.size
    theta, covariance = np.empty(p), np.empty((p, p))
    wls_init(s)
    for i in range(y.size):
        wls_fade(s, g)
        wls_add(s, x[i], y[i], 1.0)
        if i > 4 * p and i % 10 == 0:
            wls_solve(s, 1e-9, theta, covariance)
    wls_solve(s, 1e-9, theta, covariance)
    inside = 0
    for k in range(p):
        inside += abs(theta[k] - truth[k]) <= 2.0 * math.sqrt(covariance[k, k])
    return inside


def test_two_standard_errors_hold_the_truth_under_uneven_noise() -> None:
    rng = np.random.default_rng(2)
    truth, runs, n = np.array([0.3, -1.0, 2.0]), 600, 1500
    s, inside, naive = np.zeros(1, WLS3)[0], 0, 0
    for _ in range(runs):
        x = rng.normal(size=(n, 3))
        x[:, 0] = 1.0
        noise = rng.normal(size=n) * (0.5 + x[:, 2] ** 2)  # loud where the regressor is large
        y = x @ truth + noise
        inside += covered(x, y, truth, s, 0.998)
        theta = np.linalg.lstsq(x, y)[0]
        se = math.sqrt(((y - x @ theta) ** 2).mean() * np.linalg.inv(x.T @ x)[2, 2])
        naive += abs(theta[2] - truth[2]) <= 2.0 * se
    share = inside / runs / 3
    assert 0.93 < share < 0.98
    assert naive / runs < 0.85  # what equal-noise errors would have promised as 0.954
